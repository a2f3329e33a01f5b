"""Fixtures of the model tests."""

from collections.abc import Iterator

import keras
import pytest

import resnet_keras

from .citizens import trained
from .helpers import TINY, policy


@pytest.fixture
def floatx64() -> Iterator[None]:
    """All of Keras in float64: `fit` rounds its data, the losses and the learning rate to this type."""
    keras.config.set_floatx("float64")
    with policy("float64"):
        yield
    keras.config.set_floatx("float32")


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return trained(resnet_keras.resnet18(**TINY))


@pytest.fixture
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A summary is cropped to the terminal, and what is cropped cannot be checked."""
    monkeypatch.setenv("COLUMNS", "250")
