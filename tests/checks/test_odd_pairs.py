"""Small odd pairs: right ones are compared to the end, and what cannot be compared is told with its true reason."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras import ops
from torch import nn
from torch.nn import functional as F

import parity
from parity.errors import ModelError, ParityError, UnmatchedError
from parity.reports.terminal.check import text

X = np.random.default_rng(0).standard_normal((2, 3, 8, 8))
Then = Callable[[Any], Any]


class Torch(nn.Module):
    """A convolution, and whatever a test does with it."""

    def __init__(self, then: Then) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.then = then

    def forward(self, x: torch.Tensor) -> Any:
        return self.then(self.conv(x))


class Keras(keras.Model):
    """The same in Keras."""

    def __init__(self, then: Then) -> None:
        super().__init__()
        self.conv = keras.layers.Conv2D(4, 1)
        self.conv.build((None, 8, 8, 3))
        self.then = then

    def call(self, x: Any) -> Any:
        return self.then(self.conv(x))


class Own(keras.layers.Layer):
    """A layer of one's own that reduces over space."""

    def call(self, x: Any) -> Any:
        return ops.max(x, axis=(1, 2))


RIGHT: dict[str, tuple[Then, Then]] = {
    "one number": (lambda x: x.mean(), ops.mean),
    "a vector": (lambda x: x.sum((1, 2, 3)), lambda x: ops.sum(x, (1, 2, 3))),
    "no numbers": (lambda x: x[:0], lambda x: x[:0]),
    "whole numbers": (lambda x: x.mean((2, 3)).argmax(1), lambda x: ops.argmax(ops.mean(x, (1, 2)), -1)),
    "softmax over two axes": (
        lambda x: F.softmax(x.flatten(2), -1).view(2, 4, 8, 8),
        lambda x: ops.softmax(x, axis=(1, 2)),
    ),
    "softmax over one axis": (lambda x: F.softmax(x, 2), lambda x: ops.softmax(x, axis=1)),
    "permute, contiguous, view": (
        lambda x: x.permute(0, 2, 3, 1).contiguous().view(128, 4).view(2, 8, 8, 4).permute(0, 3, 1, 2),
        lambda x: ops.reshape(ops.reshape(x, (128, 4)), (2, 8, 8, 4)),
    ),
    "a pool by a function": (lambda x: F.max_pool2d(x, kernel_size=2), lambda x: ops.max_pool(x, pool_size=2)),
    "repeat": (lambda x: x.repeat(1, 1, 2, 1), lambda x: ops.concatenate([x, x], 1)),
    "complex inside": (lambda x: torch.fft.ifft2(torch.fft.fft2(x)).real, lambda x: x),
    "an output that is nothing": (lambda x: (x, None), lambda x: (x, None)),
}


def check(ours: Then, theirs: Then, **options: Any) -> Any:
    return parity.check(Torch(ours), Keras(theirs), X, weights="copy", **options)


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_pair_matches(name: str) -> None:
    report = check(*RIGHT[name])
    assert report.ok, text(report)
    report.to_json()


def test_a_layer_of_ones_own_that_reduces_over_space() -> None:
    torch_model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveMaxPool2d(1), nn.Flatten())
    keras_model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 1), Own()])
    report = parity.check(torch_model, keras_model, X, weights="copy")
    assert report.ok, text(report)


def test_a_pool_by_a_function_that_counts_its_padding() -> None:
    report = check(lambda x: F.avg_pool2d(x, 3, 1, 1), lambda x: ops.average_pool(x, 3, 1, "same"))
    assert report.cause is not None
    assert (report.cause.name, report.cause.path) == ("padding counted in the average", "avg_pool")


def test_a_resize_whose_steps_depend_on_the_dtype() -> None:
    """torch's bicubic kernel is another one; a cast that only float64 needs is no random control flow."""
    report = check(
        lambda x: F.interpolate(x, size=16, mode="bicubic").mean((2, 3)),
        lambda x: ops.mean(ops.image.resize(x, (16, 16), interpolation="bicubic"), (1, 2)),
    )
    assert not report.ok
    assert report.first == "upsample"


def test_a_model_that_cannot_run_backward_is_told_so() -> None:
    with pytest.raises(
        ModelError, match="must train, and raised RuntimeError: one of the variables needed for gradient"
    ):
        check(lambda x: x.relu_().add_(1), lambda x: ops.relu(x) + 1, gradients=True)


def test_gradients_of_no_output() -> None:
    with pytest.raises(ParityError, match="gradients need an output that is a tensor of floating-point numbers"):
        check(lambda x: (F.relu(x), 3.0)[1], lambda x: (ops.relu(x), 3.0)[1], gradients=True)


def test_what_is_no_dtype() -> None:
    with pytest.raises(ParityError, match=r"dtype must be one of float32, .*'int8'; choose one"):
        check(lambda x: x, lambda x: x, dtype="int8")


def test_weights_that_are_not_there_yet() -> None:
    with pytest.raises(ParityError, match=r"0\.weight, 0\.bias are made in its first run .*; run it once"):
        parity.check(nn.Sequential(nn.LazyLinear(3)), Keras(lambda x: x), X)


def test_copying_names_the_model_that_fails() -> None:
    def fails(x: Any) -> Any:
        raise ValueError("not so")

    with pytest.raises(ModelError, match="the torch model Torch must run, and raised ValueError: not so"):
        parity.copy_weights(Torch(fails), Keras(lambda x: x), X)


def test_copying_without_an_input_asks_for_one() -> None:
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 1)])
    with pytest.raises(UnmatchedError, match=r"nearest to conv is 0 .*; pass an input x, so that"):
        parity.copy_weights(Torch(lambda x: x), model)


def test_weights_cannot_be_copied_out_of_a_weight_norm() -> None:
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)))
    with pytest.raises(UnmatchedError, match="remove_parametrizations first") as caught:
        parity.copy_weights(model, keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]))
    assert len(str(caught.value)) <= 600
