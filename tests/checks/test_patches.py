"""A Keras model that is not built and has a Dense on patches where torch convolves: its input's channels are last."""

from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras import layers, ops
from torch import nn

import parity
from parity.checks.report import Report
from parity.reports.terminal.check import text

X = np.random.default_rng(0).standard_normal((2, 3, 12, 8))


class Patches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Conv2d(3, 6, 4, 4), nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> Any:
        return self.head(torch.tanh(self.embed(x).flatten(2).transpose(1, 2)))


class KerasPatches(keras.Model):
    """first: takes channels first and moves them. wrong: takes rows of pixels for patches."""

    def __init__(self, first: bool = False, wrong: bool = False) -> None:
        super().__init__()
        self.embed, self.head = layers.Dense(6), layers.Dense(5)
        self.first, self.wrong = first, wrong

    def call(self, x: Any) -> Any:
        x = ops.transpose(x, (0, 2, 3, 1)) if self.first else x
        if not self.wrong:
            x = ops.transpose(ops.reshape(x, (-1, 3, 4, 2, 4, x.shape[-1])), (0, 1, 3, 2, 4, 5))
        return self.head(ops.tanh(self.embed(ops.reshape(x, (-1, 6, 48)))))


class Features(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> Any:
        return self.embed(x)


class KerasFeatures(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.embed = layers.Dense(5)

    def call(self, x: Any) -> Any:
        return self.embed(x)


def checked(ours: nn.Module, theirs: keras.Model) -> Report:
    torch.manual_seed(0)
    return parity.check(ours, theirs, X, weights="copy")


@pytest.mark.parametrize("first", [False, True])
def test_patches_match_wherever_their_channels_are(first: bool) -> None:
    report = checked(Patches(), KerasPatches(first))
    assert report.ok, text(report)


def test_a_dense_on_what_torch_does_not_convolve_has_torchs_axes() -> None:
    report = checked(Features(), KerasFeatures())
    assert report.ok, text(report)


@pytest.mark.parametrize("first", [False, True])
def test_patches_that_are_others_are_caught(first: bool) -> None:
    report = checked(Patches(), KerasPatches(first, wrong=True))
    assert not report.ok
    assert report.first == "embed", text(report)
