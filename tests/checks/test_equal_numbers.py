"""Equal numbers in a window: which of them a max pool sends its gradient to is no fault where it trains nothing."""

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

X = np.random.default_rng(0).standard_normal((2, 2, 4, 8, 8))


class Less(layers.MaxPooling3D):
    """Sends back a thousandth less in float32."""

    def call(self, x: Any) -> Any:
        @ops.custom_gradient
        def less(x: Any) -> Any:
            def back(*args: Any, upstream: Any = None) -> Any:
                gradient = args[0] if upstream is None else upstream
                return gradient * (0.999 if keras.backend.standardize_dtype(x.dtype) == "float32" else 1.0)

            return x, back

        return super().call(less(x))


def checked(ours: nn.Module, act: layers.Layer, pool: layers.Layer) -> Report:
    torch.manual_seed(0)
    one = nn.Sequential(nn.Conv3d(2, 4, 3, padding=1), ours, nn.MaxPool3d((1, 2, 2)), nn.Conv3d(4, 5, 2))
    other = keras.Sequential(
        [layers.Input((4, 8, 8, 2)), layers.Conv3D(4, 3, padding="same"), act, pool, layers.Conv3D(5, 2)]
    )
    return parity.check(one, other, X * 4, weights="copy", gradients=True)


@pytest.mark.parametrize("name", ["relu", "relu6"])
def test_another_of_equal_zeros_is_no_fault(name: str) -> None:
    ours = nn.ReLU() if name == "relu" else nn.ReLU6()
    report = checked(ours, layers.Activation(name), layers.MaxPooling3D((1, 2, 2)))
    assert report.ok, text(report)


def test_what_a_pool_sends_back_elsewhere_is_judged() -> None:
    report = checked(nn.ReLU(), layers.ReLU(), Less((1, 2, 2)))
    assert not report.ok
    assert (report.first, [row.faults for row in report.layers if row.faults]) == ("2", [("gradient arithmetic",)])
