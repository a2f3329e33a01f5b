"""A pair whose Keras half needs JAX's 64-bit types: its adaptive pool gives NaN without them (Keras 3.15.1)."""

from typing import Any

SHAPE = "3,14,14"


def torch_model() -> Any:
    from torch import nn

    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(4 * 49, 3))


def keras_model() -> Any:
    from keras import Input, Sequential, layers

    pool = [layers.AdaptiveAveragePooling2D(7), layers.Permute((3, 1, 2)), layers.Flatten()]
    return Sequential([Input((14, 14, 3)), layers.Conv2D(4, 3, padding="same"), *pool, layers.Dense(3)])


def keras_float64() -> Any:
    """The same, made under a policy that JAX without 64-bit types only says it has."""
    import keras

    keras.config.set_dtype_policy("float64")
    return keras_model()


def torch_float64() -> Any:
    return torch_model().double()
