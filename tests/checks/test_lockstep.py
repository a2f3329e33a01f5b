"""Lock-step training in both frameworks: equal runs agree; planted faults are caught at their step and named."""

from typing import Any

import numpy as np
import pytest

from parity.checks.training.run import TrainingOptions, compare_training
from parity.errors import InternalError, WorkerError
from parity.models.recipe import made
from parity.models.targets import Target
from parity.reports.terminal.training import text

from .lockstep import MODELS, compare, compare_pair
from .training_models import SHAPE

EQUAL: list[tuple[str, dict[str, Any]]] = [
    ("sgd", dict(weight_decay=1e-2)),
    ("momentum", dict(model="bottleneck")),
    ("momentum", dict(schedule="step", every=2, weight_decay=1e-2, decay_on="kernels")),
    ("nesterov", dict(schedule="cyclic", every=2, model="residual")),
    ("adam", dict(schedule="cosine", weight_decay=1e-2, warmup=2)),
    ("adamw", dict(schedule="exponential", decay_on="kernels", warmup=2, model="biased")),
    ("rmsprop", dict(momentum=0.9, weight_decay=1e-2, decay="decoupled")),
    ("adagrad", dict(label_smoothing=0.1)),
    ("adadelta", dict(schedule="plateau", threshold=10.0, epoch_steps=1)),
]


@pytest.mark.parametrize(("optimizer", "given"), EQUAL, ids=lambda value: value if isinstance(value, str) else "")
def test_equal_in_float64(sides: Any, optimizer: str, given: dict[str, Any]) -> None:
    report = compare(sides, optimizer, **given)
    assert report.ok, text(report)
    assert [run.band for run in report.runs] == [None]
    numbers = [number for step in report.runs[0].steps for number in step.numbers.values()]
    assert len(report.runs[0].steps) == 4
    assert max(number.error for number in numbers) < 1e-10
    rates = [step.rate for step in report.runs[0].steps]
    assert len(set(rates)) > 1 or "schedule" not in given


FAULTS: list[Any] = [
    ("biased_variance", "sgd", {}, 1, "biased running variance", "layer2.0.bn1"),
    ("wrong_norm_momentum", "sgd", {}, 1, "wrong batch norm momentum", "layer1.0.bn2"),
    ("frozen_statistics", "sgd", {}, 1, "running statistics not updated", "bn1"),
    ("wrong_momentum", "momentum", {"schedule": "cosine"}, 2, "wrong momentum", ""),
    pytest.param("wrong_momentum", "momentum", {}, 2, "wrong momentum", "", marks=pytest.mark.slow),
    ("wrong_momentum", "nesterov", {"schedule": "cosine"}, 1, "wrong momentum", ""),
    ("wrong_epsilon", "adam", {}, 1, "wrong epsilon", ""),
    ("keras_epsilon", "adam", {}, 1, "wrong epsilon", ""),
    ("wrong_epsilon", "rmsprop", {}, 1, "wrong epsilon", ""),
    pytest.param("wrong_epsilon", "adagrad", {}, 1, "wrong epsilon", "", marks=pytest.mark.slow),
    pytest.param("wrong_epsilon", "adadelta", {}, 1, "wrong epsilon", "", marks=pytest.mark.slow),
    ("wrong_beta", "adam", {}, 1, "wrong beta2", ""),
    ("decay_everywhere", "adamw", {"decay_on": "kernels"}, 1, "weight decay on the wrong parameters", ""),
    ("decay_nowhere", "adamw", {}, 1, "no weight decay", ""),
    ("skipped_schedule_step", "sgd", {"schedule": "exponential"}, 4, "skipped schedule step", ""),
    ("dropout_left_on", "sgd", {}, 1, "dropout left on", ""),
    ("gradient_stopped", "sgd", {}, 1, "backward pass", ""),
]


@pytest.mark.parametrize(
    ("fault", "optimizer", "given", "step", "cause", "path"),
    FAULTS,
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_fault_is_caught_at_its_step_and_named(
    sides: Any, fault: str, optimizer: str, given: dict[str, Any], step: int, cause: str, path: str
) -> None:
    report = compare(sides, optimizer, fault=fault, **given)
    assert not report.ok
    assert report.fault is not None
    assert report.fault.step == step, text(report)
    assert report.cause is not None, text(report)
    assert report.cause.name == cause, text(report)
    assert report.cause.path == path or not path
    assert len(report.runs[-1].steps) == step
    last = text(report).splitlines()[-1]
    assert last.startswith(f"MISMATCH: basic does not train alike: step {step}, ")
    assert report.fault.path in last
    assert last.count(report.fault.what) == 1 or report.fault.what == "weight"


@pytest.mark.parametrize(("dtype", "mean"), [("float64", 0), ("float64", 100000), ("float32", 0)])
def test_the_biased_variance_of_keras_own_norm_is_known(sides: Any, dtype: str, mean: int) -> None:
    """It is told once, undone, and everything else is judged to the end."""
    report = compare_pair(sides, f"torch_far_{mean}", "keras_far_stock", dtype)
    assert report.ok, text(report)
    assert len(report.runs[-1].steps) == 3
    told = [match for match in report.matched if match.how == "corrected"]
    assert [(match.rule, match.keras) for match in told] == [("running variance", "1 norm of Keras's own: 1")]
    assert text(report).count("known: running variance") == 1


def test_a_fault_of_a_norm_that_is_known_to_be_biased_is_caught(sides: Any) -> None:
    report = compare_pair(sides, "torch_far_0", "stock_forgetful", "float64")
    assert report.fault is not None
    assert (report.fault.step, report.cause and report.cause.name) == (1, "wrong batch norm momentum"), text(report)


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "adagrad"])
def test_a_bias_before_a_norm_is_held_to_the_rule(sides: Any, optimizer: str) -> None:
    """Its gradient is rounding, which so small an epsilon makes steps as great as the rate of."""
    report = compare(sides, optimizer, model="biased", epsilon=1e-14, lr=1e-4)
    assert report.ok, text(report)
    assert report.runs[0].band is None


def test_a_bias_before_a_norm_off_the_rule_is_caught(sides: Any) -> None:
    report = compare(sides, "adam", model="biased", fault="bias_moved_twice", epsilon=1e-14, lr=1e-4)
    assert report.fault is not None
    assert (report.fault.step, report.fault.what, report.fault.path) == (1, "weight", "layer1.0.conv1.bias")
    assert report.cause is not None
    assert report.cause.name == "update rule"


def test_sides_are_free_again_after_an_error(sides: Any) -> None:
    """torch waits after its first step when Keras cannot train."""
    with pytest.raises(
        WorkerError, match="cannot_train must train, and raised RuntimeError: no such data; run it alone"
    ):
        compare(sides, "sgd", fault="cannot_train")
    with pytest.raises(InternalError, match="a step is asked while its run waits"):
        sides[0].read(("loss", "")).result()
    assert compare(sides, "sgd", steps=2).ok


def test_a_flattened_image_under_equal_names(sides: Any) -> None:
    target = Target("flat", f"{MODELS}:torch_flat", f"{MODELS}:keras_flat", SHAPE)
    recipe = made("momentum", steps=3, epoch_steps=2)
    report = compare_training(target, *sides, recipe, TrainingOptions("float64"), lambda text, done, total: None)
    assert report.ok, text(report)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_bias_that_a_norm_takes_away_again(sides: Any, optimizer: str) -> None:
    """Of a transposed convolution: its gradient is what rounding leaves of terms that cancel."""
    target = Target("transposed", f"{MODELS}:torch_transposed", f"{MODELS}:keras_transposed", (3, 9, 8))
    recipe = made(optimizer, steps=3, epoch_steps=2)
    report = compare_training(target, *sides, recipe, TrainingOptions("float64"), lambda text, done, total: None)
    assert report.ok, text(report)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_dropout_is_replayed(sides: Any, dtype: str) -> None:
    report = compare_pair(sides, "torch_dropout", "keras_dropout", dtype)
    assert report.ok, text(report)
    assert "torch's masks replayed in Keras" in [match.keras for match in report.matched if match.rule == "dropout"]
    losses = [step.loss[0] for step in report.runs[0].steps]
    assert losses[2] != losses[0]  # the third step takes the first batch again


DROPPED = [
    ("dropout_of_another_rate", "another dropout", "dropout 0.4 in torch, dropout 0.5 in Keras"),
    ("dropout_of_another_shape", "another dropout", "dropout 0.3 of whole channels in torch, dropout 0.3 in Keras"),
    ("dropout_forgotten", "missing or extra dropout", "dropout 0.4 in torch, none in Keras"),
]


@pytest.mark.parametrize(("fault", "cause", "evidence"), DROPPED)
def test_another_dropout_is_caught_and_named(sides: Any, fault: str, cause: str, evidence: str) -> None:
    report = compare_pair(sides, "torch_dropout", fault, "float64")
    assert report.fault is not None
    assert (report.fault.step, report.fault.what) == (1, "loss"), text(report)
    assert report.cause is not None
    assert report.cause.name == cause
    assert evidence in report.cause.evidence


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_other_dtypes_stay_in_the_band(sides: Any, dtype: str) -> None:
    report = compare(sides, "momentum", dtype=dtype, steps=6)
    assert report.ok, text(report)
    assert [run.dtype for run in report.runs] == ["float64", dtype]
    run = report.runs[1]
    assert run.band is not None
    assert all(len(step.numbers["gradient"].band) == 3 for step in run.steps)
    last = run.steps[-1].numbers["weight"]
    assert 0 < last.distance <= last.allowed < 0.1
    document = report.to_json()
    assert document["verdict"] == "match"
    curve = document["runs"][1]["curves"]["weight"]
    assert curve["steps"] == list(range(1, 7))
    assert np.shape(curve["band"]) == (6, 3)
    assert all(found <= allowed for found, allowed in zip(curve["distance"], curve["allowed"], strict=True))


def test_rounding_that_training_magnifies_is_no_fault(sides: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where float64 itself passes the line (here a line drawn into the rounding), runs nudged by one unit decide."""
    monkeypatch.setattr("parity.checks.training.lockstep.LINE", 5e-15)
    report = compare(sides, "momentum", model="bottleneck", lr=0.3, steps=8, batch_size=4)
    assert report.ok, text(report)
    run = report.runs[0]
    assert run.dtype == "float64"
    assert run.band is not None
    assert max(step.numbers["gradient"].error for step in run.steps) > 5e-15


def test_a_slow_fault_is_no_magnified_rounding(sides: Any) -> None:
    """A difference that starts far above rounding stays outside the band."""
    report = compare(sides, "adam", fault="wrong_epsilon", epsilon=1.0001e-7)
    assert not report.ok
    assert report.cause is not None
    assert report.cause.name == "wrong epsilon"
