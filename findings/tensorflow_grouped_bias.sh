#!/usr/bin/env bash
# TensorFlow 2.21.0 without oneDNN, on a CPU: a grouped convolution followed by a bias runs eagerly and raises UnimplementedError
# as soon as it is in a tf.function, because the graph optimizer fuses the two into a kernel that knows no groups. With oneDNN,
# which TensorFlow turns on by itself on some processors only, both run; nothing in the program differs.
# Seen: "0 eager: runs", "0 tf.function: UnimplementedError", "1 eager: runs", "1 tf.function: runs".
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tensorflow==2.21.0 keras==3.15.1 numpy==2.4.6
cat > "$folder/run.py" <<'PY'
import os
import tensorflow as tf

x, bias = tf.ones((1, 8, 8, 4)), tf.Variable(tf.ones(8))
kernel = tf.Variable(tf.ones((3, 3, 2, 8)))  # two groups of two channels


def block():
    return tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "VALID"), bias)


for name, run in (("eager", block), ("tf.function", tf.function(block))):
    try:
        run()
        print(os.environ["TF_ENABLE_ONEDNN_OPTS"], name + ": runs")
    except tf.errors.OpError as error:
        print(os.environ["TF_ENABLE_ONEDNN_OPTS"], name + ": " + type(error).__name__)
PY
cd "$folder"
seen=$(for onednn in 0 1; do TF_CPP_MIN_LOG_LEVEL=3 TF_ENABLE_ONEDNN_OPTS=$onednn venv/bin/python run.py 2>/dev/null; done)
echo "$seen"
[ "$seen" = "0 eager: runs
0 tf.function: UnimplementedError
1 eager: runs
1 tf.function: runs" ]
