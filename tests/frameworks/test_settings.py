"""Settings that no forward pass shows: a layer's dtype, and what its weights are drawn from."""

from typing import Any

import keras
import numpy as np
import pytest
from torch import nn

import parity
import resnet_keras
import resnet_torch
from parity.checks.report import Report
from parity.frameworks.keras.settings import keras_initial
from parity.frameworks.keras.walk import walk_keras
from parity.reports.terminal.check import text

X = np.random.default_rng(0).standard_normal((2, 3, 12, 12))


def torch_model() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3))


def keras_model(**last: Any) -> keras.Model:
    layers = keras.layers
    norm = layers.BatchNormalization(epsilon=1e-5, momentum=0.9)
    like_torch = {"kernel_initializer": keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")}
    first, second = layers.Conv2D(8, 3, **like_torch), layers.Conv2D(16, 3, **like_torch | last)
    return keras.Sequential([keras.Input((12, 12, 3)), first, norm, layers.ReLU(), second])


def checked(model: keras.Model, torch: nn.Module | None = None) -> Report:
    return parity.check(torch_model() if torch is None else torch, model, X, weights="copy")


def test_equal_layers_have_no_differences() -> None:
    report = checked(keras_model())
    assert report.ok
    assert not report.static


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_a_layer_in_another_dtype(dtype: str) -> None:
    """The check itself runs every layer in float64, so only the settings can show it."""
    report = checked(keras_model(dtype=dtype))
    assert not report.ok
    assert [(entry.path, entry.field, entry.reference, entry.candidate) for entry in report.static] == [
        ("3", "dtype", "float32", dtype.removeprefix("mixed_"))
    ]
    assert report.first == "3"
    assert report.cause is not None
    assert (report.cause.name, report.cause.path) == ("reduced precision", "3")
    assert "input, weights and output move by" in report.cause.evidence


def test_a_torch_layer_in_another_dtype() -> None:
    class Halved(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = torch_model()
            self.body[3].bfloat16()

        def forward(self, x: Any) -> Any:
            return self.body[3](self.body[:3](x).to(self.body[3].weight.dtype)).to(x.dtype)

    report = checked(keras_model(), Halved())
    assert [(entry.field, entry.reference, entry.candidate) for entry in report.static] == [
        ("dtype", "bfloat16", "float32")
    ]


@pytest.mark.parametrize(
    ("initializer", "differs"),
    [
        ("glorot_uniform", True),
        ("zeros", True),
        ("orthogonal", True),
        (keras.initializers.RandomNormal(stddev=0.3), True),
        (keras.initializers.TruncatedNormal(stddev=(1 / 216) ** 0.5 / 0.8796), False),
        (keras.initializers.RandomUniform(-((1 / 72) ** 0.5), (1 / 72) ** 0.5), False),
        (keras.initializers.VarianceScaling(1 / 3, "fan_in", "untruncated_normal"), False),
    ],
)
def test_other_initial_weights_are_told_and_do_not_fail(initializer: Any, differs: bool) -> None:
    report = checked(keras_model(kernel_initializer=initializer))
    assert report.ok
    assert report.first is None
    assert [(entry.path, entry.field) for entry in report.static] == [("3", "initializer")] * differs
    assert ("note: 1 kernel is initialised otherwise" in text(report)) == differs


def test_trained_weights_say_nothing_of_their_initializer() -> None:
    trained = torch_model()
    trained[1].running_mean += 1
    assert not checked(keras_model(kernel_initializer="glorot_uniform"), trained).static


@pytest.mark.parametrize("name", ["glorot_uniform", "he_normal", "lecun_uniform", "orthogonal", "random_normal"])
def test_a_standard_deviation_is_what_is_drawn(name: str) -> None:
    model = keras.Sequential([keras.Input((8, 8, 64)), keras.layers.Conv2D(96, 3, kernel_initializer=name)])
    found = keras_initial(next(iter(walk_keras(model))))
    assert found is not None
    assert abs(found["std"] / float(np.std(model.weights[0])) - 1) < 0.02


@pytest.mark.parametrize("variant", ["resnet18", "cifar_resnet20", "resnet18_d2l"])
def test_the_twins_are_initialised_alike(variant: str) -> None:
    ours, theirs = getattr(resnet_torch, variant)(), getattr(resnet_keras, variant)()
    x = np.random.default_rng(0).standard_normal((1, ours.config.in_channels, 32, 32))
    assert not parity.check(ours, theirs, x, weights="copy").static
