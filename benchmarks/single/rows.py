"""How a pair of single layers is written down: both sides' makers, the input, the faults -> a `Row`."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import torch
from keras import layers
from torch import nn


class Row(NamedTuple):
    """torch, keras: makers of both models; x: makes the input, in torch's order.

    faults: name -> (makers that take the sound ones' place, by "torch" or "keras", and what of the cause must be told).
    refusal: what the one true sentence says where such a pair cannot be compared.
    """

    name: str
    torch: Callable[[], nn.Module]
    keras: Callable[[], Any]
    x: Callable[[], Any]
    faults: dict[str, tuple[str, Callable[[], Any], str]]
    gradients: bool = True
    refusal: str = ""


class Torch(nn.Module):
    """A function of its parts, as a module."""

    def __init__(self, forward: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self._forward = forward

    def forward(self, *x: Any) -> Any:
        return self._forward(self, *x)


class Keras(keras.Model):
    """The same as a model."""

    def __init__(self, call: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self._call = call

    def call(self, x: Any, training: bool | None = None) -> Any:
        return self._call(self, *x) if isinstance(x, (list, tuple)) else self._call(self, x)


def net(shape: tuple[int | None, ...], *own: Any, dtype: str | None = None) -> Any:
    """Keras's layers one behind another."""
    return keras.Sequential([keras.Input(shape, dtype=dtype), *own])


def of(shape: tuple[int, ...], function: Callable[[Any], Any], dtype: str | None = None) -> Any:
    """A function as a Keras model, through a Lambda."""
    return net(shape, layers.Lambda(function), dtype=dtype)


def weighted(call: Callable[..., Any], **shapes: tuple[int, ...]) -> type[layers.Layer]:
    """A layer of the user's own, with weights of these names and shapes."""

    class Own(layers.Layer):
        def build(self, shape: Any) -> None:
            for name, size in shapes.items():
                setattr(self, name, self.add_weight(shape=size, name=name, initializer="random_normal"))

        def call(self, *x: Any) -> Any:
            return call(self, *x)

    return Own


def drawn(*shape: int, scale: float = 1.0) -> Callable[[], Any]:
    """Normal numbers."""
    return lambda: (np.random.default_rng(3).standard_normal(shape) * scale).astype(np.float32)


def whole(below: int, *shape: int) -> Callable[[], Any]:
    """Whole numbers."""
    return lambda: np.random.default_rng(3).integers(0, below, shape)


def several(*made: Callable[[], Any]) -> Callable[[], Any]:
    """Several inputs by position."""
    return lambda: tuple(each() + (0.25 * i if each().dtype.kind == "f" else 0) for i, each in enumerate(made))


def shaken(model: nn.Module) -> nn.Module:
    """Every parameter and statistic random: nothing neutral hides a fault. Other buffers are constants."""
    draw = torch.Generator().manual_seed(1)
    own = {name for name, _ in model.named_parameters()}
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name not in own and not name.endswith(("running_mean", "running_var")):
                continue
            values = torch.randn(tensor.shape, generator=draw) * 0.2
            tensor.copy_(values.abs() + 0.5 if name.endswith("running_var") else tensor + values)
    return model
