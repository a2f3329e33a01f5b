"""What benchmarks/ measured of lock-step training, and what it must show."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import benchmarks
from benchmarks import bands, training
from parity.verdict.training import CHANCE, LINE, Band

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


@pytest.mark.parametrize(("runs", "share"), [(4, 0.4), (8, 0.7)])
def test_one_number_is_called_different_by_chance_as_seldom_as_is_said(runs: int, share: float) -> None:
    """Measured where it is frequent enough to be: at a share of what is allowed."""
    draw = np.random.default_rng(0)
    greatest = np.abs(draw.standard_normal((runs, 1_000_000))).max(0)
    apart = np.abs(draw.standard_normal(1_000_000) - draw.standard_normal(1_000_000))
    factor = Band(runs, 1.0, 1, 0.0).allowed_of_one(1.0)
    measured, said = float((apart > share * factor * greatest).mean()), CHANCE / share**runs
    assert 0.2 * said < measured < 1.1 * said


def test_a_tensor_has_twice_the_radius_and_one_run_says_next_to_nothing_of_one_number() -> None:
    band = Band(1, 1.0, 1, 1e-7)
    assert band.allowed(1e-3) == 2e-3
    assert band.allowed_of_one(1e-9) > 1e4 * 1e-7
