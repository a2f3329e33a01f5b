"""Weights in another order or place, and what a convolution does otherwise: told as such, and not for another fault."""

from typing import Any

import numpy as np
import pytest

from parity.causes.diagnose import diagnose
from parity.causes.evidence import Config, Evidence
from parity.causes.rerun import run
from parity.models.arrays import Array
from parity.models.kinds import named
from parity.verdict.cause import Cause

pytestmark = pytest.mark.quick

DRAW = np.random.default_rng(0)
WINDOW = {"kernel_size": [3, 3], "stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "bias": True}
IMAGE = DRAW.standard_normal((2, 4, 8, 6))
KERNEL = DRAW.standard_normal((6, 4, 3, 3))
BIAS = DRAW.standard_normal(6)
CONV = Config(named("conv"), {"weight": KERNEL, "bias": BIAS}, WINDOW)


def made(config: Config, x: Array, **changes: Any) -> Array:
    out = run(config, (x,), **changes)
    assert out is not None
    return out


def cause_of(ours: Config, theirs: Config, x: Array, keras: Array) -> Cause:
    return diagnose(Evidence("layer", made(ours, x), keras, (x,), (ours, theirs)))


@pytest.mark.parametrize(("shape", "axes"), [((4, 6, 5), (1, 2, 0)), ((4, 30), (1, 0)), ((4, 6, 5), (2, 0, 1))])
def test_dense_rows_in_another_flatten_order(shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    kernel = DRAW.standard_normal((7, 120))
    order = np.arange(120).reshape(shape).transpose(axes).reshape(-1)
    ours, theirs = (Config(named("dense"), {"weight": each}, {"bias": False}) for each in (kernel, kernel[:, order]))
    x = DRAW.standard_normal((2, 120))
    cause = cause_of(ours, theirs, x, made(theirs, x))
    assert cause.name == "order of a weight"
    assert "in another flatten order" in cause.evidence


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda w: w[[3, 1, 0, 2, 5, 4]], "along axis 0"),
        (lambda w: w[:, [1, 0, 3, 2]], "along axis 1"),
        (lambda w: w.transpose(2, 3, 1, 0).reshape(w.shape), "memory order"),
    ],
    ids=["outputs", "inputs", "memory"],
)
def test_a_kernel_in_another_order(change: Any, word: str) -> None:
    theirs = Config(CONV.kind, {"weight": change(KERNEL), "bias": BIAS}, WINDOW)
    cause = cause_of(CONV, theirs, IMAGE, made(theirs, IMAGE))
    assert cause.name == "order of a weight"
    assert word in cause.evidence


def test_all_weights_of_a_layer_in_another_order() -> None:
    order = [3, 1, 0, 2, 5, 4]
    theirs = Config(CONV.kind, {"weight": KERNEL[order], "bias": BIAS[order]}, WINDOW)
    cause = cause_of(CONV, theirs, IMAGE, made(theirs, IMAGE))
    assert cause.name == "order of a weight"
    assert "weight (" in cause.evidence
    assert "bias (" in cause.evidence


def test_other_weights_are_not_told_as_an_order() -> None:
    theirs = Config(CONV.kind, {"weight": DRAW.permutation(KERNEL.reshape(-1)).reshape(KERNEL.shape) + 1e-3}, WINDOW)
    theirs.weights["bias"] = BIAS
    assert cause_of(CONV, theirs, IMAGE, made(theirs, IMAGE)).name == "weight not copied"


@pytest.mark.parametrize(("shape", "axis"), [((2, 4, 8, 6), 3), ((2, 4, 6, 8), 2)])
def test_a_bias_along_another_axis(shape: tuple[int, ...], axis: int) -> None:
    x = DRAW.standard_normal(shape)
    cause = cause_of(CONV, CONV, x, made(CONV, x, bias_axis=axis))
    assert cause.name == "bias along another axis"
    assert f"axis {axis}" in cause.evidence


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("side", ["torch", "Keras"])
def test_a_padding_mode_of_a_convolution(mode: str, side: str) -> None:
    outputs = [made(CONV, IMAGE), made(CONV, IMAGE, padding_mode=mode)]
    torch, keras = outputs if side == "Keras" else outputs[::-1]
    cause = diagnose(Evidence("conv", torch, keras, (IMAGE,), (CONV, CONV)))
    assert cause.name == "padding mode"
    assert cause.evidence.startswith(side)
    assert mode in cause.evidence


CUTS = [[[1, 0], [1, 0]], [[0, 1], [0, 1]], [[1, 0], [0, 1]]]


@pytest.mark.parametrize("stated", [True, False])
@pytest.mark.parametrize(("one", "other"), [(CUTS[0], CUTS[1]), (CUTS[1], CUTS[0]), (CUTS[0], CUTS[2])])
def test_where_a_transposed_convolution_is_cut(one: Any, other: Any, stated: bool) -> None:
    settings = {"kernel_size": [3, 3], "stride": [2, 2], "dilation": [1, 1], "bias": True}
    weights = {"weight": KERNEL.swapaxes(0, 1), "bias": BIAS}
    cuts = ({"transposed_padding": cut} for cut in (one, other))
    ours, really = (Config(named("conv_transpose"), weights, settings | cut) for cut in cuts)
    cause = cause_of(ours, really if stated else ours, IMAGE, made(really, IMAGE))
    assert cause.name == "transposed convolution cut elsewhere"


STATISTICS = {"running_mean": DRAW.standard_normal(4), "running_var": DRAW.uniform(0.5, 2, 4)}
SCALE = {"weight": DRAW.uniform(0.5, 2, 4), "bias": DRAW.standard_normal(4)}


def norm(**changes: Array) -> Config:
    return Config(named("batch_norm"), SCALE | STATISTICS | changes, {"eps": 1e-5})


def test_mean_and_variance_in_one_anothers_place() -> None:
    """A variance below zero has no root: Keras's output is not finite, and the tensors say why."""
    theirs = norm(running_mean=STATISTICS["running_var"], running_var=STATISTICS["running_mean"])
    with np.errstate(invalid="ignore"):
        keras = made(theirs, IMAGE)
    assert not np.isfinite(keras).all()
    cause = cause_of(norm(), theirs, IMAGE, keras)
    assert cause.name == "mean and variance swapped"
    assert "Keras's running_mean is torch's running_var" in cause.evidence


def test_a_variance_below_zero_is_not_told_as_swapped() -> None:
    theirs = norm(running_var=-STATISTICS["running_var"])
    with np.errstate(invalid="ignore"):
        keras = made(theirs, IMAGE)
    assert cause_of(norm(), theirs, IMAGE, keras).name == "NaN or infinity"


def test_swapped_statistics_do_not_explain_what_else_is_not_finite() -> None:
    theirs = norm(running_mean=STATISTICS["running_var"], running_var=STATISTICS["running_mean"])
    assert cause_of(norm(), theirs, IMAGE, np.full(IMAGE.shape, np.inf)).name == "NaN or infinity"
