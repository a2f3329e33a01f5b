"""Weights that a program holds by itself, gates in any order, sequences of images: equal match, faults are seen."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras import layers, ops
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations

import parity
from benchmarks.single.rows import Torch, net
from parity.reports.terminal.check import text

B, T, D, U = 2, 5, 4, 3
Pair = tuple[nn.Module, keras.Model]


def own(call: Callable[..., Any], **shapes: tuple[int, ...]) -> Any:
    class Own(layers.Layer):
        def build(self, shape: Any) -> None:
            for name, size in shapes.items():
                setattr(self, name, self.add_weight(shape=size, name=name, initializer="random_normal"))

        def call(self, x: Any) -> Any:
            return call(self, x)

    return Own()


def drawn(*shape: int) -> Any:
    return np.random.default_rng(3).standard_normal(shape).astype(np.float32)


def recurred(self: Any, x: Any) -> Any:
    """An LSTM of two products, its gates in the order i, f, o, g."""
    h = x.new_zeros(len(x), U)
    c = h
    for t in range(x.shape[1]):
        i, f, o, g = (self.ih(x[:, t]) + self.hh(h)).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
    return h


def lstm(wrong: bool) -> Pair:
    parts = {"ih": nn.Linear(D, 4 * U), "hh": nn.Linear(U, 4 * U, bias=False)}
    return Torch(recurred, **parts), net((T, D), layers.LSTM(U, activation="relu" if wrong else "tanh"))


def conv_lstm(wrong: bool) -> Pair:
    """Input and state in one convolution; all states."""

    def forward(self: Any, x: Any) -> Any:
        h = x.new_zeros(len(x), U, *x.shape[3:])
        c, out = h, []
        for t in range(x.shape[1]):
            i, f, o, g = self.conv(torch.cat([x[:, t], h], 1)).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            out.append(h)
        return torch.stack(out, 1)

    gate = "hard_sigmoid" if wrong else "sigmoid"
    theirs = layers.ConvLSTM2D(U, 3, padding="same", return_sequences=True, recurrent_activation=gate)
    return Torch(forward, conv=nn.Conv2d(2 + U, 4 * U, 3, padding=1)), net((T, 6, 4, 2), theirs)


def convolved(wrong: bool) -> Pair:
    ours = Torch(lambda self, x: functional.conv2d(x, self.w, padding=1), w=nn.Parameter(torch.randn(U, 2, 3, 3)))
    rate = 2 if wrong else 1
    call = lambda self, x: ops.conv(x, self.w, padding="same", dilation_rate=rate)  # noqa: E731
    return ours, net((6, 4, 2), own(call, w=(3, 3, 2, U)))


def square(wrong: bool) -> Pair:
    """Shapes do not tell a square matrix from its transpose."""
    ours = Torch(lambda self, x: functional.linear(x, self.w).tanh(), w=nn.Parameter(torch.randn(D, D)))
    act = ops.relu if wrong else ops.tanh
    return ours, net((T, D), own(lambda self, x: act(ops.matmul(x, self.w)), w=(D, D)))


def square_as_it_is(wrong: bool) -> Pair:
    ours = Torch(lambda self, x: (x @ self.w).tanh(), w=nn.Parameter(torch.randn(D, D)))
    return ours, square(wrong)[1]


class FrozenNorm(nn.Module):
    """A norm whose weights are all buffers."""

    def __init__(self) -> None:
        super().__init__()
        for name, low in (("weight", 0.5), ("bias", -0.2), ("running_mean", -0.5), ("running_var", 0.5)):
            self.register_buffer(name, torch.linspace(low, low + 1, 2))

    def forward(self, x: Any) -> Any:
        scale: Any = self.weight * (self.running_var + 1e-5).rsqrt()  # type: ignore[operator]
        return x * scale[:, None, None] + (self.bias - self.running_mean * scale)[:, None, None]


def frozen(wrong: bool) -> Pair:
    eps = 1e-3 if wrong else 1e-5
    return FrozenNorm(), net((6, 4, 2), layers.BatchNormalization(epsilon=eps, trainable=False))


def nameless(wrong: bool) -> Pair:
    """Names that do not say what is a kernel and what a bias, the bias first."""
    act = ops.relu if wrong else ops.tanh
    call = lambda self, x: act(ops.matmul(x, self.second) + self.first)  # noqa: E731
    return nn.Sequential(nn.Linear(D, U), nn.Tanh()), net((T, D), own(call, first=(U,), second=(D, U)))


def parametrised(wrong: bool) -> Pair:
    dense = layers.Dense(U, activation="relu" if wrong else None)
    return parametrizations.weight_norm(nn.Linear(D, U)), net((T, D), dense)


def frames(wrong: bool) -> Pair:
    ours = Torch(lambda self, x: self.conv(x.flatten(0, 1)).unflatten(0, x.shape[:2]), conv=nn.Conv2d(2, U, 3))
    inner = layers.Conv2D(U, 3, activation="relu" if wrong else None)
    return ours, net((T, 6, 4, 2), layers.TimeDistributed(inner))


def levels(wrong: bool) -> Pair:
    """torch drops between the levels of one module."""
    each = [layers.LSTM(U, return_sequences=True) for _ in range(2)]
    theirs = net((T, D), each[0], layers.Dropout(0.5 if wrong else 0.3), each[1])
    return nn.LSTM(D, U, 2, batch_first=True, dropout=0.3), theirs


class Standardised(layers.Layer):
    """Fixed numbers in variables that are not trained; torch has them in buffers."""

    def __init__(self, wrong: bool) -> None:
        super().__init__()
        self.wrong = wrong

    def build(self, shape: Any) -> None:
        self.mean = self.add_weight(shape=(D,), name="mean", trainable=False)

    def call(self, x: Any) -> Any:
        return x + self.mean if self.wrong else x - self.mean


def buffered(wrong: bool) -> Pair:
    ours = Torch(lambda self, x: x - self.mean)
    ours.register_buffer("mean", torch.linspace(0.1, 0.4, D))
    return ours, net((T, D), Standardised(wrong))


IMAGE, SEQUENCE, FILM = (B, 2, 6, 4), (B, T, D), (B, T, 2, 6, 4)
# The pair; its input; whether it has something to train.
PAIRS: dict[str, tuple[Callable[[bool], Pair], tuple[int, ...], bool]] = {
    "an LSTM by hand": (lstm, SEQUENCE, True),
    "a ConvLSTM by hand": (conv_lstm, FILM, True),
    "a function of a kernel": (convolved, IMAGE, True),
    "a square matrix, transposed": (square, SEQUENCE, True),
    "a square matrix as it is": (square_as_it_is, SEQUENCE, True),
    "names that say nothing": (nameless, SEQUENCE, True),
    "a norm of buffers": (frozen, IMAGE, False),
    "a computed weight alone": (parametrised, SEQUENCE, True),
    "a layer on every frame": (frames, FILM, True),
    "dropout between levels": (levels, SEQUENCE, True),
    "buffers": (buffered, SEQUENCE, False),
}


@pytest.mark.parametrize("name", PAIRS)
def test_an_equal_pair_matches(name: str) -> None:
    make, shape, trains = PAIRS[name]
    report = parity.check(*make(False), drawn(*shape), weights="copy", gradients=trains)
    assert report.ok, text(report)


LONG = {"an LSTM by hand", "a ConvLSTM by hand"}  # gates are tried in every order before they are told to differ


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in PAIRS])
def test_a_fault_in_it_is_seen(name: str) -> None:
    make, shape, _ = PAIRS[name]
    report = parity.check(*make(True), drawn(*shape), weights="copy")
    assert not report.ok


def test_a_computed_weight_stays_computed() -> None:
    """The class that computes it is shared by all copies of a module."""
    ours, theirs = parametrised(False)
    x = drawn(*SEQUENCE)
    before = ours(torch.from_numpy(x))
    parity.check(ours, theirs, x, weights="copy")
    assert torch.equal(ours(torch.from_numpy(x)), before)
