"""The rules themselves, without a framework's process: NumPy's third opinion, the schedules, the band, the twins."""

import copy
from typing import Any

import keras
import numpy as np
import pytest
import torch

from parity.causes.optimizers import Before, update
from parity.checks.training.lockstep import classes_of
from parity.checks.training.rules import matches
from parity.frameworks.keras import optimizers as keras_optimizers, twins as keras_twins
from parity.frameworks.torch import optimizers as torch_optimizers
from parity.models.keys import slots
from parity.models.layers import LayerInfo
from parity.models.recipe import OPTIMIZERS, SCHEDULES, Recipe, RecipeError, made
from parity.verdict.training import Band, Number, Run, Step

RECIPES = [
    *(made(name) for name in OPTIMIZERS),
    *(made(name, weight_decay=0.1) for name in OPTIMIZERS),
    *(made(name, weight_decay=0.1, decay="decoupled") for name in OPTIMIZERS),
    made("rmsprop", momentum=0.9),
]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: f"{r.optimizer}-{r.momentum}-{r.nesterov}-{r.decay}")
def test_reference_is_torch(recipe: Recipe) -> None:
    draw = np.random.default_rng(0)
    parameter = torch.nn.Parameter(torch.from_numpy(draw.standard_normal(7)))
    optimizer = torch_optimizers.make_optimizer(recipe, [parameter])
    state = {slot: np.zeros(7) for slot in slots(recipe)}
    weight = parameter.detach().numpy().copy()
    for step in range(1, 4):
        gradient = draw.standard_normal(7)
        parameter.grad = torch.from_numpy(gradient)
        optimizer.step()
        decays = recipe.decays((7,))
        weight, state = update(recipe, Before(weight, gradient, state, recipe.lr, step, decays))
        np.testing.assert_allclose(parameter.detach().numpy(), weight, rtol=1e-13)
        for slot in state:
            found = torch_optimizers.state_of(optimizer, parameter, slot)
            np.testing.assert_allclose(found.numpy(), state[slot], rtol=1e-13)


@pytest.mark.parametrize("warmup", [0, 3])
@pytest.mark.parametrize("schedule", [name for name in SCHEDULES if name != "plateau"])
def test_rates_of_both_frameworks(schedule: str, warmup: int) -> None:
    recipe = made("sgd", schedule=schedule, warmup=warmup, every=4, lr=0.3)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=recipe.lr)
    torch_schedule = torch_optimizers.Schedule(recipe, optimizer)
    keras_rate = keras_optimizers.rate(recipe)
    for step in range(recipe.steps):
        wanted = recipe.rate(step)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(wanted, rel=1e-12)
        found = keras_rate if isinstance(keras_rate, float) else keras_rate(keras.ops.convert_to_tensor(step))
        assert float(found) == pytest.approx(wanted, rel=1e-12)
        optimizer.step()
        torch_schedule.step(1.0)


TWINS: list[Any] = [
    keras_twins.TorchSGD(momentum=0.9, nesterov=True),
    keras_twins.TorchAdam(epsilon=1e-8),
    keras_twins.TorchAdamW(weight_decay=0.1),
    keras_twins.TorchRMSprop(rho=0.99),
    keras_twins.TorchAdagrad(initial_accumulator_value=0.0),
    keras.optimizers.SGD(keras_twins.Cyclic(0.1, 1.0, 3)),
    keras.optimizers.SGD(keras_twins.WarmUp(0.1, 1.0, 3, keras_twins.Cyclic(0.1, 1.0, 3))),
]


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: type(twin).__name__)
def test_twins_are_saved_and_loaded(twin: Any) -> None:
    saved = keras.saving.serialize_keras_object(twin)
    again = keras.saving.deserialize_keras_object(copy.deepcopy(saved))  # Keras changes what it reads
    assert type(again) is type(twin)
    assert keras.saving.serialize_keras_object(again) == saved


def test_every_recipe_has_its_table() -> None:
    for recipe in RECIPES:
        table = matches(recipe, "float32")
        assert {"batches", "loss", "running variance"} <= {match.rule for match in table}
        assert {match.how for match in table} <= {"same", "setting", "twin"}
        assert ("weight decay" in {match.rule for match in table}) == (recipe.weight_decay > 0)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"--optimizer must be one of sgd, .* and is 'lion'"):
        made("lion")
    with pytest.raises(RecipeError, match="nesterov needs a --momentum above 0"):
        made("nesterov", momentum=0.0)


def run_of(distance: float, error: float, band: Band | None) -> Run:
    allowed = 1e-9 if band is None else band.allowed(1e-6)
    number = Number(error, "conv1.weight", distance, allowed, (1e-6,))
    return Run("float32" if band else "float64", (Step(1, (0.1, 0.1), (1.0, 1.0), {"weight": number}),), band)


def test_verdict_of_line_and_band() -> None:
    band = Band(4, 10.0, 1200, 2.0**-24)
    assert band.factor == (band.summed / 12) ** 0.5
    assert not list(run_of(2e-6, 1.0, band).faults())
    assert [fault.what for fault in run_of(2.1e-6, 0.0, band).faults()] == ["weight"]
    assert not list(run_of(1.0, 1e-9, None).faults())
    assert [fault.step for fault in run_of(0.0, 1.1e-9, None).faults()] == [1]
    assert list(run_of(float("nan"), 0.0, band).faults())
    assert list(run_of(0.0, float("nan"), None).faults())
    assert band.allowed(0.0) == 2.0**-23


def test_cross_entropy_of_one_output_proves_nothing() -> None:
    head = LayerInfo("out", "dense", {"weight": (1, 100), "bias": (1,)}, {})
    with pytest.raises(RecipeError, match="two classes at least, and out gives one output, whose loss is always 0"):
        classes_of([head])
    assert classes_of([LayerInfo("out", "dense", {"weight": (2, 100)}, {})]) == 2
