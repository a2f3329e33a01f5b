"""Faults between layers, in whole checks: what is accused, and of what, and that no innocent step is beside it."""

from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras import layers
from torch import nn

import parity
from tests.checks.families import randomize

X = np.random.default_rng(0).standard_normal((3, 3, 9, 9)).astype(np.float32)


class Torch(nn.Module):
    def __init__(self, forward: Any = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.relu = nn.ReLU()
        self.second = nn.Conv2d(8, 8, 1)
        self.third = nn.Conv2d(8, 8, 1)
        self.own = forward

    def forward(self, x: torch.Tensor) -> Any:
        if self.own is not None:
            return self.own(self, x)
        x = self.relu(self.bn(self.conv(x)))
        y = x + self.second(x)
        return y + self.third(y)


def keras_model(call: Any = None) -> Any:
    class Keras(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.pad = layers.ZeroPadding2D(1, name="pad")
            self.conv = layers.Conv2D(8, 3, strides=2, name="conv")
            self.bn = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name="bn")
            self.relu = layers.ReLU(name="relu")
            self.second = layers.Conv2D(8, 1, name="second")
            self.third = layers.Conv2D(8, 1, name="third")

        def call(self, x: Any) -> Any:
            if call is not None:
                return call(self, x)
            x = self.relu(self.bn(self.conv(self.pad(x))))
            y = x + self.second(x)
            return y + self.third(y)

    return Keras()


def report_of(forward: Any = None, call: Any = None) -> Any:
    torch.manual_seed(0)
    model = Torch(forward)
    randomize(model, X)
    return parity.check(model, keras_model(call), X, weights="copy")


def accused(report: Any) -> list[str]:
    return [layer.step.key for layer in report.layers if layer.faults]


def test_no_fault() -> None:
    assert report_of().ok


def test_an_input_changed_in_front_of_padding() -> None:
    """What is padded on its way into a layer is told without its margin: no convolution is accused of that."""

    def call(self: Any, x: Any) -> Any:
        x = self.relu(self.bn(self.conv(self.pad(x[..., ::-1]))))
        y = x + self.second(x)
        return y + self.third(y)

    report = report_of(call=call)
    assert accused(report) == ["conv<0"]
    assert report.cause.name == "channel order of the input"


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [
        (lambda x, second: x * second, "another operation"),
        (lambda x, second: x - second, "another operation"),
        (lambda x, second: second, "shortcut missing"),
    ],
    ids=["product", "difference", "left out"],
)
def test_a_sum_that_the_models_code_goes_on_with(wrong: Any, cause: str) -> None:
    """The next sum has its error, number for number, and is not accused of it."""

    def call(self: Any, x: Any) -> Any:
        x = self.relu(self.bn(self.conv(self.pad(x))))
        y = wrong(x, self.second(x))
        return y + self.third(y)

    report = report_of(call=call)
    assert accused(report) == ["third<0"]
    assert report.cause.name == cause


def test_a_sum_of_torchs_own_is_taken_by_the_next_as_it_should_be() -> None:
    def forward(self: Any, x: torch.Tensor) -> Any:
        x = self.relu(self.bn(self.conv(x)))
        y = x * self.second(x)
        return y + self.third(y)

    report = report_of(forward)
    assert accused(report) == ["third<0"]
    assert report.cause.name == "another operation"


def test_operations_that_have_changed_places() -> None:
    def call(self: Any, x: Any) -> Any:
        x = self.bn(self.relu(self.conv(self.pad(x))))
        y = x + self.second(x)
        return y + self.third(y)

    report = report_of(call=call)
    assert report.first in ("bn (input)", "bn", "relu")
    assert report.cause.name == "order of operations"
    assert "conv" not in [layer.path for layer in report.layers if layer.faults], "it gives what it should"


def test_only_the_first_of_nans_is_accused() -> None:
    torch.manual_seed(0)
    model, other = Torch(), keras_model()
    randomize(model, X)
    parity.copy_weights(model, other, X)
    with torch.no_grad():
        model.bn.weight[2] = torch.nan
    report = parity.check(model, other, X)
    assert accused(report)[0] == "bn"
    assert len(accused(report)) == 1
