"""What a model adds to its loss (penalties of weights and outputs, `add_loss`) is part of the loss, and named."""

import re
from typing import Any

import keras
import pytest
import torch

from .fine_tuning import Net, port, report, still

REGULARIZERS = {
    "L2": ("weight decay by loss", r"l2\(0\.005\) of its weight"),
    "L1": ("weight decay by loss", r"l1\(0\.003\) of its weight"),
    "L1L2": ("weight decay by loss", r"l2\(0\.005\) and l1\(0\.003\) of its weight"),
}
MADE = {"L2": (5e-3,), "L1": (3e-3,), "L1L2": (3e-3, 5e-3)}


@pytest.mark.parametrize("name", REGULARIZERS)
def test_a_penalty_of_a_weight_is_part_of_the_loss(name: str) -> None:
    regularizer = getattr(keras.regularizers, name)(*MADE[name])
    found = report(Net(), port(kernel_regularizer=regularizer))
    cause, evidence = REGULARIZERS[name]
    assert (found.ok, found.first, found.cause.name) == (False, "conv1", cause)
    assert re.search(evidence, found.cause.evidence), found.cause.evidence
    assert report(Net(), port(kernel_regularizer=regularizer), gradients=False).ok  # inference has no loss


def test_a_penalty_of_a_frozen_weight_is_none() -> None:
    assert report(still(Net(), "conv1"), port(("conv1",), kernel_regularizer="l2")).ok


def test_a_penalty_of_an_output_is_part_of_the_loss() -> None:
    found = report(Net(), port(activity_regularizer=keras.regularizers.L2(0.01)))
    assert not found.ok
    assert found.cause.name == "activity penalty", found.cause


def test_a_penalty_of_a_bias_is_part_of_the_loss() -> None:
    model = Net()
    found = report(model, port(bias_regularizer=keras.regularizers.L2(0.01)))
    assert (found.ok, found.first, found.cause.name) == (False, "conv1", "weight decay by loss")
    assert "l2(0.01) of its bias" in found.cause.evidence


def rooted(y: Any) -> Any:
    return 0.01 * keras.ops.sum(keras.ops.sqrt(keras.ops.abs(y) + 1))


def stopped(y: Any) -> Any:
    return 1e-3 * keras.ops.mean(keras.ops.stop_gradient(y) ** 2)


@pytest.mark.parametrize("mean", [0.0, 1e3, 1e5])
@pytest.mark.parametrize(("added", "first"), [(rooted, "output"), (stopped, "loss")])
def test_whatever_a_model_adds_to_its_loss_is_a_difference(added: Any, first: str, mean: float) -> None:
    """Also what no regularizer is, and what has no gradient: then the loss itself is at fault, and nothing else."""
    model = Net()
    with torch.no_grad():
        model.fc.bias.fill_(mean)
    found = report(model, port(activity_regularizer=added))
    assert (found.ok, found.cause.name) == (False, "added loss")
    assert first in [row.path for row in found.layers if row.faults]
    assert report(model, port()).ok
