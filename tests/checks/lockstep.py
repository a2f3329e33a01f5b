"""Lock-step runs of this folder's training models: a report from the names of model, recipe and fault."""

from typing import Any

import pytest

from parity.checks.training.run import TrainingOptions, compare_training
from parity.models.recipe import made
from parity.models.targets import Target
from parity.verdict.training import TrainingReport

from .training_models import ROWS, SHAPE

MODELS = "tests.checks.training_models"


def compare(sides: Any, optimizer: str, model: str = "basic", fault: str = "", **given: Any) -> TrainingReport:
    options = TrainingOptions(given.pop("dtype", "float64"), nudged=given.pop("nudged", 3))
    recipe = made(optimizer, **{"steps": 4, "epoch_steps": 2, **given})
    size = ROWS[model]["input_size"]
    shape = (SHAPE[0], size, size)
    target = Target(model, f"{MODELS}:torch_{model}", f"{MODELS}:{fault or f'keras_{model}'}", shape)
    return compare_training(target, *sides, recipe, options, lambda text, done, total: None)


MEANS = [0, 1000, 100000]


def ends(*first: str) -> list[Any]:
    """A case for every mean; the one between is of the exhaustive sweep alone."""
    return [pytest.param(*first, mean, marks=pytest.mark.slow if mean == 1000 else ()) for mean in MEANS]


def compare_pair(sides: Any, torch_model: str, keras_model: str, dtype: str, **given: Any) -> TrainingReport:
    target = Target("pair", f"{MODELS}:{torch_model}", f"{MODELS}:{keras_model}", SHAPE)
    recipe = made("sgd", **{"steps": 3, "epoch_steps": 2, **given})
    return compare_training(target, *sides, recipe, TrainingOptions(dtype), lambda text, done, total: None)
