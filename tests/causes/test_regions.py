"""Calls between layers that people get wrong: torch's own are run again with an edit, or with two."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from parity.causes.diagnose import diagnose
from parity.causes.evidence import Config, Evidence
from parity.causes.regions import region_guesses
from parity.frameworks.torch.side import TorchSide
from parity.models.inputs import inputs_of
from parity.models.kinds import named
from parity.models.steps import Look, Step

X = np.random.default_rng(0).standard_normal((2, 4, 5, 6))


class Between(nn.Module):
    """A function of what a layer gives, which another layer takes."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function
        self.first, self.last = nn.Conv2d(4, 4, 1), nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        out: torch.Tensor = self.last(self.function(x, y))
        return out


def evidence(torch_function: Any, keras_function: Any) -> Evidence:
    """What is known of the glue before the last layer; Keras's is made by another function of the same tensors."""
    torch.manual_seed(0)
    model = Between(torch_function).double()
    side = TorchSide(model)
    steps: dict[str, Step] = {}
    side.trace(inputs_of(X), "float64", lambda step: steps.setdefault(step.key, step) and None, Look(want=KEYS))
    key = next(key for key in KEYS if key in steps)
    with torch.no_grad():
        x = torch.tensor(X)
        theirs = keras_function(x, model.first(x)).numpy()
    config, reruns = Config(named("glue"), {}, {}), side.reruns()

    def edited(edits: Any) -> Any:
        try:
            return reruns.edited(key, edits)
        except Exception:  # noqa: BLE001 - an edit may well not fit
            return None

    calls = reruns.calls(key)
    return Evidence(key, steps[key].output, theirs, steps[key].inputs, (config, config), calls=calls, edited=edited)


KEYS = frozenset({"last<0"})
PAIRS = {
    "operation left out": (
        lambda x, y: torch.cumsum(y, 1) + x,
        lambda x, y: y + x,
        "operation missing or extra",
    ),
    "shifts": (lambda x, y: torch.roll(y, 2, 3) + x, lambda x, y: torch.roll(y, 1, 3) + x, "shifts of roll"),
    "axis": (lambda x, y: x + F.normalize(y, dim=1), lambda x, y: x + F.normalize(y, dim=2), "another axis"),
    "order": (lambda x, y: torch.relu(x) - y, lambda x, y: y - torch.relu(x), "order of what is joined"),
    "another operation": (
        lambda x, y: x - torch.cumsum(y, 1),
        lambda x, y: torch.maximum(x, torch.cumsum(y, 1)),
        "another operation",
    ),
    "gate": (
        lambda x, y: torch.cumsum(y * x, 1) + x,
        lambda x, y: torch.cumsum(y, 1) + x,
        "gate missing or extra",
    ),
    "factor": (
        lambda x, y: torch.cumsum(y * 0.25, 1) + x,
        lambda x, y: torch.cumsum(y * 0.5, 1) + x,
        "constant factor",
    ),
    "epsilon of a norm by hand": (
        lambda x, y: x / torch.sqrt(torch.cumsum(y, 1).var(1, keepdim=True) + 1e-5),
        lambda x, y: x / torch.sqrt(torch.cumsum(y, 1).var(1, keepdim=True) + 1e-3),
        "BN eps",
    ),
    "sign of a mask": (
        lambda x, y: torch.cumsum(y, 1).masked_fill(~(x > 0), float("-inf")),
        lambda x, y: torch.cumsum(y, 1).masked_fill(x > 0, float("-inf")),
        "sign of a mask",
    ),
    "factor under a mask": (
        lambda x, y: (torch.cumsum(y, 1) * 0.5).masked_fill(x > 0, float("-inf")),
        lambda x, y: (torch.cumsum(y, 1) * 0.25).masked_fill(x > 0, float("-inf")),
        "constant factor",
    ),
    "unbiased": (
        lambda x, y: x * torch.cumsum(y, 1).var(1, correction=1, keepdim=True),
        lambda x, y: x * torch.cumsum(y, 1).var(1, correction=0, keepdim=True),
        "biased variance",
    ),
    "last for mean": (
        lambda x, y: torch.cumsum(x, 2) * y.mean(2, keepdim=False)[:, :, None],
        lambda x, y: torch.cumsum(x, 2) * y[:, :, -1][:, :, None],
        "a slice against a pool",
    ),
    "activation of one that is joined": (
        lambda x, y: torch.cumsum(torch.cat([x, y], 1), 1)[:, 2:6],
        lambda x, y: torch.cumsum(torch.cat([x, torch.tanh(y)], 1), 1)[:, 2:6],
        "missing or extra activation",
    ),
    "everywhere": (
        lambda x, y: torch.cumsum(torch.roll(y, 1, 2), 1) + torch.roll(torch.roll(x, 1, 2) * y, 1, 3),
        lambda x, y: torch.cumsum(torch.roll(y, 2, 2), 1) + torch.roll(torch.roll(x, 2, 2) * y, 2, 3),
        "shifts of roll",
    ),
    "two": (
        lambda x, y: torch.cumsum(torch.roll(y, 1, 2) * 0.25, 1) + x,
        lambda x, y: torch.cumsum(torch.roll(y, 2, 2) * 0.5, 1) + x,
        "shifts of roll",
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_an_edit_of_torchs_calls_is_the_cause(name: str) -> None:
    ours, theirs, cause = PAIRS[name]
    given = evidence(ours, theirs)
    found = [told for told, made, *_ in region_guesses(given) if given.same(made, given.keras)]
    assert cause in found
    assert cause in (diagnose(given).name, found[0])


@pytest.mark.parametrize("name", PAIRS)
def test_no_edit_closes_another_gap(name: str) -> None:
    ours, theirs, _ = PAIRS[name]
    given = evidence(ours, lambda x, y: theirs(x, y) + 0.01 * torch.sin(3 * x))
    assert diagnose(given).name in ("unknown", "NaN or infinity")


def test_what_works_in_place_is_not_run_again() -> None:
    """Its input is gone: a second run would add once more."""
    given = evidence(lambda x, y: torch.cumsum(y, 1).add_(x), lambda x, y: torch.cumsum(y, 2) + x)
    before = given.torch.copy()
    assert diagnose(given).name == "unknown"
    np.testing.assert_array_equal(given.torch, before)
