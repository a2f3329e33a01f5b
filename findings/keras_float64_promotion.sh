#!/usr/bin/env bash
# Keras 3.15.1: what two float64 operands promote to depends on the backend. keras.backend.result_type("float64", "float64") is
# "float64" on NumPy and "float32" on JAX and on torch, also with JAX's 64-bit types on; so a loss of float64 logits on torch is
# computed in float32 although every array that goes in is float64.
# Seen: "numpy float64", "jax float32", "torch float32", and "torch: cross entropy of float64 logits is float32".
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 jax==0.10.2 torch==2.13.0 numpy==2.4.6
cd "$folder"
ask='import keras; print(keras.backend.backend(), keras.backend.result_type("float64", "float64"))'
seen=""
for backend in numpy jax torch; do
  line=$(KERAS_BACKEND=$backend JAX_ENABLE_X64=1 venv/bin/python -c "$ask" | tail -n 1)
  echo "$line"; seen="$seen$line;"
done
loss=$(KERAS_BACKEND=torch venv/bin/python -c '
import numpy as np, keras
loss = keras.losses.CategoricalCrossentropy(from_logits=True, reduction=None, dtype="float64")
print(keras.backend.standardize_dtype(keras.ops.categorical_crossentropy(np.eye(3), np.eye(3) * 0.1, from_logits=True).dtype))
' | tail -n 1)
echo "torch: cross entropy of float64 logits is $loss"
[ "$seen" = "numpy float64;jax float32;torch float32;" ] && [ "$loss" = "float32" ]
