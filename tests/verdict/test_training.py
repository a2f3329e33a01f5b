"""What benchmarks/ measured of lock-step training, and what it must show."""

import json
from pathlib import Path
from typing import Any

import pytest

import benchmarks
from benchmarks import bands, training
from parity.verdict.training import LINE

pytestmark = pytest.mark.quick

RESULTS = Path(benchmarks.__file__).parent / "results"


def kept(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text())["runs"]


def test_every_variant_agrees_by_every_recipe_for_twenty_steps() -> None:
    runs = {(run["variant"], run["recipe"]): run for run in kept("training")}
    assert list(runs) == [(variant, name) for variant in training.VARIANTS for name in training.RECIPES]
    for (variant, name), run in runs.items():
        recipe = training.recipe_of(variant, name)
        assert (run["match"], run["steps"], run["judged_by"]) == (True, 20, "the line"), run
        assert run["greatest_difference"] <= LINE, run
        assert (run["rate"], run["epsilon"]) == (recipe.lr, recipe.epsilon), run


def test_no_band_cried_wolf() -> None:
    runs = kept("bands")
    assert {(run["recipe"], run["dtype"]) for run in runs} == {(n, d) for n in bands.NAMES for d in bands.DTYPES}
    assert all(run["seeds"] >= bands.SEEDS and not run["false_alarms"] for run in runs)
    assert all(0 < run["share_of_allowed"]["greatest"] < 1 for run in runs)
