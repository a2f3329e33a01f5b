"""What acts in training alone: told by a check, each difference with what it changes; dropout is replayed."""

from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import parity
from parity.checks.report import Report
from parity.reports.terminal.check import text

X = np.random.default_rng(0).standard_normal((4, 3, 8, 8))
layers = keras.layers


def ours(*noise: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), *noise, nn.Flatten(), nn.Linear(6 * 6 * 6, 5))


def theirs(*noise: Any, **own: Any) -> keras.Model:
    """own: options of the convolution."""
    body = [layers.Conv2D(6, 3, activation="relu", **own), *noise, layers.Flatten(), layers.Dense(5)]
    return keras.Sequential([keras.Input((8, 8, 3)), *body])


def checked(model: nn.Module, other: keras.Model, **given: Any) -> Report:
    return parity.check(model, other, X, weights="copy", **given)


def told(report: Report) -> list[tuple[str, str, Any, Any]]:
    static = (entry for entry in report.static if entry.field != "initializer")
    return [(entry.path, entry.field, entry.reference, entry.candidate) for entry in static]


SAME = {
    "dropout": (lambda: nn.Dropout(0.3), lambda: layers.Dropout(0.3)),
    "channels": (lambda: nn.Dropout2d(0.3), lambda: layers.SpatialDropout2D(0.3)),
    "noise shape": (lambda: nn.Dropout2d(0.3), lambda: layers.Dropout(0.3, noise_shape=(None, 1, 1, None))),
    "alpha": (lambda: nn.AlphaDropout(0.3), lambda: layers.AlphaDropout(0.3)),
    "alpha of channels": (
        lambda: nn.FeatureAlphaDropout(0.3),
        lambda: layers.AlphaDropout(0.3, noise_shape=(None, 1, 1, None)),
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_equal_dropout_is_replayed_in_a_training_step(name: str) -> None:
    one, other = SAME[name]
    report = checked(ours(one()), theirs(other()), gradients=True)
    assert report.ok, text(report)
    assert told(report) == []
    assert "dropout: torch's masks replayed in Keras (1 step" in text(report)
    row = next(layer for layer in report.layers if layer.path == "2")
    assert row.gradient is not None
    assert row.gradient.tensors["output"].added.count > 0


OTHER = {
    "rate": (lambda: nn.Dropout(0.3), lambda: layers.Dropout(0.5), "dropout 0.3", "dropout 0.5"),
    "shape": (
        lambda: nn.Dropout2d(0.3),
        lambda: layers.Dropout(0.3),
        "dropout 0.3 of whole channels",
        "dropout 0.3",
    ),
    "form": (lambda: nn.Dropout(0.3), lambda: layers.AlphaDropout(0.3), "dropout 0.3", "alpha dropout 0.3"),
    "noise": (lambda: nn.Dropout(0.3), lambda: layers.GaussianNoise(0.3), "dropout 0.3", "Gaussian noise 0.3"),
}


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("name", OTHER)
def test_another_dropout_is_a_difference_and_is_named(name: str, gradients: bool) -> None:
    one, other, *words = OTHER[name]
    report = checked(ours(one()), theirs(other()), gradients=gradients)
    assert told(report) == [("2", "dropout", *words)]
    assert (report.ok, report.first) == (False, "2")
    assert [(cause.name, cause.path) for cause in report.causes] == [("another dropout", "2")]
    assert f"{words[0]} in torch, {words[1]} in Keras: it changes what a training step drops" in str(report.cause)
    assert report.to_json()["static"][-1]["changes"] == "what a training step drops"
    if gradients:
        assert [layer.path for layer in report.layers if layer.faults] == ["2"]  # the numbers show it, too


@pytest.mark.parametrize("side", ["torch", "keras"])
def test_dropout_on_one_side_is_told_and_is_a_difference_of_a_training_step(side: str) -> None:
    models = (
        (ours(nn.Dropout(0.5)), theirs()) if side == "torch" else (ours(nn.Identity()), theirs(layers.Dropout(0.5)))
    )
    report = checked(*models)
    assert report.ok
    (entry,) = report.static
    assert sorted([entry.reference, entry.candidate]) == ["dropout 0.5", "none"]
    assert not entry.acts
    assert "note: in training alone, " in text(report)
    step = checked(*models, gradients=True)
    assert not step.ok
    assert step.cause is not None
    assert step.cause.name == "missing or extra dropout"


class Functions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 6, 3), nn.Linear(216, 5)

    def forward(self, x: Any) -> Any:
        x = F.dropout2d(torch.relu(self.conv(x)), 0.25, self.training)
        return self.fc(F.dropout(x.flatten(1), 0.4, self.training))


@pytest.mark.parametrize("rate", [0.4, 0.1])
def test_dropout_by_a_function(rate: float) -> None:
    body = [layers.Conv2D(6, 3, activation="relu"), layers.SpatialDropout2D(0.25), layers.Flatten()]
    other = keras.Sequential([keras.Input((8, 8, 3)), *body, layers.Dropout(rate), layers.Dense(5)])
    report = checked(Functions(), other, gradients=True)
    assert report.ok is (rate == 0.4), text(report)
    assert "(2 steps" in text(report)
    if not report.ok:
        assert told(report) == [("dropout", "dropout", "dropout 0.4", "dropout 0.1")]


class StochasticDepth(nn.Module):
    """As torchvision's and timm's."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Any) -> Any:
        kept = torch.rand(len(x), *[1] * (x.ndim - 1)) >= self.p
        return x * kept / (1 - self.p) if self.training else x


class Block(nn.Module):
    def __init__(self, rate: float) -> None:
        super().__init__()
        self.conv, self.path = nn.Conv2d(3, 3, 3, padding=1), StochasticDepth(rate)

    def forward(self, x: Any) -> Any:
        return x + self.path(self.conv(x))


@pytest.mark.parametrize("rate", [0.5, 0.2])
def test_stochastic_depth(rate: float) -> None:
    inputs = keras.Input((8, 8, 3))
    y = layers.Conv2D(3, 3, padding="same")(inputs)
    other = keras.Model(inputs, inputs + layers.Dropout(rate, noise_shape=(None, 1, 1, 1))(y))
    report = checked(Block(0.5), other, gradients=True)
    assert report.ok is (rate == 0.5), text(report)
    if not report.ok:
        assert told(report) == [("path", "dropout", "dropout 0.5 of whole samples", "dropout 0.2 of whole samples")]


HELD = {
    "regularizer": ({"kernel_regularizer": keras.regularizers.L2(5e-3)}, "L2(l2=0.005) of its kernel", "the loss"),
    "activity": ({"activity_regularizer": keras.regularizers.L1(1e-3)}, "L1(l1=0.001) of its activity", "the loss"),
    "constraint": (
        {"kernel_constraint": keras.constraints.MaxNorm(1.0)},
        "MaxNorm(max_value=1) of its kernel",
        "every",
    ),
}


@pytest.mark.parametrize("name", HELD)
def test_what_keras_holds_and_torch_has_no_place_for_is_told(name: str) -> None:
    own, words, changes = HELD[name]
    report = checked(ours(), theirs(**own))
    assert report.ok
    (entry,) = (entry for entry in report.static if entry.field != "initializer")
    assert (entry.path, entry.reference, entry.candidate, entry.acts) == ("0", "none", words, False)
    assert changes in entry.changes
    assert f"is none in torch and {words} in Keras; it changes {entry.changes}" in text(report)


def test_what_is_frozen_on_one_side_is_told() -> None:
    model, other = ours(), theirs()
    model[0].bias.requires_grad_(False)
    other.layers[-1].trainable = False
    report = checked(model, other)
    assert report.ok
    assert told(report) == [("0", "trainable", "weight", True), ("3", "trainable", True, False)]
    assert "it changes which weights a training step moves" in text(report)


def test_label_smoothing_of_the_models_own_losses_is_told() -> None:
    model, other = ours(), theirs()
    other.compile(loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.1))
    report = checked(model, other)
    assert report.ok
    assert told(report) == [("loss", "label_smoothing", 0.0, 0.1)]


def test_equal_settings_are_not_told() -> None:
    model, other = ours(nn.Dropout(0.5)), theirs(layers.Dropout(0.5))
    model[0].requires_grad_(False)
    other.layers[0].trainable = False
    report = checked(model, other)
    assert report.ok
    assert told(report) == []
    assert "in training alone" not in text(report)
