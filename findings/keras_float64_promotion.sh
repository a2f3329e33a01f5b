#!/usr/bin/env bash
# Keras 3.15.1: what two float64 operands promote to depends on the backend. keras.backend.result_type("float64", "float64") is
# "float64" on TensorFlow and "float32" on NumPy, on torch and on JAX, there also with 64-bit types on. Where an operation casts by it,
# digits are lost without a word: keras.ops.matmul of two float64 arrays is float32 on NumPy and on torch, and float64 on JAX,
# whose own matmul keeps it.
# Seen: "numpy float32 matmul float32", "torch float32 matmul float32", "jax float32 matmul float64".
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 jax==0.10.2 torch==2.13.0 numpy==2.4.6
cat > "$folder/run.py" <<'PY'
import keras
import numpy as np

x = keras.ops.convert_to_tensor(np.ones((2, 2)), dtype="float64")
made = keras.backend.standardize_dtype(keras.ops.matmul(x, x).dtype)
print(keras.backend.backend(), keras.backend.result_type("float64", "float64"), "matmul", made)
PY
cd "$folder"
seen=$(for backend in numpy torch jax; do KERAS_BACKEND=$backend JAX_ENABLE_X64=1 venv/bin/python run.py 2>/dev/null | tail -n 1; done)
echo "$seen"
[ "$seen" = "numpy float32 matmul float32
torch float32 matmul float32
jax float32 matmul float64" ]
