"""Gradients at knees and ties, where the frameworks choose otherwise, are named; a wrong gradient elsewhere is not."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import parity
from parity.causes.edges import at_edges

layers, ops = keras.layers, keras.ops


class Around(nn.Module):
    """A function between two layers, of which the first gives what it is given."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.a, self.function, self.b = nn.Linear(6, 6, bias=False), function, nn.Linear(6, 2)
        with torch.no_grad():
            self.a.weight.copy_(torch.eye(6))

    def forward(self, x: torch.Tensor) -> Any:
        return self.b(self.function(self.a(x)))


def around(function: Callable[..., Any]) -> keras.Model:
    inputs = keras.Input((6,))
    return keras.Model(inputs, layers.Dense(2)(function(layers.Dense(6, use_bias=False)(inputs))))


AT = {
    "hard_tanh": (F.hardtanh, lambda y: ops.hard_tanh(y), [-1, 1, 0.5], "gradient at a knee", "exactly -1 or 1 alone"),
    "selu": (F.selu, lambda y: ops.selu(y), [0, 1, -1], "gradient at a knee", "exactly 0 alone (8 of 24 numbers)"),
    "maximum": (
        lambda y: torch.maximum(y, y.flip(-1)),
        lambda y: ops.maximum(y, ops.flip(y, -1)),
        [1, 1, 1],
        "gradient at a tie",
        "add up alike over those that are equal",
    ),
}


@pytest.mark.parametrize("name", AT)
def test_a_gradient_at_an_edge_is_named(name: str) -> None:
    ours, theirs, points, cause, evidence = AT[name]
    x = np.tile(np.array(points, np.float64), (4, 2))
    report = parity.check(Around(ours), around(theirs), x, weights="copy", gradients=True)
    assert [found.name for found in report.causes] == [cause], report.causes
    assert evidence in report.causes[0].evidence
    moved = parity.check(
        Around(ours), around(theirs), x + np.linspace(0.1, 0.2, 24).reshape(4, 6), weights="copy", gradients=True
    )
    assert moved.ok, moved.causes


X = np.array([[0.0, 1.0, 2.0, 2.0], [0.0, 0.0, -1.0, 3.0]])
G = np.arange(1.0, 9.0).reshape(2, 4)


def named(theirs: np.ndarray, x: np.ndarray = X) -> list[str]:
    return [name for name, _ in at_edges([("a", x, G, theirs)])]


def test_by_numbers() -> None:
    assert named(np.where(X == 0, 0.0, G)) == ["gradient at a knee"]
    shared = G.copy()
    shared[0, 2:] = 3.5
    assert "gradient at a tie" in named(shared)


@pytest.mark.parametrize("factor", [0.0, 2.0, 1 + 1e-6])
def test_what_is_wrong_elsewhere_is_no_edge(factor: float) -> None:
    assert named(factor * G) == []
    assert named(np.where(X > 1, factor * G, G), X + 1e-3 * G) == []
    several = [("a", X, G, factor * G), ("b", X, G, G)]
    assert list(at_edges(several)) == []
