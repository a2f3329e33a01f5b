"""Lock-step training far from 0: activations and logits around large means, judged as around 0."""

from typing import Any

import pytest

from parity.checks.training.run import TrainingOptions, compare_training
from parity.models.recipe import made
from parity.models.targets import Target
from parity.reports.terminal.training import text

from .lockstep import MODELS, compare_pair, ends
from .training_models import SHAPE


@pytest.mark.parametrize("mean", [0, pytest.param(1000, marks=pytest.mark.slow), 100000])
@pytest.mark.parametrize("norm", ["twin", "biased"])
def test_a_running_variance_is_judged_by_what_steps_add(sides: Any, norm: str, mean: int) -> None:
    """What it starts at grows with the square of the activations' mean, and hides no fault."""
    target = Target("far", f"{MODELS}:torch_far_{mean}", f"{MODELS}:keras_far_{norm}", SHAPE)
    recipe = made("sgd", steps=4, epoch_steps=2)
    report = compare_training(target, *sides, recipe, TrainingOptions("float64"), lambda text, done, total: None)
    if norm == "twin":
        assert report.ok, text(report)
        return
    assert report.fault is not None
    assert (report.fault.step, report.fault.what, report.fault.path) == (1, "running_var", "1.running_var")
    assert report.cause is not None
    assert report.cause.name == "biased running variance", report.cause


@pytest.mark.parametrize("mean", ends()[1:])
def test_activations_far_from_0_stay_in_the_band_in_float32(sides: Any, mean: int) -> None:
    """A norm magnifies what each activation, and their mean, has been rounded by."""
    report = compare_pair(sides, f"torch_far_{mean}", "keras_far_twin", "float32")
    assert report.ok, text(report)
    assert report.runs[-1].dtype == "float32"


@pytest.mark.parametrize(("fault", "mean"), [("coarse_norm", 0), *ends("coarse_conv")])
def test_a_coarser_dtype_is_outside_the_band_at_every_mean(sides: Any, fault: str, mean: int) -> None:
    """What float64 does not show: a layer that computes in bfloat16 where the model is in float32.

    After a norm around 1,000 float32 itself has lost more digits than bfloat16 does.
    """
    report = compare_pair(sides, f"torch_far_{mean}", fault, "float32")
    assert report.fault is not None
    assert (report.fault.dtype, report.fault.step) == ("float32", 1)


LOSSES = [
    ("loss_doubled", "loss factor", 0),
    *ends("loss_nearly", "loss factor"),
    ("loss_summed", "loss reduction", 1000),
    *ends("labels_smoothed", "label smoothing"),
    ("of_probabilities", "loss function", 1000),
]


@pytest.mark.parametrize(("fault", "cause", "mean"), LOSSES)
def test_another_loss_is_caught_and_named_at_every_mean_of_the_logits(
    sides: Any, fault: str, cause: str, mean: int
) -> None:
    report = compare_pair(sides, f"torch_logits_{mean}", fault, "float64")
    assert report.fault is not None
    assert (report.fault.step, report.fault.what) == (1, "loss"), text(report)
    assert report.cause is not None
    assert report.cause.name == cause, report.cause


@pytest.mark.parametrize("mean", ends())
def test_the_same_loss_agrees_at_every_mean_of_the_logits(sides: Any, mean: int) -> None:
    report = compare_pair(sides, f"torch_logits_{mean}", "keras_far_twin", "float32")
    assert report.ok, text(report)
    assert "loss" in report.runs[-1].steps[0].numbers
