"""A small ResNet in NumPy: layers that are called on arrays (N, C, H, W), and compute in the dtype of what they get."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(eq=False)
class Layer:
    """weights: by torch's names and in torch's layout."""

    weights: dict[str, Array] = field(default_factory=dict)

    def __call__(self, x: Array) -> Array:
        raise NotImplementedError

    def weight(self, name: str, x: Array) -> Array:
        return self.weights[name].astype(x.dtype)


@dataclass(eq=False)
class Conv(Layer):
    """3x3, without a bias, every other pixel for a stride of 2."""

    stride: int = 1

    def __call__(self, x: Array) -> Array:
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
        windows = windows[:, :, :: self.stride, :: self.stride]
        return np.einsum("nchwij,ocij->nohw", windows, self.weight("weight", x), optimize=True)


@dataclass(eq=False)
class BatchNorm(Layer):
    eps: float = 1e-5

    def __call__(self, x: Array) -> Array:
        names = ("weight", "bias", "running_mean", "running_var")
        gamma, beta, mean, variance = (self.weight(name, x).reshape(1, -1, 1, 1) for name in names)
        return (x - mean) / np.sqrt(variance + np.asarray(self.eps, x.dtype)) * gamma + beta


class ReLU(Layer):
    def __call__(self, x: Array) -> Array:
        return np.maximum(x, 0)


class Pool(Layer):
    """The mean of every channel."""

    def __call__(self, x: Array) -> Array:
        return np.asarray(x.mean((2, 3)))


class Dense(Layer):
    def __call__(self, x: Array) -> Array:
        return np.asarray(x @ self.weight("weight", x).T + self.weight("bias", x))


class Network:
    """Stem, one residual block, head; `call` runs a layer, and may look at what it gets and gives."""

    def __init__(self, channels: int = 8, classes: int = 5, eps: float = 1e-5) -> None:
        self.layers: dict[str, Layer] = {
            "conv1": _conv(3, channels, 2),
            "bn1": _norm(channels, 1e-5),
            "relu": ReLU(),
            "block.conv1": _conv(channels, channels, 1),
            "block.bn1": _norm(channels, eps),
            "block.relu1": ReLU(),
            "block.conv2": _conv(channels, channels, 1),
            "block.bn2": _norm(channels, 1e-5),
            "block.relu2": ReLU(),
            "pool": Pool(),
            "fc": Dense({"weight": _random(classes, channels), "bias": _random(classes)}),
        }

    def __call__(self, x: Array, call: Callable[[str, Array], Array] | None = None) -> Array:
        run = call or (lambda path, x: self.layers[path](x))
        for path in ("conv1", "bn1", "relu"):
            x = run(path, x)
        y = x
        for path in ("block.conv1", "block.bn1", "block.relu1", "block.conv2", "block.bn2"):
            y = run(path, y)
        return run("fc", run("pool", run("block.relu2", x + y)))


def _random(*shape: int) -> Array:
    return np.random.standard_normal(shape).astype(np.float32)  # noqa: NPY002 - seeded as a user's factory would be


def _conv(inputs: int, outputs: int, stride: int) -> Conv:
    return Conv({"weight": _random(outputs, inputs, 3, 3)}, stride)


def _norm(channels: int, eps: float) -> BatchNorm:
    names = ("weight", "bias", "running_mean", "running_var")
    return BatchNorm({name: np.full(channels, float(i % 3 == 0), np.float32) for i, name in enumerate(names)}, eps)


def small() -> Network:
    return Network()


def other_epsilon() -> Network:
    """One norm with Keras's epsilon."""
    return Network(eps=1e-3)


def failing() -> Network:
    raise FileNotFoundError("no such weights")
