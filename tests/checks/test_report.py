"""What the terminal says, sentence by sentence: its reader has never seen this program before."""

import io
import re

import pytest
import torch
from rich.console import Console

import parity
from parity.reports.terminal.check import print_report, text
from tests.causes.faults import FAULTS

from .families import layer_at, make


def planted(name: str, path: str, side: str = "keras") -> list[str]:
    torch_model, keras_model, x = make("basic")
    fault = next(fault for fault in FAULTS if fault.name == name)
    fault.plant(layer_at(torch_model if side == "torch" else keras_model, path), side)
    return text(parity.check(torch_model, keras_model, x)).splitlines()


def test_a_match_names_the_devices_and_counts_layers_of_both() -> None:
    torch_model, keras_model, x = make("basic")
    lines = text(parity.check(torch_model, keras_model, x)).splitlines()
    assert not any("─" in line for line in lines)  # a table without a row is no table
    assert " on cpu, Keras " in lines[-2]
    assert " on cpu, arithmetic in float32" in lines[-2]
    assert "in float64 their 36 layers differ" in lines[-1]


def test_one_line_stays_one_line() -> None:
    lines = planted("not copied", "layer2.1.conv1")
    assert (
        lines[-1] == "MISMATCH: ResNet and ResNet differ in 1 of 36 layers and 1 setting; the first is layer2.1.conv1"
    )
    assert len([line for line in lines if line.startswith("first failure: ")]) == 1
    assert max(map(len, lines)) > 120


def test_what_lies_behind_a_fault_inherits_it() -> None:
    torch_model, keras_model, x = make("basic")
    with torch.no_grad():
        torch_model.layer2[1].conv1.weight.mul_(2)
    report = parity.check(torch_model, keras_model, x)
    file = io.StringIO()
    print_report(report, Console(file=file, width=200))
    lines = [line.split() for line in file.getvalue().splitlines() if re.search(r"\d layers  ", line)]
    rows = {words[0]: words[-1] for words in lines}
    assert rows == {
        "stem": "match", "layer1": "match", "layer2": "MISMATCH", "layer3": "inherits",
        "head": "inherits",
    }  # fmt: skip


def test_settings_alone_need_no_table() -> None:
    lines = planted("momentum", "layer2.1.bn1")
    assert lines[0] == "first failure: layer2.1.bn1 (batch_norm, 2x32x16x16): its settings differ"
    told = (
        "  layer2.1.bn1: momentum is 0.1 in torch and 0.01 in Keras; it changes how fast the running statistics follow "
    )
    assert told + "the batches" in lines


@pytest.mark.parametrize("side", ["torch", "keras"])
def test_whose_outputs_are_no_numbers(side: str) -> None:
    title = {"torch": "torch", "keras": "Keras"}[side]
    lines = planted("not a number", "layer2.1.conv1", side)
    assert f"first failure: layer2.1.conv1 (conv, 2x32x16x16): its outputs hold NaN or infinity in {title}" in lines


def test_a_weight_that_was_not_copied_is_sized_on_both_sides() -> None:
    torch_model, keras_model, _ = make("basic")
    with torch.no_grad():
        torch_model.fc.weight.zero_()
        torch_model.fc.weight[3, 5] = 0.5
    parity.copy_weights(torch_model, keras_model)
    with torch.no_grad():
        torch_model.fc.weight[3, 5] = 0.25
    report = parity.check(torch_model, keras_model, torch.zeros(1, 3, 32, 32).numpy())
    lines = str(report).splitlines()
    assert lines[-1].startswith("MISMATCH: ResNet and ResNet differ in ")
    assert any(line.startswith("cause: weight not copied at fc: ") for line in lines)
    entry = next(entry for entry in report.static if entry.path == "fc")
    assert (entry.reference, entry.candidate) == ("at most 0.25", "0.25 away from it at [3, 5]")


def test_of_many_faults_the_rest_are_counted() -> None:
    torch_model, keras_model, x = make("deeper")
    for module in torch_model.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            torch.nn.init.normal_(module.weight, std=0.1)
    lines = text(parity.check(torch_model, keras_model, x)).splitlines()
    (cause,) = (line for line in lines if line.startswith("cause: "))
    assert cause.startswith("cause: weight not copied at conv1: ")
    assert cause.endswith("; the same at 11 more (layer1.0.conv1, ..., layer2.2.conv1)")
    assert any(line.endswith("mend these, and check the other 8 again") for line in lines)


@pytest.mark.parametrize("side", ["torch", "keras"])
def test_a_gradient_that_one_side_has_not(side: str) -> None:
    torch_model, keras_model, x = make("basic")
    if side == "torch":
        layer_at(torch_model, "layer1.0.conv1").weight.requires_grad_(False)
    else:
        layer_at(keras_model, "layer1.0.conv1").trainable = False
    lines = text(parity.check(torch_model, keras_model, x, gradients=True)).splitlines()
    row = next(line for line in lines if line.rstrip().endswith("MISMATCH"))
    assert "shapes" not in row
    assert (" inf " in row) == (side == "torch")  # of torch's scale, which is 0
    first = next(line for line in lines if line.startswith("first failure: "))
    assert ("its weight is zero in torch and up to" in first) == (side == "torch")


def test_a_loss_of_another_size_is_a_constant_factor() -> None:
    """Twice the gradient, from the last layer on: as a sum for a mean makes it."""
    torch_model, keras_model, x = make("basic")
    torch_model.fc.register_full_backward_hook(lambda module, into, out: (into[0] * 2,))
    report = parity.check(torch_model, keras_model, x, gradients=True)
    assert report.cause is not None
    assert (report.cause.name, report.cause.path) == ("constant factor", "fc")
    assert report.cause.evidence.startswith("Keras's is 0.5 times torch's, in the gradient ")
