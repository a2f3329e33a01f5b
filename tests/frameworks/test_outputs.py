"""Outputs of any structure: flattened with names, matched by name or order, and those of one side alone named."""

from collections import OrderedDict, namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras import layers, ops
from torch import nn

import parity
from parity.frameworks.outputs import leaves, placed
from parity.models.environment import notes
from parity.models.steps import Expected
from parity.reports.terminal.check import text

X = np.random.default_rng(0).standard_normal((3, 4))
Wrap = Callable[[Any, Any], Any]
Named = namedtuple("Named", "logits hidden")


class ModelOutput(OrderedDict[str, Any]):
    """A dictionary with attributes too, as Hugging Face's; what is None is left out."""

    def __init__(self, **values: Any) -> None:
        super().__init__({name: value for name, value in values.items() if value is not None})
        vars(self).update(values)


@dataclass
class Output:
    logits: Any
    hidden: Any = None
    loss: Any = None


class Net(nn.Module):
    def __init__(self, wrap: Wrap) -> None:
        super().__init__()
        self.a, self.h, self.wrap = nn.Linear(4, 5), nn.Linear(5, 3), wrap

    def forward(self, x: torch.Tensor) -> Any:
        y = torch.relu(self.a(x))
        return self.wrap(self.h(y), y)


class KerasNet(keras.Model):
    def __init__(self, wrap: Wrap) -> None:
        super().__init__()
        self.a, self.h, self.wrap = layers.Dense(5, "relu"), layers.Dense(3), wrap

    def call(self, x: Any) -> Any:
        y = self.a(x)
        return self.wrap(self.h(y), y)


def checked(ours: Wrap, theirs: Wrap, gradients: bool = False) -> Any:
    return parity.check(Net(ours), KerasNet(theirs), X, weights="copy", gradients=gradients)


FORMS: dict[str, Wrap] = {
    "tuple": lambda o, y: (o, y),
    "list": lambda o, y: [o, y],
    "dict": lambda o, y: {"hidden": y, "logits": o},
    "named tuple": Named,
    "dataclass": Output,
    "model output": lambda o, y: ModelOutput(loss=None, logits=o, hidden=(y,)),
    "object": lambda o, y: SimpleNamespace(logits=o, hidden=y),
    "nested": lambda o, y: {"a": [{"logits": o}, None], "b": (y, None)},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_compared_whole(form: str) -> None:
    report = checked(FORMS[form], FORMS[form])
    assert report.ok, text(report)
    assert sum(layer.kind == "output" for layer in report.layers) == 2
    wrong = checked(FORMS[form], lambda o, y: FORMS[form](o, 2 * y))
    assert not wrong.ok, "a fault in the second output"


def test_names_decide_before_the_order() -> None:
    report = checked(lambda o, y: Output(o, y), lambda o, y: {"hidden": y, "logits": o}, gradients=True)
    assert report.ok, text(report)
    assert {"output.logits", "output.hidden"} <= {layer.path for layer in report.layers}
    assert checked(lambda o, y: Output(o, y), lambda o, y: (o, y)).ok, "by order where one side has no names"


def test_exchanged_outputs_are_caught() -> None:
    assert not checked(lambda o, y: (o, o * 2), lambda o, y: (o * 2, o)).ok
    assert not checked(lambda o, y: {"a": o, "b": o * 2}, lambda o, y: {"a": o * 2, "b": o}).ok


@pytest.mark.parametrize("gradients", [False, True])
def test_outputs_of_one_side_alone_are_named_and_left_out(gradients: bool) -> None:
    report = checked(lambda o, y: {"logits": o, "hidden": y}, lambda o, y: {"logits": o, "z": 3 * y}, gradients)
    assert report.ok, text(report)
    told = list(notes(report.environment))
    assert "torch alone gives hidden: the output is left out of the comparison" in told
    assert "Keras alone gives z: the output is left out of the comparison" in told
    assert "hidden" in text(report)
    assert report.unmatched == ((), ())


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize(
    ("ours", "theirs", "wrong"),
    [
        (lambda o, y: o.square().mean(), lambda o, y: ops.mean(ops.square(o)), lambda o, y: ops.mean(ops.abs(o))),
        (lambda o, y: o[:, 0], lambda o, y: o[:, 0], lambda o, y: o[:, 1]),
        (lambda o, y: o.sum(1), lambda o, y: ops.sum(o, 1), lambda o, y: ops.max(o, 1)),
    ],
    ids=["a loss", "a column", "a sum"],
)
def test_outputs_without_channels(ours: Wrap, theirs: Wrap, wrong: Wrap, gradients: bool) -> None:
    report = checked(ours, theirs, gradients)
    assert report.ok, text(report)
    report = checked(ours, wrong, gradients)
    assert not report.ok
    assert report.cause is not None


@pytest.mark.parametrize("gradients", [False, True])
def test_the_same_numbers_in_another_shape_are_told(gradients: bool) -> None:
    report = checked(lambda o, y: o[:, 0], lambda o, y: o[:, :1], gradients)
    assert report.ok, text(report)
    (last,) = (layer for layer in report.layers if layer.kind == "output")
    assert last.note == "torch gives (N,) and Keras (N, 1): the same numbers, one by one"
    wrong = checked(lambda o, y: o[:, 0], lambda o, y: o)
    assert not wrong.ok
    assert wrong.cause is not None
    assert wrong.cause.evidence.startswith("torch's calls with getitem left out: the gap closes from other shapes")


def test_truth_values_and_whole_numbers() -> None:
    assert checked(lambda o, y: (o > 0, o.argmax(1)), lambda o, y: (o > 0, ops.argmax(o, 1))).ok
    assert not checked(lambda o, y: (o > 0, o), lambda o, y: (o < 0, o)).ok
    assert not checked(lambda o, y: (o.argmax(1), o), lambda o, y: (ops.argmin(o, 1), o)).ok


def test_names_of_leaves() -> None:
    found = dict(leaves({"a": [1.0, {"b": 2.0}], "c": None, "d": Named(3.0, None)}))
    assert found == {"a.0": 1.0, "a.1.b": 2.0, "d.logits": 3.0}


def test_an_alias_pairs_two_names() -> None:
    expected = Expected((("output", "logits", (2, 3)), ("output#2", "hidden", (2, 5))), {"hidden": "features"})
    found = placed([("features", (2, 5)), ("logits", (2, 3)), ("more", (2,))], expected)
    assert [place.key for place in found] == ["output#2", "output", "output#keras:more"]
