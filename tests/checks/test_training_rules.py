"""The rules themselves, without a framework's process: NumPy's third opinion, the schedules, the band, the twins."""

import copy
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import LinearLR, SequentialLR, StepLR

from parity.causes.optimizers import Before, update
from parity.checks.training.rules import matches
from parity.frameworks.keras import optimizers as keras_optimizers, rates as keras_rates, twins as keras_twins
from parity.frameworks.torch import optimizers as torch_optimizers
from parity.frameworks.torch.updates import clip as torch_clip
from parity.frameworks.torch.wide import default_dtype
from parity.models.aims import chosen
from parity.models.clipping import Applied
from parity.models.keys import slots
from parity.models.layers import LayerInfo
from parity.models.losses import LOSSES
from parity.models.optimizers import OPTIMIZERS, SCHEDULES, VARIANTS
from parity.models.recipe import Recipe, RecipeError, made
from parity.verdict.training import Band, Number, Run, Step

NAMES = [*OPTIMIZERS, *VARIANTS]
RECIPES = [
    *(made(name) for name in NAMES),
    *(made(name, weight_decay=0.1) for name in NAMES),
    *(made(name, weight_decay=0.1, decay="decoupled") for name in NAMES),
    made("rmsprop", momentum=0.9),
    made("centered", momentum=0.9),
    made("adamw", amsgrad=True),
]


def name_of(recipe: Recipe) -> str:
    changed = [key for key in ("momentum", "nesterov", "amsgrad", "centered") if getattr(recipe, key)]
    return "-".join([recipe.optimizer, *changed, recipe.decay, f"{recipe.weight_decay:g}"])


@pytest.mark.parametrize("shape", [(7,), (3, 5), (5, 3)], ids=str)
@pytest.mark.parametrize("recipe", RECIPES, ids=name_of)
def test_reference_is_torch(recipe: Recipe, shape: tuple[int, ...]) -> None:
    draw = np.random.default_rng(0)
    parameter = torch.nn.Parameter(torch.from_numpy(draw.standard_normal(shape)))
    optimizer = torch_optimizers.make_optimizer(recipe, [parameter])
    state = {slot: np.zeros(shape) for slot in slots(recipe)}
    weight = parameter.detach().numpy().copy()
    for step in range(1, 4):
        gradient = draw.standard_normal(shape)
        parameter.grad = torch.from_numpy(gradient)
        with default_dtype(torch.float64):
            optimizer.step()
        decays = recipe.decays(shape)
        weight, state = update(recipe, Before(weight, gradient, state, recipe.lr, step, decays))
        np.testing.assert_allclose(parameter.detach().numpy(), weight, rtol=1e-12)
        for slot in state:
            found = torch_optimizers.state_of(optimizer, parameter, slot)
            np.testing.assert_allclose(found.numpy(), state[slot], rtol=1e-12)


def test_muon_is_torchs_to_the_precision_of_its_own() -> None:
    """Which iterates in bfloat16: by norm the same step within five of its roundings."""
    draw = np.random.default_rng(0)
    w = torch.from_numpy(draw.standard_normal((6, 4)))
    ours, theirs = torch.nn.Parameter(w.clone()), torch.nn.Parameter(w.clone())
    recipe = made("muon", weight_decay=0.1, lr=1.0)
    optimizers = torch_optimizers.make_optimizer(recipe, [ours]), torch.optim.Muon([theirs], lr=1.0, weight_decay=0.1)
    ours.grad = theirs.grad = torch.from_numpy(draw.standard_normal((6, 4)))
    for optimizer in optimizers:
        optimizer.step()
    step = ours.detach() - 0.9 * w
    assert float((ours - theirs).detach().norm() / step.norm()) < 5 * 2.0**-8


@pytest.mark.parametrize("clip", ["clip_value", "clip_norm", "clip_global"])
def test_what_a_rule_gets_is_what_torch_clips(clip: str) -> None:
    draw, applied = np.random.default_rng(0), Applied(made("sgd", **{clip: 0.5}, accumulate=2))
    batches = [{"a": draw.standard_normal((3, 4)), "b": draw.standard_normal(5) * 1e-3} for _ in range(2)]
    parameters = [torch.nn.Parameter(torch.from_numpy(batches[0][name])) for name in "ab"]
    for step, gradients in enumerate(batches, 1):
        applied.add(step, gradients)
        assert bool(applied.gradients) == (step == 2)
    for name, parameter in zip("ab", parameters, strict=True):
        parameter.grad = torch.from_numpy((batches[0][name] + batches[1][name]) / 2)
    torch_clip(applied.recipe, parameters)
    for name, parameter in zip("ab", parameters, strict=True):
        assert parameter.grad is not None
        np.testing.assert_allclose(applied.gradients[name], parameter.grad.numpy(), rtol=1e-13)


@pytest.mark.parametrize("warmup", [0, 3])
@pytest.mark.parametrize("schedule", [name for name in SCHEDULES if name != "plateau"])
def test_rates_of_both_frameworks(schedule: str, warmup: int) -> None:
    if schedule == "onecycle" and warmup:
        with pytest.raises(RecipeError, match="onecycle needs 4 steps at least and rises by itself"):
            made("sgd", schedule=schedule, warmup=warmup)
        return
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
    keras_twins.TorchAdamax(),
    keras_twins.TorchNadam(),
    keras_twins.TorchMuon(),
    keras.optimizers.SGD(keras_rates.OneCycle(1.0, 20)),
    keras.optimizers.SGD(keras_rates.Cyclic(0.1, 1.0, 3)),
    keras.optimizers.SGD(keras_rates.WarmUp(0.1, 1.0, 3, keras_rates.Cyclic(0.1, 1.0, 3))),
]


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: type(twin).__name__)
def test_twins_are_saved_and_loaded(twin: Any) -> None:
    saved = keras.saving.serialize_keras_object(twin)
    again = keras.saving.deserialize_keras_object(copy.deepcopy(saved))  # Keras changes what it reads
    assert type(again) is type(twin)
    assert keras.saving.serialize_keras_object(again) == saved


AROUND: dict[str, dict[str, Any]] = {
    "clipping": {"clip_global": 1.0},
    "penalty": {"l2": 0.1},
    "accumulation": {"accumulate": 2},
    "running mean of weights": {"ema": 0.9},
    "schedule": {"schedule": "restarts"},
    "warm-up": {"warmup": 2},
    "class weights": {"class_weights": (1.0, 2.0)},
    "ignored labels": {"ignore_label": 1},
    "sample weights": {"sample_weights": True},
}


def test_every_recipe_has_its_table() -> None:
    for recipe in RECIPES:
        table = matches(replace(recipe, loss="cross_entropy"), "float32")
        assert {"batches", "loss", "running variance"} <= {match.rule for match in table}
        assert {match.how for match in table} <= {"same", "setting", "twin"}
        assert ("weight decay" in {match.rule for match in table}) == (recipe.weight_decay > 0)


@pytest.mark.parametrize("rule", AROUND)
def test_what_is_set_has_its_line(rule: str) -> None:
    assert rule in {match.rule for match in matches(made("sgd", **AROUND[rule]), "float32")}
    assert rule not in {match.rule for match in matches(made("sgd"), "float32")}


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_has_its_line(name: str) -> None:
    (line,) = (match for match in matches(made("sgd", loss=name), "float32") if match.rule == "loss")
    assert line.torch == LOSSES[name].torch


def test_a_warm_up_reaches_the_full_rate_where_the_table_says() -> None:
    """torch's SequentialLR does, at the step after the last of the warm-up."""
    told = [match for match in matches(made("sgd", schedule="step", warmup=4), "float32") if match.rule == "warm-up"]
    assert [match.torch for match in told] == ["LinearLR, then SequentialLR"]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    first, after = LinearLR(optimizer, 0.1, total_iters=4), StepLR(optimizer, 3, 0.5)
    schedule, rates = SequentialLR(optimizer, [first, after], [4]), []
    for _ in range(8):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    np.testing.assert_allclose(rates, [0.1, 0.325, 0.55, 0.775, 1.0, 1.0, 1.0, 0.5])


def test_unknown_names_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"--optimizer must be one of sgd, .* and is 'lamb'"):
        made("lamb")
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


HEAD = [LayerInfo("out", "dense", {"weight": (3, 100), "bias": (3,)}, {})]
SCORES, ONE, IMAGE = np.array([[1.0, -2.0, 0.5]]), np.zeros((2, 1)), np.zeros((2, 3, 4, 4))


@pytest.mark.parametrize(
    ("outputs", "given", "loss"),
    [
        ({"output": (SCORES, 1)}, {}, "cross_entropy"),
        ({"output": (np.abs(SCORES) / 3.5, 1)}, {}, "cross_entropy_probabilities"),
        ({"output": (ONE, 1)}, {}, "linear"),
        ({"output": (IMAGE, 1)}, {}, "linear"),
        ({"output": (SCORES, 1), "output#2": (SCORES, 1)}, {}, "linear"),
        ({"output": (IMAGE, 1)}, {"loss": "cross_entropy"}, "cross_entropy"),
        ({"output": (ONE, 1)}, {"loss": "mse"}, "mse"),
    ],
)
def test_the_loss_is_what_fits_the_outputs(outputs: Any, given: dict[str, Any], loss: str) -> None:
    assert chosen(made("sgd", **given), outputs, HEAD).loss == loss


REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    (ONE, {"loss": "cross_entropy"}, "needs two classes at least, and output gives 1, whose loss is always 0"),
    (SCORES, {"loss": "bce"}, "needs outputs that are from 0 to 1, and those of output reach from -2 to 1"),
    (SCORES, {"loss": "kl"}, "outputs that are probabilities"),
    (SCORES, {"loss": "nll"}, "outputs that are logarithms of probabilities"),
    (np.abs(SCORES) / 3.5, {"loss": "bce"}, "add up to 1, as a softmax's"),
    (SCORES, {"class_weights": (1.0, 2.0)}, "must be one for each of the 3 classes, and are 2"),
    (SCORES, {"ignore_label": 3}, "must be one of the 3 labels that are drawn, from 0, and is 3"),
    (IMAGE, {"loss": "triplet"}, "needs rows of numbers and a batch of 3 at least"),
]


@pytest.mark.parametrize(("output", "given", "sentence"), REFUSED)
def test_outputs_that_a_loss_does_not_take(output: Any, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RecipeError, match=sentence):
        chosen(made("sgd", **given), {"output": (output, 1)}, HEAD)


CLASHES: list[tuple[dict[str, Any], str]] = [
    ({"loss": "hinges"}, "--loss must be one of cross_entropy, .*, and is 'hinges'"),
    ({"loss": "mse", "torch_loss": "a:f", "keras_loss": "a:g"}, "--loss mse is for both sides"),
    ({"torch_loss": "a:f"}, "--torch-loss needs --keras-loss beside it"),
    ({"loss": "mse", "label_smoothing": 0.1}, "--label-smoothing is for a loss of labels, and --loss mse is none"),
    ({"class_weights": (1.0, 2.0), "ignore_label": 1}, "cannot be compared together"),
    ({"loss": "linear", "sample_weights": True}, "--sample-weights is for a mean over samples"),
    ({"targets": "normal"}, "--targets is for a loss of your own"),
    ({"clip_value": 1.0, "clip_norm": 1.0}, "two ways to clip"),
    ({"accumulate": 30}, "--accumulate must be from 1 to the 20 steps, and is 30"),
    ({"ema": 1.0}, "--ema must be from 0 to below 1"),
    ({"milestones": (5, 3)}, "--milestones must be steps from 1 up that rise"),
]


@pytest.mark.parametrize(("given", "sentence"), CLASHES)
def test_settings_that_do_not_go_together(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RecipeError, match=sentence):
        made("sgd", **given)
