"""Weights that one side has no place for: what does the same without them, and what cannot."""

from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn

import parity
from parity.checks.report import Report
from parity.errors import UnmatchedError
from parity.reports.terminal.check import text

IMAGE = np.random.default_rng(0).standard_normal((2, 3, 6, 6))


def shaken(model: nn.Module) -> nn.Module:
    """Random weights and statistics, scales above zero."""
    draw = torch.Generator().manual_seed(1)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            low = 0.5 if name.endswith(("1.weight", "var")) else -1.0
            tensor.uniform_(low, 1.5, generator=draw)
    return model


def checked(torch_model: nn.Module, *layers: Any, **given: Any) -> Report:
    keras_model = keras.Sequential([keras.Input((6, 6, 3)), *layers])
    return parity.check(torch_model, keras_model, IMAGE, weights="copy", **given)


def norm(**given: Any) -> Any:
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, **given)


def test_a_bias_that_torch_lacks_is_zero() -> None:
    model = shaken(nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)))
    report = checked(model, keras.layers.Conv2D(4, 3, bias_initializer="ones"), norm())
    assert report.ok, text(report)
    assert report.copied == ("1 x bias that torch lacks is 0 in Keras (0)",)
    assert report.static == () or all(entry.field == "initializer" for entry in report.static)


def test_a_bias_that_keras_lacks_goes_into_the_norm_behind() -> None:
    model = shaken(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()))
    report = checked(model, keras.layers.Conv2D(4, 3, use_bias=False), norm(), keras.layers.ReLU())
    assert report.ok, text(report)
    assert "folded into the running mean of the norm behind" in report.copied[0]
    assert any("compared as one with" in (layer.note or "") for layer in report.layers)


def test_a_bias_with_nothing_behind_is_a_fault() -> None:
    model = shaken(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))
    report = checked(model, keras.layers.Conv2D(4, 3, use_bias=False), keras.layers.ReLU())
    assert (report.first, [cause.name for cause in report.causes]) == ("0", ["missing or extra bias"])


@pytest.mark.parametrize("lacking", [{"scale": False}, {"center": False}, {"scale": False, "center": False}], ids=str)
def test_a_norm_without_scale_or_centre(lacking: dict[str, bool]) -> None:
    model = shaken(nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)))
    layers = keras.layers.Conv2D(4, 3, use_bias=False), norm(**lacking)
    report = checked(model, *layers)
    assert report.ok, text(report)
    assert len(report.copied) == len(lacking)


def test_a_scale_below_zero_cannot_be_folded() -> None:
    model = shaken(nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)))
    with torch.no_grad():
        model[1].weight[0] = -1.0  # type: ignore[operator,index,union-attr]
    with pytest.raises(UnmatchedError, match=r"1\.weight"):
        checked(model, keras.layers.Conv2D(4, 3, use_bias=False), norm(scale=False))


def test_a_fault_behind_what_was_folded_is_caught() -> None:
    model = shaken(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()))
    wrong = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-3)
    report = checked(model, keras.layers.Conv2D(4, 3, use_bias=False), wrong, keras.layers.ReLU())
    assert not report.ok
    assert report.first == "1"
