"""Weights that one thing made of the other side's, and numbers that were cast: each planted, in NumPy alone."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from parity.causes.diagnose import diagnose
from parity.causes.evidence import Config, Evidence
from parity.causes.rerun import rounded, run
from parity.models.arrays import Array
from parity.models.kinds import named

pytestmark = pytest.mark.quick

DRAW = np.random.default_rng(0)
X = DRAW.standard_normal((3, 6))
HELD = {"weight": DRAW.standard_normal((5, 6)).astype(np.float32).astype(np.float64), "bias": np.linspace(0.1, 0.5, 5)}
OTHER = DRAW.standard_normal((5, 6))
CHANGES: dict[str, tuple[str, Callable[[Array], Any], str, str]] = {
    "one rounding": (
        "weight",
        lambda w: np.nextafter(w.astype(np.float32), np.float32(9)).astype(np.float64),
        "weight rounded",
        "at most one rounding of float32",
    ),
    "bfloat16": ("weight", lambda w: rounded(w, "bfloat16"), "weight rounded", "bfloat16"),
    "float16": ("weight", lambda w: rounded(w, "float16"), "weight rounded", "float16"),
    "two outputs": ("weight", lambda w: w[[1, 0, 2, 3, 4]], "channels of a weight permuted", "another order"),
    "twice": ("bias", lambda b: 2 * b, "bias doubled", "twice"),
    "as it is made": ("bias", np.ones_like, "weight not copied", "all alike"),
    "another layer's": ("weight", lambda w: OTHER, "weight of another layer", "torch's elsewhere"),
    "no other's": ("weight", lambda w: w + DRAW.standard_normal(w.shape), "weight not copied", "30 of 30"),
}


def given(change: Callable[[Array], Any], name: str, planted: str) -> Evidence:
    """planted: the side whose tensor is changed."""
    changed = HELD | {name: change(HELD[name])}
    sides = (changed, HELD) if planted == "torch" else (HELD, changed)
    ours, theirs = (Config(named("dense"), weights, {}) for weights in sides)
    outputs = [run(config, (X,)) for config in (ours, theirs)]
    assert outputs[0] is not None
    assert outputs[1] is not None
    return Evidence("fc", outputs[0], outputs[1], (X,), (ours, theirs))


def elsewhere(side: int, name: str, shape: tuple[int, ...]) -> Any:
    return iter([("elsewhere", OTHER)] if name == "weight" else [])


@pytest.mark.parametrize("planted", ["torch", "keras"])
@pytest.mark.parametrize("name", CHANGES)
def test_what_a_weight_is(name: str, planted: str) -> None:
    tensor, change, cause, word = CHANGES[name]
    found = diagnose(replace(given(change, tensor, planted), elsewhere=elsewhere))
    assert found.name == cause, found
    assert word.replace("torch", {"torch": "Keras", "keras": "torch"}[planted]) in found.evidence


CASTS = {
    "float16": (lambda x: rounded(x, "float16"), "reduced precision"),
    "bfloat16": (lambda x: rounded(x, "bfloat16"), "reduced precision"),
    "float32": (lambda x: x.astype(np.float32).astype(np.float64), "reduced precision"),
    "cut": (np.trunc, "cast to whole numbers"),
    "rounded": (np.round, "cast to whole numbers"),
}


@pytest.mark.parametrize("name", CASTS)
@pytest.mark.parametrize("where", ["between layers", "into a layer", "out of a layer"])
def test_a_cast(name: str, where: str) -> None:
    cast, cause = CASTS[name]
    dense, glue = Config(named("dense"), HELD, {}), Config(named("glue"), {}, {})
    x = 3 * X
    right, wrong = (run(dense, (each,)) for each in (x, cast(x)))
    assert right is not None
    assert wrong is not None
    found = {
        "between layers": Evidence("cast", x, cast(x), (x,), (glue, glue)),
        "into a layer": Evidence("fc", right, wrong, (x,), (dense, dense)),
        "out of a layer": Evidence("fc", right, cast(right), (x,), (dense, dense)),
    }
    assert diagnose(found[where]).name == cause


def test_most_of_a_gap_is_named_with_the_rest() -> None:
    """Another epsilon, and a little more of what no one knows."""
    x = DRAW.standard_normal((3, 4, 5, 5))
    statistics = {"running_mean": np.zeros(4), "running_var": np.full(4, 1e-3)}
    ours, theirs = (Config(named("batch_norm"), statistics, {"eps": eps}) for eps in (1e-5, 1e-3))
    outputs = [run(config, (x,)) for config in (ours, theirs)]
    assert outputs[0] is not None
    assert outputs[1] is not None
    rest = 1e-6 * np.sin(7 * x)
    found = diagnose(Evidence("bn", outputs[0], outputs[1] + rest, (x,), (ours, theirs)))
    assert found.name == "BN eps"
    assert "most of it" in found.evidence
    assert (
        diagnose(Evidence("bn", outputs[0], outputs[1] + 0.3 * np.sin(7 * x), (x,), (ours, theirs))).name
        == "settings differ"
    )
