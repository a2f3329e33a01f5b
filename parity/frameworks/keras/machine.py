"""What decides the digits of Keras's backend: its threads, TF32, and whether TensorFlow computes with oneDNN."""

import os
from typing import Any

from parity.errors import ParityError
from parity.frameworks.machine import ONEDNN, usable_cores


def tensorflow_threads() -> int:
    """The threads that TensorFlow computes one operation with: set in the program, in the environment, or by itself."""
    import tensorflow as tf

    asked = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    told = int(asked) if asked.isdigit() else 0
    return int(tf.config.threading.get_intra_op_parallelism_threads() or told or usable_cores())


def tensorflow_onednn() -> bool | None:
    """Whether TensorFlow computes with oneDNN in this process, whatever was asked for; None where it does not tell."""
    try:
        from tensorflow.python.util import _pywrap_util_port as port
    except ImportError:
        return None
    return bool(port.IsMklEnabled())


def require_onednn(asked: str, backend: str) -> None:
    """Raise ParityError unless this process computes as --onednn, or `onednn=`, asks: "on", "off" or "as-is"."""
    if asked == "as-is":
        return
    if asked not in ONEDNN:
        raise ParityError(f"onednn must be 'on', 'off' or 'as-is', and is {asked!r}; choose one")
    if backend != "tensorflow":
        raise ParityError(
            f"oneDNN must be {asked}, which is a setting of TensorFlow, and Keras's backend is {backend}; leave it "
            "out, or set KERAS_BACKEND=tensorflow"
        )
    found = tensorflow_onednn()
    if found is not (asked == "on"):
        state = {True: "with", False: "without", None: "and does not tell whether with"}[found]
        raise ParityError(
            f"oneDNN must be {asked}, and TensorFlow runs {state} it in this process, which cannot be changed once it "
            f"is loaded; set TF_ENABLE_ONEDNN_OPTS={ONEDNN[asked]} before it is imported"
        )


def allow_tf32(allowed: bool, backend: str) -> None:
    """Let float32 products round to TF32's ten bits on a GPU that can, or not."""
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(allowed)
    elif backend == "jax":
        import jax

        settings: Any = jax.config
        settings.update("jax_default_matmul_precision", "tensorfloat32" if allowed else "highest")
    elif backend == "torch":
        import torch

        torch.backends.cuda.matmul.allow_tf32 = allowed
        torch.backends.cudnn.allow_tf32 = allowed
