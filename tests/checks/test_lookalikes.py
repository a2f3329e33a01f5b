"""Layers that are not what their names say, norms that lack a part of others, and tensors that are no weights."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras import layers, ops
from torch import nn
from torch.nn import functional as F

import parity
from parity.checks.report import Report
from parity.errors import ParityError
from parity.reports.terminal.check import text

X = np.random.default_rng(0).standard_normal((2, 3, 8, 8))
Then = Callable[[Any], Any]


class Net(nn.Module):
    """A convolution, a layer that a test puts behind it, and a head."""

    def __init__(self, middle: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.mid = middle
        self.fc = nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> Any:
        return self.fc(self.mid(self.conv(x)).mean((2, 3)))


def keras_net(*middle: Then) -> keras.Model:
    x = keras.Input((8, 8, 3))
    y = layers.Conv2D(4, 3, padding="same", name="conv")(x)
    for layer in middle:
        y = layer(y)
    return keras.Model(x, layers.Dense(5, name="fc")(layers.GlobalAveragePooling2D()(y)))


def checked(middle: nn.Module, *keras_middle: Then) -> Report:
    torch.manual_seed(0)
    model = Net(middle)
    with torch.no_grad():
        for module in model.modules():
            for name, tensor in (*module.named_buffers(recurse=False), *module.named_parameters(recurse=False)):
                if name in ("running_mean", "running_var", "weight", "bias") and tensor.ndim == 1:
                    tensor.uniform_(0.5, 1.5)
    return parity.check(model, keras_net(*keras_middle), X, weights="copy")


def norm(**settings: Any) -> layers.Layer:
    return layers.BatchNormalization(**{"momentum": 0.9, "epsilon": 1e-5} | settings)


class BatchNormAct2d(nn.BatchNorm2d):
    """A norm that also applies ReLU."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(super().forward(x))


class Conv2d(nn.Module):
    """A block that is only called a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.bn(self.conv(x)))


class GELU(nn.Module):
    """One without `approximate`."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.gelu(x)


class FrozenBatchNorm2d(nn.Module):
    """torchvision's: its four tensors are buffers."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.eps = 1e-5
        for name in ("weight", "bias", "running_mean", "running_var"):
            self.register_buffer(name, torch.ones(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight, bias, mean, var = (b.reshape(1, -1, 1, 1) for b in self.buffers())
        scale = weight * (var + self.eps).rsqrt()
        return x * scale + (bias - mean * scale)


class OnItsBatch(layers.Layer):
    """A norm that takes its batch's own statistics, always."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = norm()

    def call(self, x: Any) -> Any:
        return self.norm(x, training=True)


class Blur(nn.Module):
    """A filter that is a constant; one more that nothing reads."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filter", torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]).div(16).expand(4, 1, 3, 3))
        self.register_buffer("unread", torch.ones(7))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, self.filter, groups=4)


class KerasBlur(layers.Layer):
    """The same with an array of NumPy's."""

    def __init__(self, corner: float = 1.0) -> None:
        super().__init__()
        self.filter = np.array([[corner, 2, 1], [2, 4, 2], [1, 2, 1]], "float32")[..., None, None].repeat(4, 2) / 16

    def call(self, x: Any) -> Any:
        return ops.depthwise_conv(x, self.filter)


def conv(name: str) -> layers.Layer:
    return layers.Conv2D(4, 1, name=name)


# A layer of torch's; the same in Keras; the same with a fault.
PAIRS: dict[str, tuple[Callable[[], nn.Module], Callable[[], tuple[Then, ...]], Callable[[], tuple[Then, ...]]]] = {
    "norm and ReLU": (lambda: BatchNormAct2d(4), lambda: (norm(), layers.ReLU()), lambda: (norm(),)),
    "only called Conv2d": (
        Conv2d,
        lambda: (conv("c"), norm(), layers.ReLU()),
        lambda: (conv("c"), norm(epsilon=1.01e-5), layers.ReLU()),
    ),
    "GELU without approximate": (
        GELU,
        lambda: (layers.Activation("gelu"),),
        lambda: (lambda x: keras.activations.gelu(x, approximate=True),),
    ),
    "frozen norm": (
        lambda: FrozenBatchNorm2d(4),
        lambda: (norm(),),
        lambda: (norm(epsilon=1.01e-5),),
    ),
    "no statistics": (
        lambda: nn.BatchNorm2d(4, track_running_stats=False),
        lambda: (OnItsBatch(),),
        lambda: (norm(),),
    ),
    "no bias": (
        lambda: nn.BatchNorm2d(4, bias=False),
        lambda: (norm(center=False),),
        lambda: (norm(center=False, epsilon=1.01e-5),),
    ),
    "blur": (Blur, lambda: (KerasBlur(),), lambda: (KerasBlur(1.0001),)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_right_pair_matches(name: str) -> None:
    ours, theirs, _ = PAIRS[name]
    report = checked(ours(), *theirs())
    assert report.ok, text(report)
    assert max(layer.inherited.error for layer in report.layers) <= 1e-12


@pytest.mark.parametrize("name", PAIRS)
def test_a_fault_in_it_is_caught(name: str) -> None:
    ours, _, wrong = PAIRS[name]
    report = checked(ours(), *wrong())
    assert not report.ok
    assert report.first not in ("conv", "fc", "output")


def test_renorm_is_a_setting_and_its_statistics_are_no_weights() -> None:
    report = checked(nn.BatchNorm2d(4), norm(renorm=True))
    assert not report.ok
    assert (report.first, report.cause and report.cause.name) == ("mid", "renorm")
    assert not any(layer.faults for layer in report.layers)


def test_layers_in_a_plain_list_are_told() -> None:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = [nn.Conv2d(4, 4, 1)]

        def forward(self, x: torch.Tensor) -> Any:
            return self.hidden[0](x)

    with pytest.raises(ParityError, match="6 tensors are computed with, and 4 are the torch model's"):
        checked(Plain(), conv("c"))
