"""Training steps of networks as others write them: sums of sums, padding layers, recomputation, cuts, no gradient."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras import layers as L
from torch import nn
from torch.utils.checkpoint import checkpoint

import parity
from parity.errors import ParityError
from parity.reports.terminal.check import text
from resnet_keras.layers import BatchNormalization

X = np.random.default_rng(0).standard_normal((4, 3, 8, 8))


def keras_norm() -> Any:
    return BatchNormalization(epsilon=1e-5, momentum=0.9)


def ended(x: Any, y: Any) -> keras.Model:
    return keras.Model(x, L.Dense(5)(L.GlobalAveragePooling2D()(y)))


class PreActivation(nn.Module):
    """Additions that feed additions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 5)
        self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in range(3))
        self.convs = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(3))

    def forward(self, x: torch.Tensor) -> Any:
        y = self.conv(x)
        for norm, conv in zip(self.norms, self.convs, strict=True):
            y = y + conv(norm(y).relu())
        return self.fc(y.mean((2, 3)))


def pre_activation() -> keras.Model:
    x = keras.Input((8, 8, 3))
    y = L.Conv2D(4, 3, padding="same")(x)
    for _ in range(3):
        y = L.Add()([y, L.Conv2D(4, 3, padding="same")(L.ReLU()(keras_norm()(y)))])
    return ended(x, y)


class DenselyConnected(nn.Module):
    """Concatenations that feed concatenations."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(10, 5)
        self.convs = nn.ModuleList(nn.Conv2d(4 + 2 * n, 2, 3, padding=1) for n in range(3))

    def forward(self, x: torch.Tensor) -> Any:
        y = self.conv(x)
        for conv in self.convs:
            y = torch.cat([y, conv(y).relu()], 1)
        return self.fc(y.mean((2, 3)))


def densely_connected() -> keras.Model:
    x = keras.Input((8, 8, 3))
    y = L.Conv2D(4, 3, padding="same")(x)
    for _ in range(3):
        y = L.Concatenate()([y, L.ReLU()(L.Conv2D(2, 3, padding="same")(y))])
    return ended(x, y)


class Block(nn.Module):
    """A convolution, then norm and convolution: as they are, recomputed, or behind a cut."""

    def __init__(self, run: Callable[[Any, Any], Any] = lambda block, y: block(y)) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.last, self.fc = nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 5)
        self.run = run

    def block(self, y: torch.Tensor) -> Any:
        return self.last(self.norm(y).relu())

    def forward(self, x: torch.Tensor) -> Any:
        return self.fc(self.run(self.block, self.conv(x)).mean((2, 3)))


def block(scope: Any = None, stop: bool = False, frozen: int = 0) -> keras.Model:
    x = keras.Input((8, 8, 3))
    with scope or nullcontext():
        norm, last = keras_norm(), L.Conv2D(4, 3, padding="same")
    y = L.Conv2D(4, 3, padding="same")(x)
    y = keras.ops.stop_gradient(y) if stop else y
    model = ended(x, last(L.ReLU()(norm(y))))
    for layer in model.layers[: frozen + 1]:
        layer.trainable = layer.name.startswith("input")
    return model


def frozen_stages() -> Block:
    model = Block()
    for parameter in (*model.conv.parameters(), *model.norm.parameters()):
        parameter.requires_grad_(False)
    model.norm.eval()
    return model


def without_graph(run: Any, y: Any) -> Any:
    return run(y.detach())


class NoGrad(Block):
    """A stage in `torch.no_grad`, as a frozen body is often written."""

    def forward(self, x: torch.Tensor) -> Any:
        with torch.no_grad():
            y = self.conv(x)
        return self.fc(self.block(y).mean((2, 3)))


def padded(pool: bool) -> keras.Model:
    x = keras.Input((8, 8, 3))
    y = L.Conv2D(4, 3, strides=2)(L.ZeroPadding2D(1)(x))
    return ended(x, L.MaxPooling2D(3, 2)(L.ZeroPadding2D(1)(L.ReLU()(y))) if pool else y)


def padding(pool: bool) -> nn.Module:
    between = (nn.ReLU(), nn.MaxPool2d(3, 2, padding=1)) if pool else ()
    tail = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)
    model = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), *between, *tail)
    nn.init.constant_(model[0].bias, -0.7)  # type: ignore[arg-type]  # windows of nothing but zeros
    return model


MATCHING: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "additions": (PreActivation, pre_activation),
    "concatenations": (DenselyConnected, densely_connected),
    "padding layer": (lambda: padding(False), lambda: padded(False)),
    "padding layer of a pool": (lambda: padding(True), lambda: padded(True)),
    "frozen stages": (frozen_stages, lambda: block(frozen=2)),
    "cut": (lambda: Block(without_graph), lambda: block(stop=True)),
    "no_grad": (NoGrad, lambda: block(stop=True)),
    "RematScope": (Block, lambda: block(keras.RematScope(mode="full"))),
}


def compare(ours: Any, theirs: Any, **options: Any) -> Any:
    return parity.check(ours, theirs, X, weights="copy", gradients=True, **options)


@pytest.mark.parametrize("name", MATCHING)
def test_no_false_alarm(name: str) -> None:
    ours, theirs = MATCHING[name]
    report = compare(ours(), theirs())
    assert report.ok, text(report)


def test_a_cut_on_one_side_is_found() -> None:
    report = compare(Block(), block(stop=True))
    assert (report.ok, report.cause.name) == (False, "missing gradient")


def test_what_is_run_again_moves_its_statistics_twice() -> None:
    report = compare(Block(lambda run, y: checkpoint(run, y, use_reentrant=False)), block())
    assert (report.ok, report.first, report.cause.name) == (False, "norm", "run twice")
    assert sum(bool(row.faults) for row in report.layers) == 1


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
def test_a_pass_inside_another_is_one_sentence() -> None:
    with pytest.raises(ParityError, match="pass use_reentrant=False"):
        compare(Block(lambda run, y: checkpoint(run, y, use_reentrant=True)), block())


class Ended(Block):
    """A block with something done to its output."""

    def __init__(self, end: Callable[[Any], Any]) -> None:
        super().__init__()
        self.end = end

    def forward(self, x: torch.Tensor) -> Any:
        return self.end(super().forward(x))


def ending(end: Callable[[Any], Any]) -> keras.Model:
    model = block()
    return keras.Model(model.inputs, end(model.outputs[0]))


NOTHING = {
    "cut": (torch.detach, keras.ops.stop_gradient, "this loss gives no gradient: .* pass another, such as --loss mse"),
    "dead": (lambda y: (y - 1e4).relu(), lambda y: keras.ops.relu(y - 1e4), "this loss gives no gradient"),
    "whole numbers": (lambda y: y.argmax(1), lambda y: keras.ops.argmax(y, 1), "the model gives none"),
    "truth values": (lambda y: y > 0, lambda y: y > 0, "the model gives none"),
}


@pytest.mark.parametrize("name", NOTHING)
def test_a_step_without_gradients_proves_nothing(name: str) -> None:
    ours, theirs, sentence = NOTHING[name]
    with pytest.raises(ParityError, match=sentence):
        compare(Ended(ours), ending(theirs))
