"""Moves of numbers that one side alone makes: gradients go back through them as outputs go forward."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import torch
from keras import layers as L, ops
from torch import nn

import parity

IMAGE, LINE, VOLUME = (3, 6, 5), (3, 9), (3, 4, 3, 5)
Forward = Callable[[Any, Any], Any]


class Torch(nn.Module):
    def __init__(self, forward: Forward, layers: dict[str, Any]) -> None:
        super().__init__()
        self.run = forward
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Any) -> Any:
        return self.run(self, x)


class Keras(keras.Model):  # type: ignore[misc]
    def __init__(self, forward: Forward, layers: dict[str, Any], sample: tuple[int, ...]) -> None:
        super().__init__()
        self.run = forward
        for name, layer in layers.items():
            setattr(self, name, layer)
        self(np.zeros((1, *sample), np.float32))

    def call(self, x: Any) -> Any:
        return self.run(self, x)


class Case(NamedTuple):
    """A convolution and a dense layer, joined otherwise on either side. features: of the dense layer."""

    torch: Forward
    keras: Forward
    sample: tuple[int, ...] = IMAGE
    features: int = 120
    more: Callable[[], dict[str, Any]] = dict  # Keras's own layers
    both: Callable[[], tuple[dict[str, Any], dict[str, Any]]] = lambda: ({}, {})


def permuted(*orders: tuple[int, ...]) -> Callable[[], dict[str, Any]]:
    return lambda: {f"p{i}": L.Permute(order) for i, order in enumerate(orders)} | {"flat": L.Flatten()}


def flat(self: Any, x: Any) -> Any:
    return self.fc(self.conv(x).flatten(1))


def through(self: Any, x: Any) -> Any:
    return self.fc(self.flat(self.p0(self.conv(x))))


CASES = {
    "Permute": Case(flat, through, more=permuted((3, 1, 2))),
    "another Permute": Case(flat, through, more=permuted((2, 3, 1))),
    "two Permutes": Case(flat, lambda s, x: s.fc(s.flat(s.p1(s.p0(s.conv(x))))), more=permuted((3, 1, 2), (2, 1, 3))),
    "there and back": Case(flat, lambda s, x: s.fc(s.flat(s.p1(s.p0(s.conv(x))))), more=permuted((3, 1, 2), (2, 3, 1))),
    "ops.transpose and ops.reshape": Case(
        flat, lambda s, x: s.fc(ops.reshape(ops.transpose(s.conv(x), (0, 3, 1, 2)), (-1, 120)))
    ),
    "view": Case(lambda s, x: s.fc(s.conv(x).view(len(x), -1)), through, more=permuted((3, 1, 2))),
    "torch permutes": Case(
        lambda s, x: s.fc(s.conv(x).permute(0, 2, 3, 1).flatten(1)),
        lambda s, x: s.fc(s.flat(s.conv(x))),
        more=permuted(),
    ),
    "torch transposes": Case(
        lambda s, x: s.fc(s.conv(x).transpose(1, 3).flatten(1)),
        lambda s, x: s.fc(s.flat(s.conv(x))),
        more=permuted(),
    ),
    "1-D": Case(flat, through, LINE, 36, permuted((2, 1))),
    "1-D, torch transposes": Case(lambda s, x: s.fc(s.conv(x).transpose(1, 2)), lambda s, x: s.fc(s.conv(x)), LINE, 4),
    "3-D": Case(flat, through, VOLUME, 240, permuted((4, 1, 2, 3))),
    "a ReLU between": Case(
        lambda s, x: s.fc(torch.relu(s.conv(x)).flatten(1)),
        lambda s, x: s.fc(s.flat(ops.relu(s.p0(s.conv(x))))),
        more=permuted((3, 1, 2)),
    ),
    "dense on the last axis": Case(
        lambda s, x: s.fc(s.conv(x).permute(0, 2, 3, 1)), lambda s, x: s.fc(s.conv(x)), features=4
    ),
    "tokens": Case(
        lambda s, x: s.fc(s.norm(s.conv(x).flatten(2).transpose(1, 2))),
        lambda s, x: s.fc(s.norm(ops.reshape(s.conv(x), (-1, 30, 4)))),
        features=4,
        both=lambda: ({"norm": nn.LayerNorm(4)}, {"norm": L.LayerNormalization(epsilon=1e-5)}),
    ),
    "a vector made an image": Case(
        lambda s, x: s.conv(s.fc(x).unflatten(1, (3, 4, 2))),
        lambda s, x: s.conv(s.p0(s.image(s.fc(x)))),
        (12,),
        12,
        lambda: {"image": L.Reshape((3, 4, 2)), "p0": L.Permute((2, 3, 1))},
    ),
}


def pair(case: Case) -> tuple[Any, Any, Any]:
    torch.manual_seed(0)
    rank = len(case.sample) - 1 or 2
    convs = [nn.Conv1d, nn.Conv2d, nn.Conv3d], [L.Conv1D, L.Conv2D, L.Conv3D]
    units = 24 if len(case.sample) == 1 else 5
    ours: dict[str, Any] = {"conv": convs[0][rank - 1](3, 4, 3, padding=1), "fc": nn.Linear(case.features, units)}
    theirs = {"conv": convs[1][rank - 1](4, 3, padding="same", name="conv"), "fc": L.Dense(units, name="fc")}
    also = case.both()
    x = np.random.default_rng(0).standard_normal((2, *case.sample)).astype(np.float32)
    keras_model = Keras(case.keras, theirs | case.more() | also[1], (*case.sample[1:], case.sample[0]))
    return Torch(case.torch, ours | also[0]), keras_model, x


@pytest.mark.parametrize("name", list(CASES))
def test_gradients_go_through_moves(name: str) -> None:
    report = parity.check(*pair(CASES[name]), weights="copy", gradients=True)
    assert report.ok, parity.reports.terminal.check.text(report)
    steps = {layer.path: layer.gradient for layer in report.layers}
    assert {"input", "weight", "bias"} <= steps["conv"].tensors.keys()
    assert {"input", "weight", "bias"} <= steps["fc"].tensors.keys()


WRONG = {
    "rows and columns exchanged at the output": (lambda s, x: s.conv(x), lambda s, x: s.p0(s.conv(x)), "output"),
    "rows and columns exchanged before a convolution": (
        lambda s, x: s.last(torch.relu(s.conv(x))),
        lambda s, x: s.last(ops.relu(s.p0(s.conv(x)))),
        "last",
    ),
    "softmax over rows": (
        lambda s, x: torch.softmax(s.conv(x), 1),
        lambda s, x: ops.transpose(ops.softmax(s.p0(s.conv(x)), 1), (0, 2, 1, 3)),
        "softmax",
    ),
}


@pytest.mark.parametrize("name", list(WRONG))
def test_a_wrong_move_is_caught(name: str) -> None:
    ours, theirs, path = WRONG[name]
    last = {"last": nn.Conv2d(4, 2, 3)}, {"last": L.Conv2D(2, 3, name="last")}
    used = last if path == "last" else ({}, {})
    torch.manual_seed(0)
    torch_model = Torch(ours, {"conv": nn.Conv2d(3, 4, 3, padding=1)} | used[0])
    conv = L.Conv2D(4, 3, padding="same", name="conv")
    keras_model = Keras(theirs, {"conv": conv, "p0": L.Permute((2, 1, 3))} | used[1], (5, 5, 3))
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 5)).astype(np.float32)
    report = parity.check(torch_model, keras_model, x, weights="copy", gradients=True)
    assert report.first == path, parity.reports.terminal.check.text(report)
