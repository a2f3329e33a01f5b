#!/usr/bin/env bash
# Keras 3.15.1 on JAX 0.10.2: AdaptiveAveragePooling2D(7) gives NaNs for a 14 x 14 image, where each of the 49 windows is 2 x 2 and
# their means are plain numbers; with JAX's 64-bit types on, the same layer gives these means. Averages of ones are ones.
# Seen: "without 64-bit types: 13 of 49 are NaN" and "with them: 0 of 49 are NaN, all are 1".
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 jax==0.10.2 numpy==2.4.6
cat > "$folder/run.py" <<'PY'
import numpy as np
import keras

found = np.asarray(keras.layers.AdaptiveAveragePooling2D(7)(np.ones((1, 14, 14, 1), "float32")))
print(int(np.isnan(found).sum()), "of", found.size, "are NaN" + (", all are 1" if np.allclose(found, 1) else ""))
PY
cd "$folder"
without=$(KERAS_BACKEND=jax JAX_ENABLE_X64=0 venv/bin/python run.py | tail -n 1)
with=$(KERAS_BACKEND=jax JAX_ENABLE_X64=1 venv/bin/python run.py | tail -n 1)
echo "without 64-bit types: $without"
echo "with them: $with"
[ "$without" = "13 of 49 are NaN" ] && [ "$with" = "0 of 49 are NaN, all are 1" ]
