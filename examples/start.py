"""Import Keras, and the twins' Keras half, without TensorFlow's start-up messages; its log level comes too late.

    from .start import keras, resnet_keras

Everything written to the process's stderr meanwhile is kept, and shown only if the import fails.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _kept_back() -> Iterator[None]:
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except BaseException:
            sys.stderr.flush()
            file.seek(0)
            os.write(terminal, file.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)


with _kept_back():
    import keras

    import resnet_keras

    keras.ops.zeros(1)  # the first operation looks for devices

__all__ = ["keras", "keras_policy", "resnet_keras"]


@contextmanager
def keras_policy(dtype: str) -> Iterator[None]:
    """Keras layers that are made inside compute in this dtype."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
