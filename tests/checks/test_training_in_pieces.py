"""Lock-step training of models that hold their weights in other pieces: it agrees, and what is planted is named."""

from collections.abc import Iterator
from typing import Any

import pytest

from parity.checks.training.run import TrainingOptions, compare_training
from parity.models.recipe import made
from parity.models.targets import Target
from parity.reports.terminal.training import text
from parity.runners.remote import both_frameworks
from parity.verdict.training import TrainingReport

from .pieces_in_training import SHAPE

MODELS = "tests.checks.pieces_in_training"


@pytest.fixture(scope="module")
def sides() -> Iterator[Any]:
    with both_frameworks() as both:
        yield both


def compared(sides: Any, torch: str, keras: str, optimizer: str, **given: Any) -> TrainingReport:
    target = Target("pair", f"{MODELS}:{torch}", f"{MODELS}:{keras}", SHAPE)
    recipe = made(optimizer, steps=3, epoch_steps=2, batch_size=4, **given)
    return compare_training(target, *sides, recipe, TrainingOptions("float64"), lambda text, done, total: None)


@pytest.mark.parametrize(
    ("torch", "keras", "optimizer", "given"),
    [
        ("torch_fused", "keras_three", "momentum", {"weight_decay": 0.01, "decay_on": "kernels"}),
        ("torch_heads", "keras_three", "adamw", {"ema": 0.9}),
        ("torch_lstm", "keras_lstm", "adam", {"clip_global": 0.1}),
        ("torch_levels", "keras_levels", "momentum", {}),
    ],
)
def test_it_agrees(sides: Any, torch: str, keras: str, optimizer: str, given: dict[str, Any]) -> None:
    report = compared(sides, torch, keras, optimizer, **given)
    assert report.ok, text(report)


@pytest.mark.parametrize(
    ("torch", "keras", "what", "cause"),
    [
        ("torch_fused", "keras_frozen", "gradient", "frozen on one side"),
        ("torch_lstm", "keras_other", "loss", "forward pass"),
        ("torch_levels", "keras_another_rate", "loss", "another dropout"),
    ],
)
def test_a_fault_is_seen(sides: Any, torch: str, keras: str, what: str, cause: str) -> None:
    report = compared(sides, torch, keras, "momentum")
    assert report.fault is not None
    assert report.fault.what == what, text(report)
    assert report.cause is not None
    assert report.cause.name == cause, text(report)
