"""A user's own training steps in lock-step: equal ones agree; what differs in one is caught and named."""

from collections.abc import Iterator
from typing import Any

import pytest

from parity import train
from parity.checks.training.run import TrainingOptions, compare_training
from parity.errors import ParityError
from parity.models.recipe import made
from parity.models.targets import Target
from parity.reports.terminal.training import text
from parity.runners.remote import both_frameworks
from parity.verdict.training import TrainingReport

HOME = "tests.checks.own_steps"


@pytest.fixture(scope="module")
def sides() -> Iterator[tuple[Any, Any]]:
    with both_frameworks() as processes:
        yield processes


def compare(sides: Any, ours: str, theirs: str, dtype: str = "float64") -> TrainingReport:
    target = Target("own", f"{HOME}:torch_net", f"{HOME}:keras_net", (3, 8, 8))
    recipe = made("sgd", steps=3, epoch_steps=2, torch_step=f"{HOME}:{ours}", keras_step=f"{HOME}:{theirs}")
    return compare_training(target, *sides, recipe, TrainingOptions(dtype, nudged=2), lambda *_: None)


EQUAL = [("torch_plain", "keras_factory"), ("torch_step", "keras_tape")]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("ours", "theirs"), EQUAL)
def test_equal_steps_agree(sides: Any, ours: str, theirs: str, dtype: str) -> None:
    """A factory against train_on_batch; an optimizer in a global against one by hand, each run with its own."""
    report = compare(sides, ours, theirs, dtype)
    assert report.ok, text(report)
    assert [(match.torch, match.keras) for match in report.matched if match.rule == "step"] == [
        (f"{HOME}:{ours}", f"{HOME}:{theirs}")
    ]
    numbers = report.runs[-1].steps[-1].numbers
    assert {"loss", "running_mean", "running_var", "weight"} <= numbers.keys()
    assert report.runs[0].steps[0].numbers["weight"].error < 1e-12


FAULTS = [
    ("torch_plain", "keras_rate", 1, "learning rate", "Keras's step is 2 times torch's"),
    ("torch_plain", "keras_momentum", 2, "optimizer state", "the steps up to 1 are equal"),
    ("torch_plain", "keras_decay", 1, "weight decay", "-0.005 times the weight"),
    ("torch_plain", "keras_sum", 1, "loss reduction", "Keras's 8 times the other's"),
    ("TorchAdam", "keras_adam", 1, "wrong epsilon", "e = 1e-08 in torch and 3.162e-07 in Keras"),
    ("TorchAdam", "keras_tape", 1, "update rule", "another optimizer or setting"),
]


@pytest.mark.parametrize(("ours", "theirs", "step", "cause", "evidence"), FAULTS, ids=[row[1] for row in FAULTS])
def test_another_step_is_caught_and_named(
    sides: Any, ours: str, theirs: str, step: int, cause: str, evidence: str
) -> None:
    report = compare(sides, ours, theirs)
    assert report.fault is not None, text(report)
    assert report.fault.step == step, text(report)
    assert report.cause is not None
    assert report.cause.name == cause, report.cause
    assert evidence in report.cause.evidence


WRONG = [
    ("torch_plain", "keras_idle", "--keras-step tests.checks.own_steps:keras_idle must change the model's weights"),
    ("torch_plain", "keras_silent", "must return its loss, one number, and returns nothing"),
    ("torch_plain", "keras_broken", "must do a training step with x (8, 8, 8, 3) and y (8,), and raised ValueError"),
    ("torch_plain", "NUMBER", "must be a function of (model, x, y)"),
    ("nothing", "keras_factory", "must have 'nothing', and has not"),
]


@pytest.mark.parametrize(("ours", "theirs", "sentence"), WRONG, ids=[row[1] for row in WRONG])
def test_what_is_no_step_is_one_sentence(sides: Any, ours: str, theirs: str, sentence: str) -> None:
    with pytest.raises(ParityError) as error:
        compare(sides, ours, theirs)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


GIVEN = {"--torch-step": f"{HOME}:torch_plain", "--keras-step": f"{HOME}:keras_factory"}
REFUSED = [
    (["--torch-step"], [], "--torch-step needs --keras-step beside it"),
    (["--torch-step", "--keras-step"], ["--lr", "0.1"], "--lr is of a step that parity makes"),
    (["--torch-step", "--keras-step"], ["--optimizer", "adam"], "--optimizer is of a step that parity makes"),
    (["--torch-step", "--keras-step"], ["--loss", "mse"], "--loss is of a step that parity makes"),
]


@pytest.mark.parametrize(("steps", "more", "sentence"), REFUSED, ids=lambda value: " ".join(value)[:20])
def test_refused(steps: list[str], more: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    own = [part for option in steps for part in (option, GIVEN[option])]
    pair = ["--torch", f"{HOME}:torch_net", "--keras", f"{HOME}:keras_net", "--input-shape", "3,8,8"]
    assert train.main([*pair, *own, *more]) == 2
    assert sentence in capsys.readouterr().err
