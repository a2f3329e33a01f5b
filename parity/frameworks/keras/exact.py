"""The operation of Keras's -> what computes it in float64, of those of the table of kinds (models/kinds/exact.py)."""

from functools import partial

import keras
from keras import ops

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
