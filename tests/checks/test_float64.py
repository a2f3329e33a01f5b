"""float64 that models leave on their way: casts and numbers stay in it, and what cannot is judged by float32's line."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from keras import layers, ops
from torch import nn
from torch.nn import functional as F

import parity
from parity.checks.report import Report
from parity.frameworks.keras.parts import is_of
from parity.reports.terminal.check import text

X = np.random.default_rng(0).standard_normal((2, 3, 8, 8))
Then = Callable[[Any], Any]
LIST = [0.1, 0.2, 0.3, 0.7]


class Net(nn.Module):
    """A convolution, what a test puts behind it, and a head."""

    def __init__(self, then: Then) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.then = then
        self.fc = nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.then(self.conv(x)).mean((2, 3)))


class Call(layers.Layer):
    """A layer of one's own."""

    def __init__(self, then: Then) -> None:
        super().__init__()
        self.then = then

    def call(self, x: Any) -> Any:
        return self.then(x)


def keras_net(then: Then, head: Then = lambda x: x) -> keras.Model:
    x = keras.Input((8, 8, 3))
    y = then(layers.Conv2D(4, 3, padding="same", name="conv")(x))
    return keras.Model(x, head(layers.Dense(5, name="fc")(layers.GlobalAveragePooling2D()(y))))


def checked(torch_model: nn.Module, keras_model: keras.Model) -> Report:
    torch.manual_seed(0)
    return parity.check(torch_model, keras_model, X, weights="copy")


def upcast(x: torch.Tensor) -> torch.Tensor:
    wide = x.float()
    return (wide * torch.rsqrt(wide.pow(2).mean(1, keepdim=True, dtype=torch.float32) + 1e-6)).to(torch.float32)


def keras_upcast(x: Any, eps: float = 1e-6) -> Any:
    wide = ops.cast(x, "float32")
    return ops.cast(wide * ops.rsqrt(ops.mean(ops.power(wide, 2), -1, keepdims=True) + eps), x.dtype)


EXACT: dict[str, tuple[Then, Then]] = {
    "norm that upcasts": (upcast, Call(keras_upcast)),
    "softmax in float32": (lambda x: F.softmax(x, 1, dtype=torch.float32), layers.Softmax()),
    "cast of a Python number": (lambda x: x * 0.1, Call(lambda x: x * ops.cast(0.1, x.dtype))),
    "cast to float32": (lambda x: x * 0.1, Call(lambda x: ops.cast(ops.cast(x, "float32") * 0.1, "float32"))),
    "float32 by name": (lambda x: x + 1 / 3, Call(lambda x: x + ops.convert_to_tensor(1 / 3, "float32"))),
    "TensorFlow's cast of a Python number": (lambda x: x * 0.1, Call(lambda x: x * tf.cast(0.1, x.dtype))),
    "TensorFlow's cast to float32": (
        lambda x: x * 0.1,
        Call(lambda x: tf.cast(tf.cast(x, tf.float32) * 0.1, tf.float32)),
    ),
    "a range in float32": (
        lambda x: x + (torch.arange(4, dtype=x.dtype) / 3).view(4, 1, 1),
        Call(lambda x: ops.cast(x, "float32") + ops.arange(4, dtype="float32") / 3),
    ),
    "rescaling": (lambda x: x * 0.1 + 0.3, layers.Rescaling(0.1, 0.3)),
    "rescaling by a list": (
        lambda x: x * x.new_tensor(LIST).view(4, 1, 1) - x.new_tensor(LIST[::-1]).view(4, 1, 1),
        layers.Rescaling(LIST, [-x for x in LIST[::-1]]),
    ),
    "ReLU with a maximum": (lambda x: x.clamp(0, 0.1), layers.ReLU(max_value=0.1)),
    "LeakyReLU": (lambda x: F.leaky_relu(x, 0.1), layers.LeakyReLU(0.1)),
    "antialiased": (
        lambda x: F.interpolate(x, (5, 5), mode="bilinear", antialias=True),
        layers.Resizing(5, 5, antialias=True),
    ),
    "antialiased bicubic": (
        lambda x: F.interpolate(x, (5, 5), mode="bicubic", antialias=True),
        layers.Resizing(5, 5, "bicubic", antialias=True),
    ),
    "cropped": (lambda x: x[:, :, 2:6, 2:6], layers.CenterCrop(4, 4)),
}


@pytest.mark.parametrize("name", EXACT)
def test_what_a_model_casts_stays_in_float64(name: str) -> None:
    ours, theirs = EXACT[name]
    report = checked(Net(ours), keras_net(theirs))
    assert report.ok, text(report)
    assert max(layer.inherited.error for layer in report.layers) <= 1e-13
    assert not any(layer.note and "float32" in layer.note and "float64 by" not in layer.note for layer in report.layers)


@pytest.mark.parametrize("eps", [1.001e-6, 1.0001e-6])
def test_a_fault_within_casts_is_seen_as_elsewhere(eps: float) -> None:
    """At 1e-9 of the scale: a line for float32 would hide it."""
    report = checked(Net(upcast), keras_net(Call(lambda x: keras_upcast(x, eps))))
    assert not report.ok
    assert any(layer.added.error < 1e-6 for layer in report.layers if layer.faults)


class Scaled(nn.Module):
    """A layer norm by hand, and what a test puts behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma, self.beta = (nn.Parameter(torch.rand(5) + 0.5) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(x + 1e-3 * F.gelu(x), (5,), self.gamma, self.beta)


class KerasScaled(layers.Layer):
    """The same, by a layer inside."""

    def __init__(self, approximate: bool) -> None:
        super().__init__()
        self.approximate = approximate

    def build(self, shape: Any) -> None:
        self.norm = layers.LayerNormalization(epsilon=1e-5, dtype=self.dtype_policy)
        self.norm.build(shape)

    def call(self, x: Any, training: bool = False) -> Any:
        if training:
            return x
        return self.norm(x + 1e-3 * ops.gelu(x, self.approximate))


@pytest.mark.parametrize("approximate", [False, True])
def test_weights_are_no_constants(approximate: bool) -> None:
    """That weights are kept in float32 says nothing of what is computed with them: a fault of 1e-7 is seen."""
    x = keras.Input((8, 8, 3))
    y = layers.Dense(5, name="fc")(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, padding="same", name="conv")(x)))
    ours = nn.Sequential(OrderedDict(net=Net(lambda x: x), scaled=Scaled()))
    report = checked(ours, keras.Model(x, KerasScaled(approximate)(y)))
    assert report.ok is not approximate, text(report)


def normalized(*, low: float = 0.5) -> layers.Layer:
    return layers.Normalization(mean=LIST, variance=[low**2, 0.6**2, 0.7**2, 0.9**2])


class Constants(nn.Module):
    """Mean and deviation as torch's float64 program has them, or as buffers in float32."""

    def __init__(self, stored: bool) -> None:
        super().__init__()
        values = [torch.tensor(v).view(1, 4, 1, 1) for v in (LIST, [0.5, 0.6, 0.7, 0.9])]
        self.stored = stored
        for name, value in zip(("mean", "std"), values, strict=True):
            if stored:
                self.register_buffer(name, value)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.stored:
            return (x - self.mean) / self.std
        return (x - x.new_tensor(LIST).view(1, 4, 1, 1)) / x.new_tensor([0.5, 0.6, 0.7, 0.9]).view(1, 4, 1, 1)


def torch_padded(x: torch.Tensor) -> torch.Tensor:
    return F.pad(F.interpolate(x, (6, 6), mode="bilinear"), (3, 3, 0, 0))


COARSE: dict[str, tuple[Callable[[], Then], Callable[[], Then], str]] = {
    "constants in Keras": (lambda: Constants(False), normalized, "Keras has in float32"),
    "constants in both": (lambda: Constants(True), normalized, "has in float32"),
    "resized and cropped": (
        lambda: lambda x: F.interpolate(x[:, :, 2:6], (3, 6), mode="bilinear"),
        lambda: layers.Resizing(3, 6, crop_to_aspect_ratio=True),
        "interpolates in float32",
    ),
    "resized and padded": (
        lambda: torch_padded,
        lambda: layers.Resizing(6, 12, pad_to_aspect_ratio=True),
        "interpolates in float32",
    ),
}


def noted(report: Report, words: str) -> list[str]:
    return [layer.path for layer in report.layers if words in (layer.note or "")]


@pytest.mark.parametrize("name", COARSE)
def test_what_is_in_float32_is_judged_so_and_named(name: str) -> None:
    ours, theirs, words = COARSE[name]
    report = checked(Net(ours()), keras_net(theirs()))
    assert report.ok, text(report)
    assert noted(report, words), [layer.note for layer in report.layers]
    assert noted(report, words)[0] not in ("conv", "fc", "output")


@pytest.mark.parametrize("name", COARSE)
def test_a_fault_in_float32_is_caught(name: str) -> None:
    ours, theirs, _ = COARSE[name]
    report = checked(Net(ours()), keras_net(lambda x: Call(lambda y: y * (1 + 1e-5))(theirs()(x))))
    assert not report.ok
    assert report.first not in ("conv", "fc", "output")


@pytest.mark.parametrize("name", COARSE)
def test_a_fault_behind_float32_is_caught(name: str) -> None:
    """A hundred times less than what the region before it has rounded."""
    ours, theirs, _ = COARSE[name]
    report = checked(Net(ours()), keras_net(theirs(), Call(lambda x: x * (1 + 1e-8))))
    assert not report.ok
    assert report.first == "output"


def test_nothing_of_keras_stays_replaced() -> None:
    before = keras.src.backend.cast, keras.src.backend.convert_to_tensor
    checked(Net(lambda x: x), keras_net(lambda x: x))
    assert before == (keras.src.backend.cast, keras.src.backend.convert_to_tensor)
    assert ops.cast(0.1, "float32").dtype == "float32"


def test_what_is_read_of_a_weight_is_known_by_its_numbers() -> None:
    weight = keras.Variable(np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32))
    array = np.asarray(weight)
    assert is_of(array.copy(), [weight])
    assert is_of(array[1:3].copy(), [weight])
    assert not is_of(array * np.float32(1.1), [weight])
    assert not is_of(np.float32(0.1), [weight])


class Reversible(layers.Embedding):
    """With a head of its own for the way back, as an embedding of untied weights has it."""

    def build(self, shape: Any = None) -> None:
        super().build(shape)
        self.reverse_embeddings = self.add_weight(shape=(self.output_dim, self.input_dim), name="reverse_embeddings")


def test_a_head_that_no_lookup_reads_is_no_weight() -> None:
    ours = nn.Sequential(OrderedDict(ids=nn.Embedding(7, 4), fc=nn.Linear(4, 5)))
    x = keras.Input((6,), dtype="int64")
    theirs = keras.Model(x, layers.Dense(5, name="fc")(Reversible(7, 4, name="ids")(x)))
    ids = np.random.default_rng(0).integers(0, 7, (2, 6))
    assert parity.check(ours, theirs, ids, weights="copy").ok
    theirs.get_layer("ids").embeddings.assign_add(np.full((7, 4), 1e-5, np.float32))
    assert not parity.check(ours, theirs, ids, weights="keep").ok
