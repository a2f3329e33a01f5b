"""The operation of Keras's -> what computes it in float64, of those of the table of kinds (models/kinds/exact.py)."""

from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from parity.models.arrays import Array
from parity.models.kinds import KINDS
from parity.models.kinds.exact import WITHIN

NOTE = "float64 by an exact equivalent: TensorFlow {}"
EVERY = (*(exact for kind in KINDS for exact in kind.exact), *WITHIN)
EXACT = {exact.operation: partial(exact.run, ops) for exact in EVERY}
REASONS = {exact.operation: exact.reason for exact in EVERY}
CONVOLUTIONS = tuple(exact.operation for exact in WITHIN)


def lacking() -> tuple[type[Exception], ...]:
    """What TensorFlow raises where it has no kernel of a dtype; nothing on another backend."""
    if keras.backend.backend() != "tensorflow":
        return ()
    import tensorflow as tf

    return tf.errors.InvalidArgumentError, tf.errors.NotFoundError, tf.errors.UnimplementedError


def close(own: Array, exact: Array) -> bool:
    """Whether an exact equivalent's result is Keras's own to float32's precision."""
    scale = float(np.abs(exact).max(initial=0))
    return own.shape == exact.shape and np.allclose(own, exact, rtol=1e-4, atol=1e-5 * scale, equal_nan=True)


def in_float32(args: Any) -> Any:
    """The arguments with tensors and variables in float32."""
    return keras.tree.map_structure(lambda x: ops.cast(x, "float32") if hasattr(x, "dtype") else x, args)


def widened(x: Any) -> Any:
    """A float tensor in float64."""
    floats = ops.is_tensor(x) and keras.backend.is_float_dtype(keras.backend.standardize_dtype(x.dtype))
    return ops.cast(x, "float64") if floats else x
