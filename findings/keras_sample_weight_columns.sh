#!/usr/bin/env bash
# Keras 3.15.1: MeanSquaredError() of images (N, H, W, C) with one sample weight an image, of shape (N,), weighs the columns of all
# images where W is N, and not the images: a loss of shape (N, H, W) is multiplied by the weights along its last axis.
# Seen: "a weight of 0 takes an image out: False; it takes a column out of every image: True".
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 tensorflow==2.21.0 numpy==2.4.6
cd "$folder"
seen=$(KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python -c '
import keras, numpy as np
draw = np.random.default_rng(0)
y, p = (draw.standard_normal((4, 3, 4, 2)).astype("float32") for _ in range(2))
weights = np.array([0, 1, 1, 1], "float32")  # without the first image
found = float(keras.losses.MeanSquaredError(reduction="sum")(y, p, sample_weight=weights))
square = ((y - p) ** 2).mean(-1)
images, columns = float(square[1:].sum()), float(square[:, :, 1:].sum())
print(f"loss {found:.5f}; without the first image {images:.5f}, without the first column of each {columns:.5f}")
taken = [abs(found - each) < 1e-3 for each in (images, columns)]
print(f"a weight of 0 takes an image out: {taken[0]}; it takes a column out of every image: {taken[1]}")
' 2>/dev/null | tail -n 2)
echo "$seen"
grep -q "an image out: False; it takes a column out of every image: True" <<<"$seen"
