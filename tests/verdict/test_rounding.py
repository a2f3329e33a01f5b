"""What float64 can lose is all that is allowed: no false alarm however far from 0 numbers lie, and every fault caught.

The norms stand behind a convolution whose bias puts their input around a mean up to 100,000 deviations away.
"""

from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras import layers as L
from torch import nn

import parity
import resnet_keras.layers
from parity.reports.terminal.check import text
from parity.verdict import rounding
from parity.verdict.difference import size_of
from parity.verdict.rounding import judged

MEANS = (0.0, 1.0, 1e2, 1e3, 1e4, 1e5)
TORCH = {
    "batch": lambda: nn.BatchNorm2d(4),
    "group": lambda: nn.GroupNorm(2, 4),
    "none": nn.Identity,
}


def twin() -> Any:
    return resnet_keras.layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name="norm")


def biased() -> Any:
    """Keras's own keeps the biased running variance."""
    return L.BatchNormalization(epsilon=1e-5, momentum=0.9, name="norm")


KERAS = {
    "batch": twin,
    "group": lambda: L.GroupNormalization(2, epsilon=1e-5, name="norm"),
    "none": lambda: L.Identity(name="norm"),
}


def pair(kind: str, mean: float, keras_norm: Any) -> tuple[Any, Any, Any]:
    """A convolution, a norm, a global pool and a dense layer, with random weights, twice."""
    torch.manual_seed(0)
    layers = {"conv": nn.Conv2d(3, 4, 3, padding=1), "norm": TORCH[kind](), "relu": nn.ReLU()}
    tail = {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "fc": nn.Linear(4, 5)}
    torch_model: Any = nn.Sequential()
    for name, layer in (layers | tail).items():
        torch_model.add_module(name, layer)
    with torch.no_grad():
        torch_model.conv.bias.fill_(mean)
    conv = L.Conv2D(4, 3, padding="same", name="conv")
    rest = [L.ReLU(), L.GlobalAveragePooling2D(), L.Dense(5, name="fc")]
    keras_model = keras.Sequential([keras.Input((16, 16, 3)), conv, keras_norm(), *rest])
    x = np.random.default_rng(0).standard_normal((4, 3, 16, 16)).astype(np.float32)
    if kind == "batch":  # statistics before the step as large as the activations, as a trained network's are
        from parity.frameworks.torch.side import TorchSide

        TorchSide(torch_model).randomize(x.astype(np.float64), 0)
        torch_model.train()
    return torch_model, keras_model, x


def check(kind: str, mean: float, keras_norm: Any, dtype: str = "float32") -> Any:
    return parity.check(*pair(kind, mean, keras_norm), weights="copy", gradients=True, dtype=dtype)


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("kind", list(TORCH))
def test_right_norms_and_sums_match_at_every_mean(kind: str, mean: float) -> None:
    report = check(kind, mean, KERAS[kind])
    assert report.ok, text(report)


@pytest.mark.parametrize("mean", MEANS[::3])
def test_right_norms_match_in_bfloat16(mean: float) -> None:
    report = check("batch", mean, KERAS["batch"], "bfloat16")
    assert report.ok, text(report)


@pytest.mark.parametrize("mean", MEANS)
def test_the_biased_running_variance_is_found_at_every_mean(mean: float) -> None:
    report = check("batch", mean, biased)
    assert [layer.path for layer in report.layers if layer.faults] == ["norm"], text(report)
    assert [cause.name for cause in report.causes] == ["biased variance"]
    gradient = next(layer.gradient for layer in report.layers if layer.path == "norm")
    assert [name for name, tensor in gradient.tensors.items() if tensor.faults("float32")] == ["running_var"]


def wrong_epsilon() -> Any:
    class Wrong(resnet_keras.layers.BatchNormalization):
        def call(self, x: Any, training: Any = None, mask: Any = None) -> Any:
            self.epsilon = 1.001e-5 if training else 1e-5
            return super().call(x, training=training, mask=mask)

    return Wrong(epsilon=1e-5, momentum=0.9, name="norm")


@pytest.mark.parametrize("mean", MEANS)
def test_the_smallest_epsilon_is_found_in_training_at_every_mean(mean: float) -> None:
    report = check("batch", mean, wrong_epsilon)
    assert [layer.path for layer in report.layers if layer.faults] == ["norm"], text(report)
    assert [cause.name for cause in report.causes] == ["BN eps"]


def exact(name: str, x: Any) -> Any:
    """A batch's mean or unbiased variance by channel in extended precision."""
    wide = x.astype(np.longdouble)
    centred = wide - wide.mean((0, 2, 3), keepdims=True)
    return wide.mean((0, 2, 3)) if name == "running_mean" else (centred**2).sum((0, 2, 3)) / (x[:, 0].size - 1)


@pytest.mark.parametrize("name", ["running_mean", "running_var"])
@pytest.mark.parametrize("mean", MEANS)
def test_what_a_statistic_may_lose_holds_torch_and_tensorflow_and_no_fault(name: str, mean: float) -> None:
    import tensorflow as tf

    x = np.random.default_rng(1).standard_normal((8, 3, 20, 20)) + mean
    _, lost = rounding.batch_norm(x, None, 1e-5).statistic(name)
    made = [torch.from_numpy(x).mean((0, 2, 3)), torch.from_numpy(x).var((0, 2, 3))]
    moments = tf.nn.moments(tf.constant(x), (0, 2, 3))
    count = x[:, 0].size
    theirs = (moments[0] if name == "running_mean" else moments[1] * count / (count - 1)).numpy()
    ours = made[name == "running_var"].numpy()
    truth = exact(name, x)
    assert (np.abs(ours - truth) <= lost).all()
    assert (np.abs(theirs - truth) <= lost).all()
    assert (lost < np.abs(truth) / count / 10).all() or name == "running_mean"  # the bias is 1 / count


def test_a_sum_that_cancels_may_lose_the_rounding_of_its_terms_and_no_more() -> None:
    terms = np.random.default_rng(2).standard_normal(1000)
    size, whole = np.abs(terms).sum(keepdims=True), np.zeros(1)
    known = size_of(size), rounding.share(1000) * size
    name = "tensor", "conv.bias"
    assert judged(name, whole + size * 1e-15, whole, *known).error < 1e-10
    assert not judged(name, whole + size * 1e-12, whole, *known).error < 1e-10


class Coarse(resnet_keras.layers.BatchNormalization):
    """What it normalises is rounded to bfloat16 first, where the model is in float32."""

    def call(self, x: Any, training: Any = None) -> Any:
        dtype = keras.backend.standardize_dtype(x.dtype)
        if dtype == "float32":
            x = keras.ops.cast(keras.ops.cast(x, "bfloat16"), dtype)
        return super().call(x, training=training)


@pytest.mark.parametrize("norm", [resnet_keras.layers.BatchNormalization, Coarse])
def test_numbers_alike_all_round_to_the_same_side(norm: type) -> None:
    """Half of 32,768 numbers are zeros: TensorFlow, which adds one by one, loses 1e-4 of their variance in float32."""
    inputs = keras.Input((64, 64, 2))
    theirs = keras.Model(inputs, norm(epsilon=1e-5, momentum=0.9)(L.ReLU()(inputs)))
    x = np.random.default_rng(0).standard_normal((8, 2, 64, 64)).astype(np.float32)
    found = parity.check(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(2)), theirs, x, weights="copy", gradients=True)
    right = norm is not Coarse
    assert found.ok is right, found
    row = next(row for row in found.layers if row.kind == "batch_norm")
    assert row.gradient is not None
    assert (0.0 < row.gradient.tensors["running_var"].lost < 1e-3) is right
    assert right or "arithmetic" in row.faults


def test_what_adding_one_by_one_loses_is_measured() -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 40, 50))
    assert rounding.lost_one_by_one(x[:, :, :2, :2]) < 1e-6 < rounding.lost_one_by_one(np.maximum(x, 0)) < 1e-4
    assert rounding.lost_one_by_one(np.ones((2, 3, 4))) == 0.0  # of nothing nothing is lost
