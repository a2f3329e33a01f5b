"""Inputs of any structure: what x means to each model, by position and by name; and how each lies in Keras."""

from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras import layers, ops
from torch import nn

import parity
from parity.errors import ParityError
from parity.frameworks.calling import call_of
from parity.frameworks.keras.machine import tensorflow_onednn
from parity.models.inputs import Inputs, Leaf, decoded, encoded, inputs_of
from parity.reports.terminal.check import text

DRAW = np.random.default_rng(0)
A, B = DRAW.standard_normal((2, 3, 4))
IDS, KINDS = DRAW.integers(0, 50, (3, 6)), DRAW.integers(0, 3, (3, 6))
MASK = np.arange(6) < np.array([[6], [2], [4]])
WORDS = {"ids": IDS, "kinds": KINDS, "mask": MASK}


class Two(nn.Module):
    """relu(a(x)) + 2 relu(b(y)), and a head: the branches are of the same shape."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.h = nn.Linear(4, 5), nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.h(torch.relu(self.a(x)) + 2 * torch.relu(self.b(y)))


def functional(form: str = "list", exchanged: bool = False) -> keras.Model:
    x, y = keras.Input((4,), name="x"), keras.Input((4,), name="y")
    u, v = (y, x) if exchanged else (x, y)
    u, v = layers.Dense(5, "relu", name="a")(u), layers.Dense(5, "relu", name="b")(v)
    inputs: Any = {"list": [x, y], "turned": [y, x], "dict": {"y": y, "x": x}}[form]
    return keras.Model(inputs, layers.Dense(3, name="h")(layers.Add()([u, 2 * v])))


class Subclassed(keras.Model):
    """Not built before its first call."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.h = layers.Dense(5, "relu"), layers.Dense(5, "relu"), layers.Dense(3)

    def both(self, x: Any, y: Any) -> Any:
        return self.h(self.a(x) + 2 * self.b(y))


class ByPosition(Subclassed):
    def call(self, one: Any, other: Any, training: bool = False) -> Any:
        return self.both(one, other)


class ByName(Subclassed):
    def call(self, y: Any, x: Any) -> Any:
        return self.both(x, y)


class InList(Subclassed):
    def call(self, inputs: Any) -> Any:
        x, y = inputs
        return self.both(x, y)


class InDict(Subclassed):
    def call(self, inputs: Any) -> Any:
        return self.both(inputs["x"], inputs["y"])


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.e, self.t, self.n, self.h = nn.Embedding(50, 8), nn.Embedding(3, 8), nn.LayerNorm(8), nn.Linear(8, 4)

    def forward(self, ids: torch.Tensor, kinds: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        y = self.n(self.e(ids) + self.t(kinds))
        if mask is None:
            return self.h(y.mean(1))
        m = mask.unsqueeze(-1).to(y.dtype)
        return self.h((y * m).sum(1) / m.sum(1))


def keras_words(dtype: str = "int32", masked: bool = True) -> keras.Model:
    ids, kinds = keras.Input((6,), dtype=dtype, name="ids"), keras.Input((6,), dtype=dtype, name="kinds")
    mask = keras.Input((6,), dtype="bool", name="mask")
    words = [layers.Embedding(50, 8, name="e")(ids), layers.Embedding(3, 8, name="t")(kinds)]
    y = layers.LayerNormalization(epsilon=1e-5, name="n")(layers.Add()(words))
    m = ops.cast(ops.expand_dims(mask, -1), y.dtype) if masked else 1.0 + 0.0 * y
    return keras.Model([mask, kinds, ids], layers.Dense(4, name="h")(ops.sum(y * m, 1) / ops.sum(m, 1)))


def checked(torch_model: nn.Module, keras_model: keras.Model, x: Any, **options: Any) -> Any:
    return parity.check(torch_model, keras_model, x, weights="copy", **options)


@pytest.mark.parametrize(
    "keras_model",
    [functional, lambda: functional("turned"), lambda: functional("dict"), ByPosition, ByName, InList, InDict],
    ids=["list", "turned", "dict", "by position", "by name", "in a list", "in a dict"],
)
def test_two_inputs(keras_model: Any) -> None:
    """By position and by keyword, each of Keras's ways to take them."""
    for x in ((A, B), {"y": B, "x": A}):
        report = checked(Two(), keras_model(), x)
        assert report.ok, text(report)


@pytest.mark.parametrize("keras_model", [functional, InDict])
def test_each_input_has_a_gradient(keras_model: Any) -> None:
    report = checked(Two(), keras_model(), (A, B), gradients=True)
    assert report.ok, text(report)
    assert {"input:x", "input:y"} <= {layer.path for layer in report.layers}


def test_exchanged_branches_are_caught() -> None:
    report = checked(Two(), functional(exchanged=True), (A, B), gradients=True)
    assert not report.ok
    assert report.first == "a (input)", "what goes into the first layer is the other input"


def test_tensors_of_any_framework() -> None:
    x = torch.tensor(A, dtype=torch.bfloat16, requires_grad=True), ops.convert_to_tensor(B)
    report = checked(Two(), functional(), x)
    assert report.ok, text(report)


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_ids_and_masks(dtype: str) -> None:
    """By keyword and by position; Keras has them in another order, and may declare floats."""
    for x in (WORDS, (IDS, KINDS, MASK)):
        report = checked(Words(), keras_words(dtype), x)
        assert report.ok, text(report)
    assert checked(Words(), keras_words(dtype), WORDS, dtype="bfloat16").ok


def test_a_mask_that_is_not_used_is_caught() -> None:
    assert not checked(Words(), keras_words(masked=False), WORDS).ok


def test_ids_out_of_range_are_refused_in_one_sentence() -> None:
    wrong = WORDS | {"ids": IDS + 10}
    with pytest.raises(ParityError, match=r"^the input ids goes into an embedding .* from 0 to 49, and holds .*:0-50$"):
        checked(Words(), keras_words(), wrong)


def test_ids_take_the_place_of_open_inputs() -> None:
    """Every embedding's, not the first one's alone, each below the number of its rows."""
    from parity.frameworks.build import side_of

    drawn = DRAW.standard_normal((40, 6))
    x = Inputs({"0": drawn, "1": drawn}, (Leaf("0"), Leaf("1")), open=frozenset({"0", "1"}))
    fitted = side_of(Words()).fitted(x, 0)
    assert fitted.names == ("ids", "kinds")
    assert fitted.arrays["ids"].max() in range(3, 50)
    assert fitted.arrays["kinds"].max() == 2


@pytest.mark.parametrize("x", [A, (A, B, A), {"x": A, "z": B, "y": B}])
def test_another_number_of_inputs_is_refused(x: Any) -> None:
    with pytest.raises(ParityError, match=r"torch model must be called .* its forward takes x, y, while"):
        checked(Two(), functional(), x)


def test_keras_takes_another_number() -> None:
    with pytest.raises(ParityError, match=r"Keras model must be called .* it takes x, y, while 1 input is given"):
        checked(nn.Sequential(nn.Linear(4, 3)), functional(), A)


def test_one_argument_that_holds_all() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.f = nn.Linear(4, 4)

        def forward(self, batch: Any) -> torch.Tensor:
            return self.f(batch["u"]) * batch["v"][:, None]

    class KerasPair(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.f = layers.Dense(4)

        def call(self, batch: Any) -> Any:
            return self.f(batch["u"]) * batch["v"][:, None]

    report = checked(Pair(), KerasPair(), {"u": A, "v": A[:, 0]}, gradients=True)
    assert report.ok, text(report)


def image_net(first: bool, eps: float = 1e-5) -> keras.Model:
    data = "channels_first" if first else "channels_last"
    x = keras.Input((2, 6, 6) if first else (6, 6, 2))
    y = layers.Conv2D(4, 3, padding="same", activation="relu", data_format=data)(x)
    y = layers.BatchNormalization(axis=1 if first else -1, epsilon=eps, momentum=0.9)(y)
    y = layers.GlobalAveragePooling2D(data_format=data)(layers.MaxPooling2D(2, data_format=data)(y))
    return keras.Model(x, layers.Dense(3)(y))


class ImageNet(nn.Sequential):
    def __init__(self) -> None:
        norm = nn.BatchNorm2d(4)
        norm.running_mean.normal_()
        pools = nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        super().__init__(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), norm, *pools, nn.Linear(4, 3))


needs_first = pytest.mark.skipif(
    keras.backend.backend() == "tensorflow" and not tensorflow_onednn(),
    reason="TensorFlow without oneDNN has no channels-first convolution on a CPU, in any dtype",
)


@needs_first
def test_a_channels_first_keras_model_gets_torchs_array() -> None:
    x = DRAW.standard_normal((2, 2, 6, 6))
    report = checked(ImageNet(), image_net(True), x)
    assert report.ok, text(report)
    report = checked(ImageNet(), image_net(True), x, gradients=True)  # which shows what Keras's own norm does, alone
    assert {cause.name for cause in report.causes} == {"biased variance"}
    report = checked(ImageNet(), image_net(True, eps=1e-3), x)
    assert report.cause is not None
    assert report.cause.name == "BN eps"


def test_a_channels_last_one_does_not() -> None:
    assert checked(ImageNet(), image_net(False), DRAW.standard_normal((2, 2, 6, 6))).ok


def test_slices_cut_every_input() -> None:
    x = inputs_of({"a": np.zeros((5, 6)), "b": np.zeros((5, 2, 2))})
    parts = list(x.slices(20))
    assert [part.batch for part in parts] == [2, 2, 1]
    assert all(len(array) == part.batch for part in parts for array in part.arrays.values())
    shared = inputs_of((np.zeros((5, 6)), np.zeros((6, 6))))  # a mask that all samples share
    assert len(list(shared.slices(1))) == 1


def test_a_form_goes_through_json() -> None:
    x = inputs_of(({"a": [A, None], "b": (B, 1.5)}, A))
    assert x.names == ("0.a.0", "0.b.0", "1")
    assert decoded(encoded(x.form)) == x.form


def test_numbers_written_out_are_an_array() -> None:
    assert inputs_of([[1.0, 2.0], [3, 4]]).first.shape == (2, 2)
    with pytest.raises(ParityError, match="x must hold at least one array"):
        inputs_of({"a": None})
    with pytest.raises(ParityError, match="array of numbers or truth values"):
        inputs_of(np.array(["a"]))


def test_arguments_stand_where_their_names_do() -> None:
    def forward(a: Any, b: Any, *, c: Any = None) -> None:
        pass

    x = inputs_of({"c": A, "b": B, "a": A})
    call = call_of("torch", forward, x)[0]
    assert call.args == (Leaf("a"), Leaf("b"))
    assert call.kwargs == {"c": Leaf("c")}
    by_place = call_of("torch", forward, inputs_of((A, B)))[0]
    assert by_place.args == (Leaf("0"), Leaf("1"))
    assert by_place.words == ("a", "b")
