"""One fault that shows at several places is told once; what no number of a run shows is told all the same."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras import layers, ops
from torch import nn
from torch.nn import functional as F

import parity
from benchmarks.single.rows import Keras, Torch
from parity.checks.report import Report

X = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
LINE = np.random.default_rng(0).standard_normal((2, 5, 8)).astype(np.float32)
Forward = Callable[[Any, Any], Any]


def checked(ours: nn.Module, theirs: Any, x: Any = X) -> Report:
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return parity.check(ours, theirs, x, weights="copy")


def accused(report: Report) -> list[str]:
    return [layer.path for layer in report.layers if layer.faults]


def block() -> dict[str, Any]:
    return {"a": nn.Conv2d(3, 4, 3), "n": nn.BatchNorm2d(4), "r": nn.ReLU(), "b": nn.Conv2d(4, 4, 1)}


def keras_block() -> dict[str, Any]:
    norm = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="n")
    first, last = layers.Conv2D(4, 3, name="a"), layers.Conv2D(4, 1, name="b")
    return {"a": first, "n": norm, "r": layers.ReLU(name="r"), "b": last}


def test_a_norm_and_an_activation_that_have_changed_places() -> None:
    ours = Torch(lambda m, x: m.b(m.r(m.n(m.a(x)))), **block())
    report = checked(ours, Keras(lambda m, x: m.b(m.n(m.r(m.a(x)))), **keras_block()))
    assert [cause.name for cause in report.causes] == ["order of operations"]
    assert accused(report) == ["r"]


def test_an_activation_before_a_norm_in_a_list() -> None:
    ours = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1))
    norm = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
    theirs = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.ReLU(), norm, layers.Conv2D(2, 1)])
    report = checked(ours, theirs)
    assert [cause.name for cause in report.causes] == ["order of operations"]
    assert "Keras applies relu before 1, and torch behind it" in report.causes[0].evidence


def gated(activation: Any) -> Forward:
    def forward(model: Any, x: Any) -> Any:
        y = activation(model.a(x))
        return model.h(model.b(y) * y)

    return forward


def test_what_is_left_out_is_told_where_it_is_first_used() -> None:
    own = {"a": nn.Conv2d(3, 4, 3), "b": nn.Conv2d(4, 4, 1), "h": nn.Conv2d(4, 2, 1)}
    theirs = {
        "a": layers.Conv2D(4, 3, name="a"),
        "b": layers.Conv2D(4, 1, name="b"),
        "h": layers.Conv2D(2, 1, name="h"),
    }
    report = checked(Torch(gated(F.silu), **own), Keras(gated(lambda x: x), **theirs))
    assert [(cause.name, cause.path) for cause in report.causes] == [("missing or extra activation", "silu")]
    assert accused(report) == ["silu"]


def test_a_direction_is_one_fault() -> None:
    """Keras gives what it has gone over backwards in that order."""
    own = {"f": nn.LSTM(8, 4, batch_first=True), "g": nn.LSTM(8, 4, batch_first=True), "l": nn.Linear(8, 3)}
    both = {"f": layers.LSTM(4, return_sequences=True, name="f"), "l": layers.Dense(3, name="l")}
    both["g"] = layers.LSTM(4, return_sequences=True, go_backwards=True, name="g")
    ours = Torch(lambda m, x: m.l(torch.cat([m.f(x)[0], m.g(x.flip(1))[0].flip(1)], -1)), **own)
    theirs = Keras(lambda m, x: m.l(ops.concatenate([m.f(x), ops.flip(m.g(ops.flip(x, 1)), 1)], -1)), **both)
    report = checked(ours, theirs, LINE)
    assert [cause.name for cause in report.causes] == ["direction of the sequence"]
    assert accused(report) == ["g"]


@pytest.mark.parametrize("adds", ["torch", "keras"])
def test_a_sum_behind_attention(adds: str) -> None:
    def forward(side: str, attend: Any) -> Forward:
        return lambda m, x: m.l(x + attend(m, x) if adds == side else attend(m, x))

    ours = Torch(
        forward("torch", lambda m, x: m.m(x, x, x)[0]),
        m=nn.MultiheadAttention(8, 2, batch_first=True),
        l=nn.Linear(8, 3),
    )
    theirs = Keras(
        forward("keras", lambda m, x: m.m(x, x)),
        m=layers.MultiHeadAttention(2, 4, name="m"),
        l=layers.Dense(3, name="l"),
    )
    report = checked(ours, theirs, LINE)
    assert [cause.name for cause in report.causes] == ["shortcut missing"]


def test_a_bound_that_no_number_reaches() -> None:
    ours = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU6(), nn.Conv2d(4, 2, 1))
    parts = [keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.ReLU(), layers.Conv2D(2, 1)]
    report = checked(ours, keras.Sequential(parts))
    assert (report.ok, report.first, [cause.name for cause in report.causes]) == (False, "1", ["another activation"])
    parts[2] = layers.ReLU(max_value=6.0)
    assert checked(ours, keras.Sequential(parts)).ok


def test_a_function_that_is_told_its_bounds_is_not_judged_by_its_name() -> None:
    ours = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Hardtanh(0.0, 6.0), nn.Conv2d(4, 2, 1))
    parts = [keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.ReLU(max_value=6.0), layers.Conv2D(2, 1)]
    assert checked(ours, keras.Sequential(parts)).ok


def test_a_bias_that_one_side_lacks_is_judged() -> None:
    ours = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1))
    theirs = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3, use_bias=False), layers.ReLU(), layers.Conv2D(2, 1)]
    )
    report = checked(ours, theirs)
    assert (report.first, [cause.name for cause in report.causes]) == ("0", ["missing or extra bias"])


def test_another_tensor_of_another_size_than_the_output() -> None:
    own = block() | {"p": nn.Conv2d(4, 6, 1), "c": nn.Conv2d(4, 6, 1)}
    both = keras_block() | {"p": layers.Conv2D(6, 1, name="p"), "c": layers.Conv2D(6, 1, name="c")}

    def forward(fed: str) -> Forward:
        def run(model: Any, x: Any) -> Any:
            given = {"first": model.a(x)}
            given["second"] = model.r(model.n(given["first"]))
            return model.c(given["second"]) + model.p(given[fed])

        return run

    del own["b"], both["b"]
    report = checked(Torch(forward("first"), **own), Keras(forward("second"), **both))
    assert [cause.name for cause in report.causes] == ["fed from another tensor"]
