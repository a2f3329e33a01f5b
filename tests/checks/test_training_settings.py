"""Every loss, optimizer, schedule and setting: equal in float64 over a run; faults in the loss are named."""

from collections.abc import Iterator
from typing import Any

import pytest

from parity.checks.training.run import TrainingOptions, compare_training
from parity.errors import ParityError
from parity.models.losses import LOSSES
from parity.models.optimizers import OPTIMIZERS, SCHEDULES, VARIANTS
from parity.models.recipe import made
from parity.models.targets import Target
from parity.reports.terminal.training import text
from parity.runners.remote import both_frameworks
from parity.verdict.training import TrainingReport

MODELS = "tests.checks.training_models"
Case = tuple[str, str, str, dict[str, Any]]


@pytest.fixture(scope="module")
def sides() -> Iterator[tuple[Any, Any]]:
    with both_frameworks() as processes:
        yield processes


def compare(
    sides: Any, torch: str, keras: str, optimizer: str = "sgd", dtype: str = "float64", **given: Any
) -> TrainingReport:
    target = Target("pair", f"{MODELS}:{torch}", f"{MODELS}:{keras}", (3, 8, 8))
    recipe = made(optimizer, **{"steps": 4, "epoch_steps": 4, **given})
    return compare_training(target, *sides, recipe, TrainingOptions(dtype, nudged=3), lambda *_: None)


HEADS = {"bce": "sigmoid", "kl": "softmax", "cross_entropy_probabilities": "softmax", "nll": "log_softmax"}
WEIGHTS = (1.0, 2.0, 0.5, 1.0, 3.0)
SCORES = "torch_scores", "keras_scores"
ALL_LOSSES: list[Case] = [
    *((f"torch_{HEADS.get(n, 'scores')}", f"keras_{HEADS.get(n, 'scores')}", "sgd", {"loss": n}) for n in LOSSES),
    ("torch_softmax", "keras_softmax", "sgd", {}),
    (*SCORES, "sgd", {"label_smoothing": 0.1}),
    (*SCORES, "sgd", {"class_weights": WEIGHTS}),
    (*SCORES, "sgd", {"ignore_label": 1}),
    (*SCORES, "sgd", {"sample_weights": True}),
    (*SCORES, "sgd", {"sample_weights": True, "loss": "huber", "delta": 0.3}),
    (*SCORES, "sgd", {"loss": "smooth_l1", "delta": 0.3}),
    ("torch_log_softmax", "keras_log_softmax", "sgd", {"loss": "nll", "class_weights": WEIGHTS}),
    ("torch_log_softmax", "keras_log_softmax", "sgd", {"loss": "nll", "ignore_label": 1}),
    ("torch_regression", "keras_regression", "adam", {"loss": "mse"}),
    ("torch_regression", "keras_regression", "sgd", {}),
    ("torch_squeezed", "keras_regression", "sgd", {"loss": "mse"}),
    ("torch_squeezed", "keras_regression", "sgd", {}),
    ("torch_pixels", "keras_pixels", "sgd", {}),
    ("torch_pixels", "keras_pixels", "sgd", {"loss": "mse"}),
    ("torch_pixels", "keras_pixels", "sgd", {"loss": "cross_entropy"}),
    ("torch_pixels", "keras_pixels", "sgd", {"loss": "cross_entropy", "sample_weights": True}),
    ("torch_pixels", "keras_pixels", "sgd", {"loss": "cross_entropy", "class_weights": (1.0, 2.0, 3.0)}),
    ("torch_pixels", "keras_pixels", "sgd", {"loss": "cross_entropy", "ignore_label": 0}),
    ("torch_two", "keras_two", "sgd", {}),
    ("torch_two", "keras_two", "sgd", {"loss": "mse", "sample_weights": True}),
    (*SCORES, "sgd", {"loss": f"{MODELS}:thrice", "targets": "normal"}),
]
AROUND: list[dict[str, Any]] = [
    {"clip_value": 0.05},
    {"clip_norm": 0.05},
    {"clip_global": 0.05},
    {"l1": 0.01, "l2": 0.02},
    {"l2": 0.02, "decay_on": "kernels"},
    {"ema": 0.9},
    {"accumulate": 3},
    {"accumulate": 2, "ema": 0.9, "clip_global": 0.05, "schedule": "step", "weight_decay": 0.01},
]
ALL_SETTINGS: list[Case] = [
    *((*SCORES, name, {}) for name in (*OPTIMIZERS, *VARIANTS)),
    *((*SCORES, name, {"weight_decay": 0.05, "decay_on": "kernels"}) for name in OPTIMIZERS),
    (*SCORES, "centered", {"momentum": 0.9}),
    (*SCORES, "adamw", {"amsgrad": True}),
    *((*SCORES, "momentum", {"schedule": name, "every": 3, "threshold": 10.0}) for name in SCHEDULES),
    *(
        (*SCORES, "adam", {"schedule": name, "every": 3, "warmup": 4})
        for name in SCHEDULES
        if name not in ("plateau", "onecycle")
    ),
    *((*SCORES, name, given) for name in ("momentum", "adam") for given in AROUND),
]
# One of each family in the quick suite.
QUICK: list[Case] = [
    (*SCORES, "sgd", {"loss": "bce_logits", "class_weights": ()}),
    ("torch_softmax", "keras_softmax", "amsgrad", {}),
    ("torch_regression", "keras_regression", "nadam", {"loss": "mse", "schedule": "onecycle"}),
    ("torch_pixels", "keras_pixels", "lion", {"loss": "cross_entropy", "sample_weights": True}),
    ("torch_two", "keras_two", "adamax", {"schedule": "restarts", "every": 2, "warmup": 1}),
    (*SCORES, "muon", {"class_weights": WEIGHTS, "schedule": "multistep"}),
    (*SCORES, "centered", {"loss": "triplet", "clip_global": 0.05, "l2": 0.01}),
    (*SCORES, "adam", {"accumulate": 2, "ema": 0.9, "ignore_label": 1}),
]


def named(case: Case) -> str:
    return "-".join([case[0].removeprefix("torch_"), case[2], *(f"{k}={v}" for k, v in case[3].items())])


def agrees(sides: Any, case: Case, steps: int) -> None:
    torch, keras, optimizer, given = case
    report = compare(sides, torch, keras, optimizer, steps=steps, **given)
    assert report.ok, text(report)
    (run,) = report.runs
    assert run.band is None
    assert len(run.steps) == steps
    assert max(number.error for step in run.steps for number in step.numbers.values()) < 1e-11
    losses = [step.loss[0] for step in run.steps]
    assert len(set(losses)) == steps  # it trains


@pytest.mark.parametrize("case", QUICK, ids=named)
def test_one_of_each_family_agrees(sides: Any, case: Case) -> None:
    agrees(sides, case, 4)


@pytest.mark.slow
@pytest.mark.parametrize("case", [*ALL_LOSSES, *ALL_SETTINGS], ids=named)
def test_it_agrees_over_a_run(sides: Any, case: Case) -> None:
    agrees(sides, case, 20)


@pytest.mark.parametrize("given", [{"loss": "huber"}, {"clip_norm": 0.05, "ema": 0.9}], ids=str)
def test_it_stays_in_the_band_in_float32(sides: Any, given: dict[str, Any]) -> None:
    report = compare(sides, *SCORES, "momentum", "float32", **given)
    assert report.ok, text(report)
    assert report.runs[-1].dtype == "float32"


SQUARES = {"torch_loss": "torch.nn:MSELoss", "targets": "normal"}
WRONG: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("torch_scores", "keras_scores", SQUARES | {"keras_loss": f"{MODELS}:squares"}, "loss reduction", "the 5 classes"),
    (
        "torch_scores",
        "keras_scores",
        {"torch_loss": "torch.nn:CrossEntropyLoss", "keras_loss": "keras.losses:sparse_categorical_crossentropy"},
        "loss function",
        "the outputs are equal",
    ),
    ("torch_scores", "keras_added", {}, "added loss", "adds 0.1"),
]


@pytest.mark.parametrize(("torch", "keras", "given", "name", "evidence"), WRONG, ids=[row[3] for row in WRONG])
def test_another_loss_is_named(
    sides: Any, torch: str, keras: str, given: dict[str, Any], name: str, evidence: str
) -> None:
    report = compare(sides, torch, keras, **given)
    assert report.fault is not None
    assert (report.fault.step, report.fault.what) == (1, "loss")
    assert report.cause is not None
    assert (report.cause.name, evidence in report.cause.evidence) == (name, True), report.cause


def test_a_loss_that_does_not_take_its_targets_is_one_sentence(sides: Any) -> None:
    with pytest.raises(
        ParityError, match=r"--torch-loss torch.nn:MSELoss must take outputs \(8, 5\) and targets \(8,\)"
    ):
        compare(sides, *SCORES, torch_loss="torch.nn:MSELoss", keras_loss=f"{MODELS}:squares")
