"""Which devices Keras's backend can use, and how to compute on one."""

import sys
from contextlib import nullcontext
from typing import Any

import keras


def keras_devices() -> list[str]:
    """The kinds of devices that Keras's backend can use here."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        # TensorFlow calls Apple's a GPU too.
        kind = "mps" if sys.platform == "darwin" else "cuda"
        return ["cpu", *([kind] if tf.config.list_physical_devices("GPU") else [])]
    if backend == "jax":
        import jax

        return ["cpu", *(["cuda"] if any(device.platform == "gpu" for device in jax.devices()) else [])]
    import torch

    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return ["cpu", *(name for name, available in found.items() if available)]


def on_device(device: str | None) -> Any:
    """Compute there; None leaves the choice to Keras."""
    if device is None:
        return nullcontext()
    of_torch = {"mps": "mps:0", "cpu": "cpu"}  # not "cpu:0": what is moved there is no Parameter any more
    names = of_torch if keras.backend.backend() == "torch" else {"cpu": "cpu:0"}
    return keras.device(names.get(device, "gpu:0"))
