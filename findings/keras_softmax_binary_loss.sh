#!/usr/bin/env bash
# Keras 3.15.1 on TensorFlow 2.21.0: the output of a Dense layer with a softmax remembers the logits that went into it, and
# BinaryCrossentropy(), told from_logits=False as by default, computes with these as if a sigmoid followed them. The loss of a model's
# output is then another one than the loss of the same numbers: their probabilities are not looked at.
# Seen: "of the output and of its numbers the same: False; of the output and of sigmoid(logits) the same: True".
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 tensorflow==2.21.0 numpy==2.4.6
cd "$folder"
seen=$(KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python -c '
import keras, numpy as np
keras.utils.set_random_seed(0)
layer, loss = keras.layers.Dense(5, activation="softmax"), keras.losses.BinaryCrossentropy()
x, y = np.random.default_rng(0).standard_normal((8, 4)).astype("float32"), np.eye(5, dtype="float32")[[0, 1, 2, 3, 4, 0, 1, 2]]
output = layer(x)
logits = x @ np.asarray(layer.kernel) + np.asarray(layer.bias)
losses = [float(loss(y, each)) for each in (output, np.asarray(output), 1 / (1 + np.exp(-logits)))]
print("losses of the output, of its numbers, of sigmoid(logits):", *(f"{each:.6f}" for each in losses))
same = [abs(losses[0] - other) < 1e-5 for other in losses[1:]]
print(f"of the output and of its numbers the same: {same[0]}; of the output and of sigmoid(logits) the same: {same[1]}")
' 2>/dev/null | tail -n 2)
echo "$seen"
grep -q "its numbers the same: False; of the output and of sigmoid(logits) the same: True" <<<"$seen"
