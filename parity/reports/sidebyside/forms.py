"""One block of ResNeXt's forms a and b as a model of its own: no named variant is made of them, so these are measured.

Each function imports its framework when called: `parity.check` runs the two in a process each.
"""

from typing import Any

SHAPE = (64, 28, 28)  # channels, height, width
SIZES: dict[str, Any] = {"in_channels": 64, "channels": 64, "stride": 2, "groups": 4, "width_per_group": 16}


def torch_a() -> Any:
    """Form a, in PyTorch."""
    return _torch("ResNeXtA")


def keras_a() -> Any:
    """Form a, in Keras."""
    return _keras("ResNeXtA")


def torch_b() -> Any:
    """Form b, in PyTorch."""
    return _torch("ResNeXtB")


def keras_b() -> Any:
    """Form b, in Keras."""
    return _keras("ResNeXtB")


def _torch(form: str) -> Any:
    from torch import nn

    import resnet_torch

    return nn.Sequential(getattr(resnet_torch, form)(**SIZES))


def _keras(form: str) -> Any:
    import keras

    import resnet_keras

    return keras.Sequential([keras.Input((*SHAPE[1:], SHAPE[0])), getattr(resnet_keras, form)(**SIZES)])
