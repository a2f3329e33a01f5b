"""Layers that run in training alone: told of an evaluation, and compared in a training step."""

from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras import layers, ops
from torch import nn

import parity
from parity.errors import UnmatchedError
from parity.reports.terminal.check import text

X = np.random.default_rng(0).standard_normal((4, 3, 8, 8))


class Torch(nn.Module):
    """A second head on the first features, in training alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.aux = nn.Linear(8, 5)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> Any:
        x = torch.relu(self.conv1(x))
        aux = self.aux(x.mean((2, 3))) if self.training else None
        logits = self.fc(torch.relu(self.conv2(x)).mean((2, 3)))
        return (logits, aux) if self.training else logits


class Keras(keras.Model):
    """The same; late: with the second head on the second features. always: in evaluation mode too."""

    def __init__(self, late: bool = False, scale: float = 1.0, classes: int = 5, always: bool = False) -> None:
        super().__init__()
        self.late, self.scale, self.always = late, scale, always
        self.conv1 = layers.Conv2D(8, 3, padding="same")
        self.conv2 = layers.Conv2D(8, 3, padding="same")
        self.aux = layers.Dense(classes)
        self.fc = layers.Dense(5)
        self(ops.zeros((1, 8, 8, 3)), training=True)

    def call(self, x: Any, training: bool = False) -> Any:
        x = ops.relu(self.conv1(x))
        y = ops.relu(self.conv2(x))
        logits = self.fc(ops.mean(y, (1, 2)))
        if not (training or self.always):
            return logits
        return logits, self.aux(ops.mean(y if self.late else x, (1, 2))) * self.scale


def checked(model: keras.Model, gradients: bool) -> Any:
    torch.manual_seed(0)
    return parity.check(Torch(), model, X, weights="copy", gradients=gradients)


@pytest.mark.parametrize("gradients", [False, True])
def test_a_head_of_training_alone_is_told_of(gradients: bool) -> None:
    report = checked(Keras(), gradients)
    assert report.ok, text(report)
    assert "aux runs on neither side in evaluation mode" in text(report)
    assert ("aux" in [layer.path for layer in report.layers]) == gradients


def test_a_head_on_other_features_is_found_in_training() -> None:
    assert checked(Keras(late=True), False).ok
    report = checked(Keras(late=True), True)
    assert not report.ok
    assert report.cause is not None
    assert report.cause.name == "another input"
    assert "aux is fed" in report.cause.evidence


def test_a_head_that_computes_otherwise_is_found_in_training() -> None:
    report = checked(Keras(scale=1.0001), True)
    assert not report.ok


def test_a_head_that_one_side_runs_in_evaluation_is_no_note() -> None:
    assert "runs on neither side" not in text(checked(Keras(always=True), False))


def test_a_head_of_other_weights_is_no_note() -> None:
    with pytest.raises(UnmatchedError):
        checked(Keras(classes=6), False)
