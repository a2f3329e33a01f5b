"""Every kind of layer: a pair that matches, weights that come back bit for bit, and a fault that is caught."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import torch

import parity
from parity.checks.report import Report
from parity.errors import ParityError
from parity.models.kinds import KINDS
from parity.reports.terminal.check import text
from tests.checks.pairs import CASES, Case, randomized

NAMES = [case.name for case in CASES]


def checked(case: Case, wrong: bool = False, weights: str = "copy") -> Report:
    torch_model, keras_model = case.models(wrong)
    return parity.check(randomized(torch_model), keras_model, case.input(), weights=weights)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_match(case: Case) -> None:
    report = checked(case)
    assert report.ok, text(report)
    assert report.unmatched == ((), ())
    assert max(layer.inherited.error for layer in report.layers) <= 1e-12
    assert len(report.layers) > 1, "the layer itself must be seen, not only the output"


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_fault_is_caught(case: Case) -> None:
    try:
        report = checked(case, wrong=True)
    except ParityError:
        return  # refused: tensors or shapes that do not fit each other
    assert not report.ok
    assert report.first is not None


@pytest.mark.parametrize("case", [case for case in CASES if case.models()[0].state_dict()], ids=lambda case: case.name)
def test_weights_go_there_and_back(case: Case) -> None:
    torch_model, keras_model = case.models()
    again = randomized(case.models()[0], seed=1)
    parity.copy_weights(randomized(torch_model), keras_model, case.input())
    parity.copy_weights(keras_model, again, case.input())
    given, taken = torch_model.state_dict(), again.state_dict()
    assert all(
        np.array_equal(given[name].numpy().view(np.uint8), taken[name].numpy().view(np.uint8))
        for name in given
        if given[name].is_floating_point()
    )


def test_every_kind_with_two_sides_has_a_case() -> None:
    shown = {entry.kind for case in CASES for entry in checked(case).layers}
    joints = {kind.name for kind in KINDS if kind.merges}
    passed_over = {kind.name for kind in KINDS if kind.recurs == "cell"}  # see test_recurrent.py
    passed_over |= {"identity", "rescaling", "permute", "reshape", "zero_pad_shortcut", "separable_conv"}
    passed_over |= {"conv_lstm"}  # torch has none: see tests/checks/test_single_layers.py
    whole = {kind.name for kind in KINDS if not kind.bare and not kind.opaque}  # others: tests/checks/pieces.py
    assert whole - joints - passed_over - shown == set()


class Shuffled(torch.nn.Module):
    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, outputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pixel_shuffle(self.conv(x), 2)


@pytest.mark.parametrize("outputs", [4, 8])
def test_functions_of_a_kind_are_one_step_and_the_numbers_judge(outputs: int) -> None:
    """Of one image channel both orders, (C, 2, 2) and (2, 2, C), are the same; of two they are not."""
    inputs = keras.Input((5, 4, 3))
    conv = keras.layers.Conv2D(outputs, 1, name="conv")
    keras_model = keras.Model(inputs, keras.ops.nn.depth_to_space(conv(inputs), 2))
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 4))
    report = parity.check(Shuffled(outputs), keras_model, x, weights="copy")
    assert [layer.kind for layer in report.layers] == ["conv", "pixel_shuffle", "output"]
    assert report.ok == (outputs == 4)
    assert report.ok or report.first == "pixel_shuffle"


EXACT = {"gelu", "gelu tanh", "leaky relu", "upsample bilinear", "max pool 3d", "avg pool 3d, padded"}


@pytest.mark.parametrize("case", [case for case in CASES if case.name in EXACT], ids=lambda case: case.name)
def test_exact_equivalents_are_said(case: Case) -> None:
    report = checked(case)
    notes = [layer["note"] for layer in report.to_json()["layers"] if "note" in layer]
    assert len(notes) == 1
    assert "exact equivalent" in notes[0]
    assert "exact equivalent" in text(report)


ON_ANOTHER_BACKEND = """
import warnings
warnings.simplefilter("ignore")  # Keras's torch backend reads its variables through NumPy's old protocol
from tests.checks import own_models as own
from tests.frameworks.test_kinds import CASES, checked
from tests.checks.test_own_models import checked as compared
reports = {case.name: checked(case) for case in CASES}
reports["own"] = compared(own.TorchFunctions(), own.keras_functional())
print([name for name, report in reports.items() if not report.ok], len(reports))
"""


@pytest.mark.parametrize("backend", ["torch", pytest.param("jax", marks=pytest.mark.slow)])
def test_every_kind_matches_on_the_other_backends_too(backend: str) -> None:
    """There Keras's type promotion, and JAX itself, make float32 of float64, unless they are kept from it."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed, so Keras cannot run on it")
    root = Path(__file__).parents[2]
    settings = os.environ | {"KERAS_BACKEND": backend}
    command = [sys.executable, "-c", ON_ANOTHER_BACKEND]
    done = subprocess.run(command, cwd=root, env=settings, capture_output=True, text=True, timeout=500, check=False)
    assert done.stdout.split("\n")[0] == f"[] {len(CASES) + 1}", done.stderr[-2000:]
