"""Branches that could be exchanged: what follows them tells them apart, or else the numbers do."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras import layers as L
from torch import nn

import parity
from parity.errors import UnmatchedError

X = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)


class Gate(nn.Module):
    def __init__(self, gate: Callable[[Any], Any] = torch.sigmoid) -> None:
        super().__init__()
        self.value, self.gate, self.act = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3), gate

    def forward(self, x: Any) -> Any:
        return torch.tanh(self.value(x)) * self.act(self.gate(x))


def gate(first: str = "tanh", second: str = "sigmoid") -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    branches = [L.Conv2D(4, 3, activation=each)(inputs) for each in (first, second)]
    return keras.Model(inputs, L.Multiply()(branches))


class Sums(nn.Module):
    """One convolution is in two sums: no name, kind or shape says which."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(3, 4, 3) for _ in range(3))
        self.out = nn.Conv2d(8, 2, 1)

    def forward(self, x: Any) -> Any:
        a, b = self.a(x), self.b(x)
        return self.out(torch.cat([a + b, b * 2 + self.c(x)], 1))


def sums(order: str = "abc", factor: float = 2.0) -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    made = {name: L.Conv2D(4, 3)(inputs) for name in order}
    a, b, c = (made[name] for name in "abc")
    x = L.Concatenate()([L.Add()([b, a]), L.Add()([c, factor * b])])
    return keras.Model(inputs, L.Conv2D(2, 1)(x))


class Skip(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.f, self.g, self.h = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), nn.Conv2d(3, 2, 1)

    def forward(self, x: Any) -> Any:
        a, b = self.f(x), self.g(x)
        return self.h(a + b) + a[:, :2]


def skip(exchanged: bool = False) -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    a, b = L.Conv2D(3, 1)(inputs), L.Conv2D(3, 1)(inputs)
    a, b = (b, a) if exchanged else (a, b)
    return keras.Model(inputs, L.Add()([L.Conv2D(2, 1)(L.Add()([a, b])), a[..., :2]]))


RIGHT: dict[str, tuple[Callable[[], nn.Module], Callable[[], Any]]] = {
    "a gate": (Gate, gate),
    "its gate first": (Gate, lambda: gate("sigmoid", "tanh")),
    "two that are one": (lambda: Gate(torch.tanh), lambda: gate("tanh", "tanh")),
    "in two sums": (Sums, sums),
    "in two sums, the other way round": (Sums, lambda: sums("cba")),
    "beside a sum": (Skip, skip),
    "beside a sum, the other one": (Skip, lambda: skip(exchanged=True)),
}


@pytest.mark.parametrize(("make", "other"), RIGHT.values(), ids=RIGHT)
def test_they_find_their_partners(make: Callable[[], nn.Module], other: Callable[[], Any]) -> None:
    torch.manual_seed(0)
    model, twin = make(), other()
    found = parity.check(model, twin, X, weights="copy", gradients=True)
    assert found.ok, found
    assert parity.check(model, twin, X).ok  # kept, as they were copied


@pytest.mark.parametrize(
    ("make", "other"),
    [
        (Gate, lambda: gate(second="hard_sigmoid")),
        (Sums, lambda: sums(factor=3.0)),
        (Gate, lambda: gate("tanh", "tanh")),
    ],
    ids=["another gate", "another factor", "no gate"],
)
def test_no_choice_hides_a_fault(make: Callable[[], nn.Module], other: Callable[[], Any]) -> None:
    assert not parity.check(make(), other(), X, weights="copy").ok


def test_where_numbers_may_not_choose_it_is_refused() -> None:
    with pytest.raises(UnmatchedError, match="branches that are summed could be exchanged"):
        parity.copy_weights(Skip(), skip(), X)
