"""A vector that becomes an image: torch makes (C, H, W) of it, Keras (H, W, C), and what gives it is copied so."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras import layers as L
from torch import nn
from torch.nn import functional as F

import parity
import resnet_keras.layers

X = np.random.default_rng(0).standard_normal((4, 10)).astype(np.float32)


class Generator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(10, 128)
        self.norm = nn.BatchNorm1d(128)
        self.up = nn.ConvTranspose2d(8, 3, 4, 2, 1)

    def forward(self, z: Any) -> Any:
        return torch.tanh(self.up(F.leaky_relu(self.norm(self.project(z)), 0.2).view(-1, 8, 4, 4)))


def port(slope: float = 0.2, first: bool = False, norm: Any = None) -> keras.Model:
    """Generator in Keras. first: the image is made channels first, as torch makes it, and then moved."""
    inputs = keras.Input((10,))
    norm = resnet_keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5) if norm is None else norm
    x = L.LeakyReLU(negative_slope=slope)(norm(L.Dense(128)(inputs)))
    x = L.Permute((2, 3, 1))(L.Reshape((8, 4, 4))(x)) if first else L.Reshape((4, 4, 8))(x)
    return keras.Model(inputs, L.Conv2DTranspose(3, 4, 2, "same", activation="tanh")(x))


class Both(nn.Module):
    """The vector is used as it is, too."""

    def __init__(self) -> None:
        super().__init__()
        self.vector = nn.Linear(10, 128)
        self.head = nn.Linear(128, 3)
        self.conv = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, z: Any) -> Any:
        v = self.vector(z)
        return self.head(v), self.conv(v.view(-1, 8, 4, 4))


def both() -> keras.Model:
    inputs = keras.Input((10,))
    v = L.Dense(128)(inputs)
    return keras.Model(inputs, [L.Dense(3)(v), L.Conv2D(8, 3, padding="same")(L.Reshape((4, 4, 8))(v))])


@pytest.mark.parametrize(
    ("make", "other"),
    [(Generator, port), (Generator, lambda: port(first=True)), (Both, both)],
    ids=["last", "first", "both"],
)
def test_it_is_copied_in_its_order_and_stays_right(make: Callable[[], nn.Module], other: Callable[[], Any]) -> None:
    model, twin = make(), other()
    found = parity.check(model, twin, X, weights="copy", gradients=True)
    assert found.ok, found
    told = any("become an image" in note for note in found.to_json()["notes"])
    assert told is (not any(layer.name.startswith("permute") for layer in twin.layers))
    assert parity.check(model, twin, X).ok  # as it was copied: a port that was made so by hand


def test_kept_in_torchs_order_is_a_mismatch() -> None:
    model, twin = Generator(), port()
    parity.check(model, twin, X, weights="copy")
    dense = next(layer for layer in twin.layers if isinstance(layer, L.Dense))
    dense.kernel.assign(model.project.weight.detach().numpy().T)
    found = parity.check(model, twin, X)
    assert (found.ok, found.first) == (False, "project")


@pytest.mark.parametrize(
    ("twin", "path", "cause"),
    [
        (lambda: port(slope=0.3), "leaky_relu", "activation slope"),
        (lambda: port(norm=L.BatchNormalization(momentum=0.9, epsilon=1e-5)), "norm", "biased variance"),
    ],
    ids=["slope", "biased"],
)
def test_what_is_wrong_on_the_way_is_found_where_it_is(twin: Callable[[], Any], path: str, cause: str) -> None:
    found = parity.check(Generator(), twin(), X, weights="copy", gradients=True)
    assert found.cause is not None
    assert (found.first, found.cause.name) == (path, cause), found
