"""Numbers in and out of a Keras layer, run eagerly, in a graph and by XLA."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

PRECISION = {"float32": 1e-6, "float64": 1e-13, "bfloat16": 1e-2, "float16": 1e-3}
XLA = tf.function(jit_compile=True)
MODES: dict[str, Callable[..., Any]] = {"eager": lambda f: f, "graph": tf.function, "xla": XLA}


def arrays(*tensors: Any) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(tensor).astype("float64") for tensor in tensors]
