#!/usr/bin/env bash
# Keras 3.15.1 on TensorFlow 2.21.0: a channels_first convolution that has as many filters as its output's last axis is long adds
# its bias along that axis, and not to the channels; nothing is raised. With any other number of filters it is added to the
# channels. Conv2D is right again in predict(), Conv3D is not. (oneDNN is asked for, as a CPU has no channels_first kernel else.)
# Seen: "Conv2D 8 filters, last axis 8: along the last axis, predict: by channel", "Conv2D 6 filters, last axis 8: by channel,
# predict: by channel", "Conv3D 8 filters, last axis 8: along the last axis, predict: along the last axis", "Conv3D 6 filters,
# last axis 8: by channel, predict: by channel".
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tensorflow==2.21.0 keras==3.15.1 numpy==2.4.6
cat > "$folder/run.py" <<'PY'
import keras
import numpy as np
from keras import layers


def where(output, bias):
    """Along which axis a bias was added to nothing but zeros."""
    axes = {"by channel": bias.reshape(1, -1, *[1] * (output.ndim - 2))}
    if output.shape[-1] == len(bias):
        axes["along the last axis"] = bias
    return next(name for name, wanted in axes.items() if np.array_equal(output, np.broadcast_to(wanted, output.shape)))


for kind, rank in ((layers.Conv2D, 2), (layers.Conv3D, 3)):
    for filters in (8, 6):
        layer = kind(filters, 3, padding="same", data_format="channels_first", kernel_initializer="zeros")
        model = keras.Sequential([keras.Input((3, *[8] * rank)), layer])
        bias = np.arange(1, filters + 1, dtype="float32")
        layer.bias.assign(bias)
        x = np.ones((2, 3, *[8] * rank), "float32")
        called, predicted = where(np.asarray(layer(x)), bias), where(model.predict(x, verbose=0), bias)
        print(f"{kind.__name__} {filters} filters, last axis 8: {called}, predict: {predicted}")
PY
cd "$folder"
seen=$(TF_CPP_MIN_LOG_LEVEL=3 TF_ENABLE_ONEDNN_OPTS=1 KERAS_BACKEND=tensorflow venv/bin/python run.py 2>/dev/null)
echo "$seen"
[ "$seen" = "Conv2D 8 filters, last axis 8: along the last axis, predict: by channel
Conv2D 6 filters, last axis 8: by channel, predict: by channel
Conv3D 8 filters, last axis 8: along the last axis, predict: along the last axis
Conv3D 6 filters, last axis 8: by channel, predict: by channel" ]
