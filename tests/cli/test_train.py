"""`python -m parity.train`: what it prints, writes and refuses."""

import json
from pathlib import Path

import pytest

from parity import train
from parity.check import main as check

MODELS = "tests.checks.training_models"
OWN = ["--torch", f"{MODELS}:torch_own", "--keras", f"{MODELS}:keras_own", "--input-shape", "3,8,8"]


def test_own_pair_with_other_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written, page = tmp_path / "report.json", tmp_path / "report.html"
    options = ["--optimizer", "momentum", "--schedule", "step", "--every", "1", "--steps", "3", "--runs", "2"]
    assert train.main([*OWN, *options, "--json", str(written), "--html", str(page)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "TorchSGD" in printed.out
    assert printed.out.splitlines()[-1].startswith(f"MATCH: {MODELS}:torch_own and {MODELS}:keras_own trains alike")
    document = json.loads(written.read_text())
    assert document["verdict"] == "match"
    assert [run["dtype"] for run in document["runs"]] == ["float64", "float32"]
    assert document["runs"][0]["curves"]["momentum_buffer"]["steps"] == [1, 2, 3]
    assert "<svg" in page.read_text()


def test_a_model_without_classifier_is_trained_by_a_weighted_sum(capsys: pytest.CaptureFixture[str]) -> None:
    pair = ["--torch", f"{MODELS}:headless", "--keras", f"{MODELS}:keras_headless", "--input-shape", "3,8,8"]
    assert train.main([*pair, "--steps", "2", "--dtype", "float64"]) == 0
    assert "sum(y c)" in capsys.readouterr().out


def test_a_loss_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    own = ["--torch-loss", "torch.nn:MSELoss", "--keras-loss", f"{MODELS}:squares", "--targets", "normal"]
    assert train.main([*OWN, *own, "--steps", "2", "--dtype", "float64", "--quiet"]) == 1
    assert "cause: loss reduction: Keras's loss and every gradient are 5 times torch's" in capsys.readouterr().out


REFUSED = [
    (["resnet19"], "TARGET must be one of"),
    ([], "a TARGET must be given"),
    (["cifar_resnet20", "--steps", "0"], "--steps must be at least 1, and is 0"),
    (["cifar_resnet20", "--lr", "-1"], "--lr must be a number from 0 up"),
    (["cifar_resnet20", "--optimizer", "adam", "--momentum", "0.9"], "adam has none"),
    (["cifar_resnet20", "--optimizer", "adamw", "--decay", "coupled"], "use --optimizer adam"),
    (["cifar_resnet20", "--schedule", "plateau", "--warmup", "2"], "--warmup must be 0 steps with --schedule plateau"),
    (["cifar_resnet20", "--loss", "mape"], "--loss must be one of cross_entropy"),
    (
        ["cifar_resnet20", "--loss", "bce", "--label-smoothing", "0.1"],
        "is for a loss of labels, and --loss bce is none",
    ),
    ([*OWN, "--loss", "nowhere:fn"], "--loss needs the module nowhere, and there is none"),
    ([*OWN, "--loss", "bce", "--steps", "1"], "--loss bce needs outputs that are from 0 to 1"),
    (["cifar_resnet20", "--runs", "0"], "--runs must be at least 1"),
    (["cifar_resnet20", "--json", "/nowhere/report.json"], "must be in a folder that can be written to"),
]


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED)
def test_refused_in_one_sentence(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("parity.train: ")
    assert sentence in error
    assert error.count("\n") == 1


def test_check_with_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = tmp_path / "report.json"
    options = ["--steps", "2", "--dtype", "float64", "--batch-size", "4", "--json", str(written)]
    assert check([*OWN, *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("MATCH: ") for line in lines) == 2
    document = json.loads(written.read_text())
    assert document["verdict"] == "match"
    assert document["layers"]
    assert len(document["training"]["runs"][0]["loss"]["keras"]) == 2


def test_check_with_steps_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(["--all", "--steps", "2"]) == 2
    assert "--steps trains one TARGET" in capsys.readouterr().err
    assert check(["cifar_resnet20", "--steps", "2", "--dtype", "float16"]) == 2
    assert "--dtype is float16" in capsys.readouterr().err
