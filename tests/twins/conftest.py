"""Fixtures of the model tests."""

from collections.abc import Iterator

import keras
import pytest

from .helpers import policy


@pytest.fixture
def floatx64() -> Iterator[None]:
    """All of Keras in float64: `fit` rounds its data, the losses and the learning rate to this type."""
    keras.config.set_floatx("float64")
    with policy("float64"):
        yield
    keras.config.set_floatx("float32")
