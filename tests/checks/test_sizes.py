"""The same models at other sizes: what one size cannot show."""

from typing import Any

import keras
import numpy as np
import pytest
from torch import nn

from parity.checks.forward import compare_sides
from parity.checks.options import Options
from parity.checks.report import Report
from parity.errors import ParityError
from parity.frameworks.build import side_of
from parity.reports.terminal.check import text
from parity.runners.local import LocalRunner
from parity.runners.recording import Shelf

EVEN = np.random.default_rng(0).standard_normal((2, 3, 8, 8))


def checked(keras_padding: str, x: np.ndarray, shapes: tuple[tuple[int, ...], ...] = (), size: Any = None) -> Report:
    """A strided convolution with a row and column of zeros at the end, beside Keras's of that padding."""
    torch_model = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 4, 3, stride=2))
    image = keras.Input((size, size, 3))
    keras_model = keras.Model(image, keras.layers.Conv2D(4, 3, 2, padding=keras_padding)(image))
    shelf = Shelf()
    sides = [LocalRunner(side_of(model), shelf, "") for model in (torch_model, keras_model)]
    return compare_sides("pair", x, *sides, Options(shapes=shapes), lambda *_: None)


def test_a_setting_without_effect_at_one_size_is_tried_at_another() -> None:
    report = checked("same", EVEN)
    assert report.ok, text(report)
    assert [(size.shape, size.asked, size.same) for size in report.sizes] == [((9, 9), False, False)]
    assert "outputs at 9 x 9: they differ" in text(report)


def test_sizes_that_are_asked_for_must_be_the_same() -> None:
    assert checked("same", EVEN, ((10,), (12, 6))).ok
    report = checked("same", EVEN, ((10,), (9,)))
    assert not report.ok
    assert [size.same for size in report.sizes] == [True, False]
    assert "differs in the outputs of an input of 9 x 9" in text(report)
    assert [size["verdict"] for size in report.to_json()["sizes"]] == ["match", "mismatch"]


def test_a_size_that_a_model_does_not_take() -> None:
    assert checked("same", EVEN, size=8).sizes == ()
    with pytest.raises(ParityError, match=r"^--shapes 9: .*must run"):
        checked("same", EVEN, ((9,),), size=8)
    with pytest.raises(ParityError, match="one for each of the 2 spatial axes"):
        checked("same", EVEN, ((9, 9, 9),))
