"""`--devices`: the matrix, its verdict, and machines that lack a device."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from parity.check import main
from parity.verdict.devices import Cell, belongs, judged, sentence
from parity.verdict.difference import Difference

GOOD = Difference(1e-15, (0,), 1.0, 1e-30, 1.0, 1)
WRONG = Difference(1e-3, (0,), 1.0, 1e-6, 1.0, 1)


def rounded(rms: float) -> Difference:
    return Difference(rms, (0,), 1.0, rms**2, 1.0, 1)


def cells(**changed: tuple[Difference, Difference]) -> tuple[Cell, ...]:
    """Four cells that agree, but for those that are given as torch_cuda=(structure, rounding)."""
    fine = GOOD, rounded(2e-7)
    made = []
    for framework in ("torch", "keras"):
        for device in ("cpu", "cuda"):
            layers = {"conv1": fine, "fc": changed.get(f"{framework}_{device}", fine)}
            made.append(Cell(framework, device, False, layers))
    if "tf32" in changed:
        made.append(Cell("torch", "cuda", True, {"conv1": fine, "fc": changed["tf32"]}))
    return judged(tuple(made), "float32")


TF32 = GOOD, rounded(3e-4)
BROKEN = WRONG, rounded(2e-7)


@pytest.mark.parametrize(
    ("changed", "whose"),
    [
        ({}, None),
        ({"tf32": TF32}, "TF32"),
        ({"keras_cpu": BROKEN, "keras_cuda": BROKEN}, "the framework keras"),
        ({"torch_cuda": BROKEN, "keras_cuda": BROKEN}, "the device cuda"),
        ({"torch_cuda": TF32, "keras_cuda": TF32}, "the device cuda"),
        ({"keras_cuda": TF32}, "Keras on cuda"),
        ({"torch_cpu": BROKEN, "keras_cuda": TF32}, "torch on cpu and Keras on cuda"),
        ({"torch_cuda": (Difference(finite=False), rounded(2e-7))}, "torch on cuda"),
    ],
)
def test_what_a_difference_belongs_to(changed: dict[str, tuple[Difference, Difference]], whose: str | None) -> None:
    found = cells(**changed)
    assert belongs(found) == whose
    assert all(cell.first == ("fc" if cell.fault else None) for cell in found)
    if whose not in (None, "TF32"):
        assert sentence(found).startswith(f"the difference belongs to {whose}: ")


def test_a_wrong_cell_is_a_mismatch() -> None:
    from parity.checks.report import Report

    wrong = cells(keras_cuda=BROKEN)
    report = Report("x", (), environment={"dtype": "float32"}, devices=wrong)
    assert not report.ok
    assert report.to_json()["belongs"] == "Keras on cuda"
    assert [cell["verdict"] for cell in report.to_json()["devices"]] == ["match", "match", "match", "mismatch"]
    assert replace(report, devices=cells(tf32=TF32)).to_json()["belongs"] == "TF32"


def test_devices_that_are_not_here(capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    for device, here in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())):
        if not here:
            assert main(["cifar_resnet20", "--devices", f"cpu,{device}"]) == 2
            assert f"--devices {device} needs a {device} device that torch can use" in capsys.readouterr().err


def test_the_matrix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell runs for real: the CPU stands for the other device, in its own processes."""
    from parity.runners import process

    started: list[tuple[str, str]] = []
    real = process.SideProcess

    def on_cpu(framework: str, spec: str, shelf: int, device: str = "cpu", **options: Any) -> process.SideProcess:
        started.append((framework, device))
        return real(framework, spec, shelf, "cpu", **options)

    monkeypatch.setattr(process, "SideProcess", on_cpu)
    monkeypatch.setattr("parity.checks.devices.require", lambda *_: None)
    output = tmp_path / "r.json"
    arguments = [
        "cifar_resnet20",
        "--input-shape",
        "3,16,16",
        "--devices",
        "cpu,cuda",
        "--json",
        str(output),
        "--quiet",
    ]
    assert main(arguments) == 0
    report = json.loads(output.read_text())
    assert [(cell["framework"], cell["device"], cell["tf32"]) for cell in report["devices"]] == [
        ("torch", "cpu", False),
        ("keras", "cpu", False),
        ("torch", "cuda", False),
        ("torch", "cuda", True),
        ("keras", "cuda", False),
        ("keras", "cuda", True),
    ]
    assert all(cell["structure"] < 1e-13 and 1e-8 < cell["arithmetic"] < 1e-5 for cell in report["devices"])
    assert ("keras", "cuda") in started
