"""`--gradients` with a loss: named ones match on both sides, a user's own are compared, and what differs is named."""

from typing import Any

import numpy as np
import pytest

import parity
from parity.check import main
from parity.errors import ParityError
from parity.reports.terminal.check import text

from . import training_models as models

X = np.random.default_rng(0).standard_normal((4, 3, 8, 8))
MODELS = "tests.checks.training_models"


def compare(pair: str, **options: Any) -> Any:
    ours, theirs = getattr(models, f"torch_{pair}")(), getattr(models, f"keras_{pair}")()
    return parity.check(ours, theirs, X, weights="copy", gradients=True, **options)


MATCHING: list[tuple[str, dict[str, Any]]] = [
    ("scores", {"loss": "cross_entropy"}),
    ("scores", {"loss": "mse", "dtype": "float64"}),
    ("softmax", {"loss": "cross_entropy"}),
    ("sigmoid", {"loss": "bce"}),
    ("log_softmax", {"loss": "nll"}),
    ("pixels", {"loss": "cross_entropy"}),
    ("two", {"loss": "huber"}),
    ("scores", {"loss": models.thrice, "targets": "normal"}),
]


@pytest.mark.parametrize(("pair", "options"), MATCHING, ids=lambda value: value if isinstance(value, str) else None)
def test_a_step_by_a_named_loss_matches(pair: str, options: dict[str, Any]) -> None:
    report = compare(pair, **options)
    assert report.ok, text(report)
    (row,) = (row for row in report.layers if row.path == "loss")
    assert row.gradient.worst("inherited") < 1e-10  # both frameworks' own functions, each on its own outputs
    heads = [row for row in report.layers if row.gradient and row.weights and row.gradient.worst("added") is not None]
    assert all(tensor.added.scale > 0 for row in heads[-1:] for tensor in row.gradient.tensors.values())


def test_a_mean_over_another_count_is_named() -> None:
    report = compare("scores", loss=("torch.nn:MSELoss", models.squares), targets="normal")
    assert (report.ok, report.first, report.cause.name) == (False, "output", "loss reduction")
    assert "Keras sums over the 5 classes, torch takes the mean" in report.cause.evidence
    assert sum(bool(row.faults) for row in report.layers) == 1  # every layer is judged from torch's gradient


def test_another_function_is_named() -> None:
    pair = "torch.nn:CrossEntropyLoss", "keras.losses:sparse_categorical_crossentropy"
    report = compare("scores", loss=pair)
    assert (report.ok, report.cause.name) == (False, "loss function")


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"loss": "bce"}, "--loss bce needs outputs that are from 0 to 1"),
    ({"loss": "hinges"}, "--loss must be one of"),
    ({"loss": ("torch.nn:MSELoss", models.squares)}, r"must take outputs \(4, 5\) and targets \(4,\)"),
    ({"loss": "mse", "gradients": False}, "a loss is of a training step, and none is compared; add --gradients"),
]


@pytest.mark.parametrize(("options", "sentence"), REFUSED)
def test_a_loss_that_cannot_be_taken_is_one_sentence(options: dict[str, Any], sentence: str) -> None:
    ours, theirs = models.torch_scores(), models.keras_scores()
    with pytest.raises(ParityError, match=sentence):
        parity.check(ours, theirs, X, weights="copy", **{"gradients": True, **options})


def test_on_a_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    own = ["--torch", f"{MODELS}:torch_regression", "--keras", f"{MODELS}:keras_regression", "--input-shape", "3,8,8"]
    assert main([*own, "--gradients", "--loss", "mse", "--dtype", "float64"]) == 0
    assert main([*own, "--loss", "mse"]) == 2
    assert "add --gradients" in capsys.readouterr().err
