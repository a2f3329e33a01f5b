"""Subclasses with a `forward` or `call` of their own: their base's part is the layer, what they add is another step."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras import layers, ops
from torch import nn
from torch.nn import functional as F

import parity
import resnet_keras
from parity.checks.report import Report
from parity.reports.terminal.check import text

X = np.random.default_rng(0).standard_normal((2, 3, 9, 9))
Made = Callable[[], Any]


class NormAct(nn.BatchNorm2d):
    """A norm, written out, and ReLU, as timm has it."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.num_batches_tracked.add_(1)
        given = self.running_mean, self.running_var, self.weight, self.bias
        x = F.batch_norm(x, *given, self.training, self.momentum or 0.0, self.eps)
        return self.act(x)


class ReluConv(nn.Conv2d):
    """One that works in place before its base does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(F.relu(x, inplace=True))


class OwnSame(nn.Conv2d):
    """One that pads itself."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.pad(x, (0, 1, 0, 1))
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Standardised(nn.Conv2d):
    """One whose kernel is another in the call."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        var, mean = torch.var_mean(self.weight, (1, 2, 3), correction=0, keepdim=True)
        return F.conv2d(x, (self.weight - mean) / torch.sqrt(var + 1e-6), self.bias)


class NormSiLU(nn.LayerNorm):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.silu(F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps))


class GroupsTanh(nn.GroupNorm):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(super().forward(x))


class KerasStandardised(layers.Conv2D):
    def __init__(self, filters: int, size: int, epsilon: float = 1e-6) -> None:
        super().__init__(filters, size)
        self.eps = epsilon

    def convolution_op(self, x: Any, kernel: Any) -> Any:
        mean, var = ops.moments(kernel, (0, 1, 2), keepdims=True)
        return super().convolution_op(x, (kernel - mean) / ops.sqrt(var + self.eps))


class ConvNorm(layers.Conv2D):
    """A convolution that has a norm and ReLU in it."""

    def __init__(self, filters: int, size: int, epsilon: float = 1e-5, act: Any = "relu") -> None:
        super().__init__(filters, size)
        self.norm, self.act = norm(epsilon=epsilon), layers.Activation(act)

    def call(self, x: Any, training: bool | None = None) -> Any:
        return self.act(self.norm(super().call(x), training=training))


class KerasNormAct(layers.BatchNormalization):
    def call(self, x: Any, training: bool | None = None, mask: Any = None) -> Any:
        return ops.relu(super().call(x, training=training))


class ReluConv2D(layers.Conv2D):
    """One with a function before it, and `activation=` behind."""

    def call(self, x: Any) -> Any:
        return super().call(ops.relu(x))


def norm(**settings: Any) -> layers.Layer:
    return layers.BatchNormalization(**{"momentum": 0.9, "epsilon": 1e-5} | settings)


def ours(*middle: nn.Module) -> Made:
    return lambda: nn.Sequential(nn.Conv2d(3, 4, 3), *middle, nn.Conv2d(4, 5, 2))


def theirs(*middle: Any) -> Made:
    return lambda: keras.Sequential([layers.Input((9, 9, 3)), layers.Conv2D(4, 3), *middle, layers.Conv2D(5, 2)])


def alone(*middle: Any) -> Made:
    return lambda: keras.Sequential([layers.Input((9, 9, 3)), *middle, layers.Conv2D(5, 2)])


# torch's model; the same in Keras; the same with a fault, the step that this is in, and its cause.
PAIRS: dict[str, tuple[Made, Made, Made, str, str]] = {
    "norm and ReLU": (
        lambda: ours(NormAct(4))(),
        lambda: theirs(norm(), layers.ReLU())(),
        lambda: theirs(norm(epsilon=1e-3), layers.ReLU())(),
        "1",
        "BN eps",
    ),
    "norm and another activation": (
        lambda: ours(NormAct(4))(),
        lambda: theirs(norm(), layers.ReLU())(),
        lambda: theirs(norm(), layers.ReLU(max_value=1.0))(),
        "1.relu",
        "another bound",
    ),
    "ReLU in place before": (
        lambda: ours(ReluConv(4, 4, 3))(),
        lambda: theirs(layers.ReLU(), layers.Conv2D(4, 3))(),
        lambda: theirs(layers.ELU(), layers.Conv2D(4, 3))(),
        "1.relu",
        "missing or extra activation",
    ),
    "padding of its own": (
        lambda: ours(OwnSame(4, 4, 3, 2))(),
        lambda: theirs(layers.ZeroPadding2D(((0, 1), (0, 1))), layers.Conv2D(4, 3, 2))(),
        lambda: theirs(layers.ZeroPadding2D(((1, 0), (1, 0))), layers.Conv2D(4, 3, 2))(),
        "1",
        "asymmetric padding",
    ),
    "standardised kernel": (
        lambda: ours(Standardised(4, 4, 3))(),
        lambda: theirs(KerasStandardised(4, 3))(),
        lambda: theirs(KerasStandardised(4, 3, 1e-3))(),
        "1",
        "unknown",
    ),
    "layer norm and SiLU": (
        lambda: ours(nn.Flatten(), NormSiLU(196), nn.Unflatten(1, (4, 7, 7)))(),
        lambda: theirs(
            layers.Permute((3, 1, 2)),
            layers.Flatten(),
            layers.LayerNormalization(epsilon=1e-5),
            layers.Activation("silu"),
            layers.Reshape((4, 7, 7)),
            layers.Permute((2, 3, 1)),
        )(),
        lambda: theirs(
            layers.Permute((3, 1, 2)),
            layers.Flatten(),
            layers.LayerNormalization(epsilon=1e-3),
            layers.Activation("silu"),
            layers.Reshape((4, 7, 7)),
            layers.Permute((2, 3, 1)),
        )(),
        "2",
        "BN eps",
    ),
    "groups and tanh": (
        lambda: ours(GroupsTanh(2, 4))(),
        lambda: theirs(layers.GroupNormalization(2, epsilon=1e-5), layers.Activation("tanh"))(),
        lambda: theirs(layers.GroupNormalization(2, epsilon=1e-3), layers.Activation("tanh"))(),
        "1",
        "BN eps",
    ),
    "Keras: norm and ReLU in a convolution": (
        lambda: ours(nn.BatchNorm2d(4), nn.ReLU())(),
        lambda: alone(ConvNorm(4, 3))(),
        lambda: alone(ConvNorm(4, 3, 1e-3))(),
        "1",
        "BN eps",
    ),
    "Keras: another activation in a convolution": (
        lambda: ours(nn.BatchNorm2d(4), nn.ReLU())(),
        lambda: alone(ConvNorm(4, 3))(),
        lambda: alone(ConvNorm(4, 3, act="elu"))(),
        "2",
        "missing or extra activation",
    ),
    "Keras: norm and ReLU": (
        lambda: ours(nn.BatchNorm2d(4), nn.ReLU())(),
        lambda: theirs(KerasNormAct(momentum=0.9, epsilon=1e-5))(),
        lambda: theirs(KerasNormAct(momentum=0.9, epsilon=1e-3))(),
        "1",
        "BN eps",
    ),
    "Keras: a function before, and a fused one behind": (
        lambda: ours(nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU())(),
        lambda: theirs(ReluConv2D(4, 3, activation="relu"))(),
        lambda: theirs(ReluConv2D(4, 3, activation="elu"))(),
        "3",
        "missing or extra activation",
    ),
}


def checked(one: Made, other: Made, gradients: bool = False) -> Report:
    torch.manual_seed(0)
    return parity.check(one(), other(), X, weights="copy", gradients=gradients)


@pytest.mark.parametrize("name", PAIRS)
def test_a_right_pair_matches_with_its_gradients(name: str) -> None:
    one, other, *_ = PAIRS[name]
    report = checked(one, other, gradients=True)
    # Keras's running variance is a biased one, which is told, once.
    assert {cause.name for cause in report.causes} <= {"biased variance"}, text(report)
    assert all(layer.inherited.error <= 1e-12 for layer in report.layers)


@pytest.mark.parametrize("name", PAIRS)
def test_a_fault_in_it_is_named(name: str) -> None:
    one, _, wrong, first, cause = PAIRS[name]
    report = checked(one, wrong)
    assert (report.first, report.cause and report.cause.name) == (first, cause), text(report)


def test_models_are_left_as_they_were() -> None:
    one, other = PAIRS["norm and ReLU"][0](), PAIRS["Keras: norm and ReLU"][1]()
    one[1].eval()
    before = {name: x.clone() for name, x in one.state_dict().items()}
    call, state = vars(layers.BatchNormalization)["call"], torch.random.get_rng_state()
    parity.check(one, other, X, weights="keep")
    assert vars(layers.BatchNormalization)["call"] is call
    assert "call" not in vars(other.layers[1])
    assert "forward" not in vars(one[1])
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(x, before[name]) for name, x in one.state_dict().items())


def test_a_call_that_branches_stays_whole() -> None:
    """Our own norm and convolution call their base in one dtype and not in another: the same steps must run in both."""
    from parity.frameworks.keras.walk import base_call, walk_keras

    row = replace(resnet_keras.VARIANTS["resnext50_32x4d"], depths=(1, 1), widths=(32, 64), groups=4)
    found = list(walk_keras(resnet_keras.ResNet(row)))
    assert {"conv", "batch_norm"} <= {entry.kind.name for entry in found}
    assert all(base_call(entry) is None for entry in found)
