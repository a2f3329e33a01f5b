"""Ports that are written by hand, in each framework's own way: right ones match, and a fault is found where it is."""

from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import parity
from parity.checks.report import Report
from parity.frameworks.torch.wide import run_wide
from parity.reports.terminal.check import text

from .pieces import Keras, Torch
from .ported import PAIRS, D, T, called_in_another_order
from .test_pieces import shaken

FAULTS = [(name, *fault) for name, (_, faults) in PAIRS.items() for fault in faults]


def given(name: str) -> Any:
    draw = np.random.default_rng(0)
    return draw.integers(0, 11, (2, T)) if name == "unread rows" else draw.standard_normal((2, T, D))


def checked(name: str, wrong: str = "") -> Report:
    torch.manual_seed(0)
    ours, theirs = PAIRS[name][0](wrong)
    return parity.check(shaken(ours), theirs, given(name), weights="copy")


@pytest.mark.parametrize("name", PAIRS)
def test_a_port_matches(name: str) -> None:
    report = checked(name)
    assert report.ok, text(report)


@pytest.mark.parametrize(("name", "fault", "place"), FAULTS)
def test_a_fault_is_found_where_it_is(name: str, fault: str, place: str) -> None:
    report = checked(name, fault)
    assert not report.ok, "the fault passes"
    assert place in str(report.first), text(report)


def test_what_is_in_float32_is_told_with_its_region_alone() -> None:
    report = checked("rotary")
    told = {layer.step.path for layer in report.layers if "in float32" in (layer.note or "")}
    assert told, text(report)
    assert "norm" not in told, text(report)


def test_a_fault_in_one_block_accuses_none_of_the_next() -> None:
    report = checked("heads first", "eps")
    assert {layer.path for layer in report.layers if layer.faults} == {"0.q_norm"}, text(report)


def test_rows_that_no_input_reads_are_told() -> None:
    assert "rows from 2 on of 9 in torch" in " ".join(checked("unread rows").copied)


@pytest.mark.parametrize("exchanged", [False, True])
def test_kept_weights_say_which_of_two_alike_is_which(exchanged: bool) -> None:
    ours, theirs = called_in_another_order("")
    shaken(ours)
    theirs(keras.ops.zeros((1, T, D)))
    names = ("up_proj", "gate_proj") if exchanged else ("gate_proj", "up_proj")
    for name, layer in zip((*names, "down_proj"), (theirs._gate, theirs._intermediate, theirs._output), strict=True):
        layer.set_weights([getattr(ours, name).weight.detach().T.numpy(), getattr(ours, name).bias.detach().numpy()])
    report = parity.check(ours, theirs, given(""), weights="keep")
    assert report.ok is not exchanged, text(report)


def grouped(wrong: bool) -> tuple[nn.Module, keras.Model]:
    ours = Torch(
        lambda self, x: functional.grouped_mm(self.a(x), self.b(x).transpose(1, 2)),
        a=nn.Linear(D, D),
        b=nn.Linear(D, D),
    )
    turned = (lambda a, b: (b, a)) if wrong else (lambda a, b: (a, b))

    def call(self: Any, x: Any) -> Any:
        a, b = turned(self.a(x), self.b(x))
        return keras.ops.matmul(a, keras.ops.transpose(b, (0, 2, 1)))

    return ours, Keras(call, a=keras.layers.Dense(D), b=keras.layers.Dense(D))


@pytest.mark.parametrize("wrong", [False, True])
def test_what_torch_has_in_no_float64_has_the_line_of_float32(wrong: bool) -> None:
    ours, theirs = grouped(wrong)
    report = parity.check(shaken(ours), theirs, np.random.default_rng(0).standard_normal((2, 8, D)), weights="copy")
    assert report.ok is not wrong, text(report)
    assert wrong or "torch has no float64 of grouped_mm" in text(report)


def test_an_error_that_float64_has_no_part_in_is_raised_as_it_is() -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        run_wide(torch.matmul, (torch.zeros(2, 3, dtype=torch.float64), torch.zeros(2, 3, dtype=torch.float64)), {})
