"""Weights that two models hold in other pieces: each pair of tests/checks/pieces.py, right and with its faults."""

from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn

import parity
from parity.checks.report import Report
from parity.errors import ParityError
from parity.reports.terminal.check import text

from .pieces import PAIRS, D, T, Torch, attention, computed, fused, three

FAULTS = [(name, fault) for name, (_, faults) in PAIRS.items() for fault in faults]
QUICK = {"fused against three", "attention", "by hand", "computed"}  # the others are of the exhaustive sweep


def swept(pairs: list[Any]) -> list[Any]:
    """The cases of the quick pairs as they are, and the others marked."""
    names = [case[0] if isinstance(case, tuple) else case for case in pairs]
    marks = [() if name in QUICK else pytest.mark.slow for name in names]
    values = [case if isinstance(case, tuple) else (case,) for case in pairs]
    return [pytest.param(*v, marks=m, id=" ".join(v)) for v, m in zip(values, marks, strict=True)]


UNEQUAL_IN_TRAINING = {"pixels"}  # what was folded is no part of what a kernel is multiplied with


def shaken(model: nn.Module) -> nn.Module:
    """Random biases, scales and tokens: none that hides another's."""
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=draw) * 0.2)
    return model.eval()


def given(name: str) -> Any:
    draw = np.random.default_rng(0)
    shape = {"tied": (2, T), "pixels": (2, T, D)}.get(name, (2, T, D))
    return draw.integers(0, 11, shape) if name == "tied" else draw.standard_normal(shape)


def checked(name: str, wrong: str = "", **options: Any) -> Report:
    ours, theirs = PAIRS[name][0](wrong)
    return parity.check(shaken(ours), theirs, given(name), weights="copy", **options)


@pytest.mark.parametrize("name", swept(list(PAIRS)))
def test_a_pair_matches(name: str) -> None:
    report = checked(name, gradients=name not in UNEQUAL_IN_TRAINING)
    assert report.ok, text(report)


@pytest.mark.parametrize(("name", "fault"), swept(FAULTS))
def test_a_fault_is_found_where_it_is(name: str, fault: str) -> None:
    report = checked(name, fault)
    assert not report.ok
    assert report.first is not None
    assert report.first.rpartition(".")[2].startswith(PAIRS[name][1][fault]), text(report)


def test_what_lies_otherwise_is_told_once() -> None:
    report = checked("attention")
    assert report.copied == (
        "1 x weights that are 1 in torch and 3 in Keras (attn.in_proj)",
        "1 x weights that Keras has in another shape or place (attn.out_proj)",
    )


def test_weights_are_where_they_belong_bit_for_bit() -> None:
    ours, theirs = attention("")
    parity.check(shaken(ours), theirs, given("attention"), weights="copy")
    rows: Any = ours.get_submodule("attn").in_proj_weight
    for number, name in enumerate(("query", "key", "value")):
        kernel = keras.ops.convert_to_numpy(getattr(theirs.attn, f"_{name}_dense").kernel)
        assert (rows.detach().numpy()[number * D : (number + 1) * D] == kernel.reshape(D, D).T).all()


def test_weights_kept_are_compared_piece_by_piece() -> None:
    ours, theirs = fused(), three("")
    x = given("fused against three")
    assert not parity.check(shaken(ours), theirs, x).ok
    parity.check(ours, theirs, x, weights="copy")
    assert parity.check(ours, theirs, x).ok
    theirs.k.bias.assign(theirs.k.bias + 0.5)  # which softmax does not see
    report = parity.check(ours, theirs, x)
    assert [entry.path for entry in report.settings] == ["qkv"], text(report)


def test_a_bias_in_one_side_alone_is_said() -> None:
    theirs = keras.Sequential([keras.Input((T, D)), keras.layers.EinsumDense("abc,cd->abd", (None, 4))])
    with pytest.raises(ParityError, match=r"only torch has 0\.bias") as caught:
        parity.check(nn.Sequential(nn.Linear(D, 4)), theirs, given("einsum"), weights="copy")
    assert len(str(caught.value)) < 600


def test_a_model_that_computes_its_weights_keeps_them() -> None:
    ours, theirs = computed("")
    before = {name: tensor.clone() for name, tensor in shaken(ours).state_dict().items()}
    report = parity.check(ours, theirs, given("computed"), weights="copy", gradients=True)
    assert report.ok, text(report)
    assert "weights that torch computes" in text(report)
    after = ours.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_tensor_that_torch_ties_and_keras_does_not_trains_otherwise() -> None:
    ours, _ = PAIRS["tied"][0]("")
    theirs = keras.Sequential(
        [
            keras.Input((T,)),
            keras.layers.Embedding(11, D),
            keras.layers.Dense(D, activation="tanh"),
            keras.layers.Dense(11, use_bias=False),
        ]
    )
    assert parity.check(shaken(ours), theirs, given("tied"), weights="copy").ok
    report = parity.check(ours, theirs, given("tied"), weights="copy", gradients=True)
    assert {cause.name for cause in report.causes} == {"tied weights"}, text(report)


def test_a_weight_outside_of_layers_that_is_not_trained_is_found() -> None:
    class Scale(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.gamma = self.add_weight(shape=(D,), name="gamma")

        def call(self, x: Any) -> Any:
            return x * keras.ops.stop_gradient(keras.ops.convert_to_tensor(self.gamma))

    ours = Torch(lambda self, x: self.gamma * self.fc(x), fc=nn.Linear(D, D), gamma=nn.Parameter(torch.ones(D)))
    theirs = keras.Sequential([keras.Input((T, D)), keras.layers.Dense(D), Scale()])
    report = parity.check(shaken(ours), theirs, given("einsum"), weights="copy", gradients=True)
    assert [cause.name for cause in report.causes] == ["missing gradient"], text(report)
    assert report.first == "gamma"
