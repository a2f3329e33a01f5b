#!/usr/bin/env bash
# TensorFlow 2.21.0: tf.cast of a Python number to float64 rounds it to float32 first. Keras 3.15.1 states the scale of attention,
# 1 / sqrt(key_dim), that way, so a MultiHeadAttention in float64 is as far from the formula as float32 is, unless sqrt(key_dim) is
# a power of two; tf.constant(0.1, tf.float64) keeps the number.
# Seen: "a number of float32: True; attention in float64 off by more than 1e-10: with key_dim 8 True, with key_dim 16 False".
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 tensorflow==2.21.0 numpy==2.4.6
cd "$folder"
seen=$(KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python -c '
import keras, numpy as np, tensorflow as tf
cast = float(tf.cast(0.1, tf.float64))
print("tf.cast(0.1, tf.float64) - 0.1 =", cast - 0.1)
def off(width):
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).standard_normal((1, 6, 5))
    layer = keras.layers.MultiHeadAttention(1, width, use_bias=False, dtype="float64")
    found = np.asarray(layer(x, x))[0]
    q, k, v = (x[0] @ np.asarray(part.kernel)[:, 0] for part in (layer._query_dense, layer._key_dense, layer._value_dense))
    scores = np.exp(q @ k.T / width**0.5)
    right = scores / scores.sum(-1, keepdims=True) @ v @ np.asarray(layer._output_dense.kernel)[0]
    print(f"key_dim {width}: off by {np.abs(found - right).max() / np.abs(right).max():.1e} of the scale")
    return bool(np.abs(found - right).max() > 1e-10 * np.abs(right).max())
print(f"a number of float32: {cast == float(np.float32(0.1))}; attention in float64 off by more than 1e-10: with key_dim 8 {off(8)}, with key_dim 16 {off(16)}")
' 2>/dev/null | tail -n 4)
echo "$seen"
grep -q "a number of float32: True; attention in float64 off by more than 1e-10: with key_dim 8 True, with key_dim 16 False" <<<"$seen"
