"""The command that everyone types first: its output, exit codes, JSON and manners, run as a user runs it."""

import contextlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import resnet_torch
from parity.check import main

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}  # as on a user's machine


def run(*arguments: str, cwd: Path = ROOT, module: str = "parity.check") -> subprocess.CompletedProcess[str]:
    environment = ENVIRONMENT | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def match() -> subprocess.CompletedProcess[str]:
    return run("cifar_resnet20", "--input-shape", "3,33,32", "--json", "-")


def test_match(match: subprocess.CompletedProcess[str]) -> None:
    assert match.returncode == 0
    assert match.stderr == ""  # neither TensorFlow's chatter nor a progress bar


def test_json_is_the_contract(match: subprocess.CompletedProcess[str]) -> None:
    report = json.loads(match.stdout)
    assert report["schema"] == 1
    assert report["verdict"] == "match"
    assert report["target"] == "cifar_resnet20"
    assert report["first"] is report["cause"] is None
    assert report["static"] == []
    assert report["unmatched"] == {"torch": [], "keras": []}
    environment = report["environment"]
    assert {"seed", "dtype", "torch", "keras"} <= set(environment)
    assert environment["keras"]["backend"] == "tensorflow"
    assert environment["torch"]["tf32"] is environment["keras"]["tf32"] is False


def test_json_has_every_layer(match: subprocess.CompletedProcess[str]) -> None:
    layers = json.loads(match.stdout)["layers"]
    kinds = {layer["kind"] for layer in layers}
    assert {"conv", "batch_norm", "relu", "add", "zero_pad_shortcut", "global_avg_pool", "dense", "output"} <= kinds
    assert len(layers) == 71
    for layer in layers:
        assert layer["verdict"] == "match"
        assert layer["structure"]["inherited"] <= 1e-12
        assert layer["structure"]["added"] <= 1e-13
        assert 0 <= layer["arithmetic"]["torch"] < 1e-5
        assert 0 <= layer["arithmetic"]["difference"] < 1e-5


@pytest.fixture(scope="module")
def on_a_terminal() -> tuple[list[str], bytes]:
    """What the command prints (and then which frameworks its own process has), and what it shows on a terminal."""
    code = (
        "import sys, importlib; check = importlib.import_module('parity.check');"
        "check.main(['cifar_resnet20', '--batch-size', '1', '--dtype', 'float64']);"
        "print([m for m in ('torch', 'keras', 'tensorflow') if m in sys.modules])"
    )
    ours, theirs = pty.openpty()
    environment = ENVIRONMENT | {"TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=theirs, text=True)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # how a terminal says that its other end is closed
        while piece := os.read(ours, 1 << 16):
            shown += piece
    os.close(ours)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return printed.splitlines(), shown


def test_terminal_report_says_the_verdict_last(on_a_terminal: tuple[list[str], bytes]) -> None:
    *lines, verdict, _ = on_a_terminal[0]
    assert verdict.startswith("MATCH: cifar_resnet20 computes the same function")
    assert any(line.startswith("worst layer") for line in lines)


def test_progress_on_a_terminal_only(on_a_terminal: tuple[list[str], bytes]) -> None:
    """`test_match` has none in a pipe."""
    assert b"100%" in on_a_terminal[1]


def test_help_imports_no_framework() -> None:
    assert "TARGET" in run("--help").stdout
    names = "('torch', 'keras', 'numpy')"
    code = f"import sys; from parity.check import parser; parser(); print([m for m in sys.modules if m in {names}])"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_command_itself_imports_no_framework(on_a_terminal: tuple[list[str], bytes]) -> None:
    """Two processes have one framework each; a third that loaded either would cost its time and memory again."""
    assert on_a_terminal[0][-1] == "[]"


ERRORS = {
    "unknown name": (["resnet51"], "resnet50"),
    "no target": ([], "a TARGET must be given"),
    "half a pair": (["--torch", "a.b:c"], "--keras"),
    "no module": (["--torch", "nowhere.at_all:f", "--keras", "nowhere.at_all:f", "--input-shape", "3,8,8"], "nowhere"),
    "no factory": (["--torch", "json:nothing", "--keras", "json:nothing", "--input-shape", "3,8,8"], "nothing"),
    "not a model": (["--torch", "builtins:dict", "--keras", "builtins:dict", "--input-shape", "3"], "gives a dict"),
    "wrong channels": (["cifar_resnet20", "--input-shape", "4,32,32"], "channels"),
    "unwritable": (["cifar_resnet20", "--batch-size", "1", "--json", "/nowhere/report.json"], "--json"),
}


@pytest.mark.parametrize(("arguments", "expected"), ERRORS.values(), ids=ERRORS)
def test_errors_are_one_sentence_and_exit_code_2(arguments: list[str], expected: str) -> None:
    result = run(*arguments)
    assert result.returncode == 2, result.stdout
    assert result.stderr.count("\n") == 1, result.stderr
    assert expected in result.stderr
    assert "Traceback" not in result.stderr


def own_models(folder: Path, keras_body: str) -> list[str]:
    (folder / "mine.py").write_text(
        "def torch_model():\n"
        "    from torch import nn\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 5))\n"
    )
    (folder / "theirs.py").write_text(keras_body)
    return ["--torch", "mine:torch_model", "--keras", "theirs:keras_model", "--input-shape", "3,8,8"]


def test_mismatch_is_exit_code_1_and_json_agrees(tmp_path: Path) -> None:
    body = (
        "def keras_model():\n"
        "    import keras, resnet_keras\n"
        "    model = resnet_keras.cifar_resnet20()\n"
        "    model.layer2.layers[0].bn1.epsilon = 1e-3\n"
        "    return model\n"
    )
    (tmp_path / "wrong.py").write_text(body)
    arguments = ["--torch", "resnet_torch:cifar_resnet20", "--keras", "wrong:keras_model", "--input-shape", "3,32,32"]
    result = run(*arguments, "--json", "report.json", cwd=tmp_path)
    assert result.returncode == 1
    report: dict[str, Any] = json.loads((tmp_path / "report.json").read_text())
    assert report["verdict"] == "mismatch"
    assert report["first"] == "layer2.0.bn1"
    assert report["cause"]["name"] == "BN eps"
    assert report["static"] == [{"path": "layer2.0.bn1", "field": "eps", "torch": 1e-05, "keras": 0.001}]
    assert "first failure: layer2.0.bn1" in result.stdout
    assert list(tmp_path.glob(".parity-*")) == []


def test_error_document_goes_to_json_too(tmp_path: Path) -> None:
    result = run("resnet51", "--json", str(tmp_path / "report.json"))
    assert result.returncode == 2
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] == "error"


def test_a_model_that_raises_is_told_in_one_sentence(tmp_path: Path) -> None:
    result = run(*own_models(tmp_path, "def keras_model():\n    raise OSError('no such thing')\n"), cwd=tmp_path)
    assert result.returncode == 2
    assert "no such thing" in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_weights_of_a_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another number of classes and channels, in another library's words; a NaN in it shows, so it is what was run."""
    import torch

    model = resnet_torch.cifar_resnet20(num_classes=7, in_channels=1)
    model.layer2[0].bn1.running_mean += 0.3
    state = {f"module.{name}": tensor for name, tensor in model.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "in.pth")
    arguments = ["cifar_resnet20", "--checkpoint", str(tmp_path / "in.pth"), "--json", "-"]
    assert main(arguments) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["layers"][-1]["shape"] == [2, 7]
    assert report["environment"]["input_shape"] == [1, 32, 32]
    state["module.layer3.1.conv1.weight"][0, 0, 0, 0] = torch.nan
    torch.save({"state_dict": state}, tmp_path / "in.pth")
    assert main(arguments) == 1
    assert json.loads(capsys.readouterr().out)["first"] == "layer3.1.conv1"
    for options, message in (
        (["resnet18", "--checkpoint", str(tmp_path / "in.pth")], "must hold exactly the tensors of resnet18"),
        (["resnet18", "--checkpoint", str(tmp_path / "none.pth")], "is not there"),
        (["resnet18", "--checkpoint", "x.pth", "--weights", "keep"], "leave one out"),
        (["resnet18", "--checkpoint", "x.pth", "--steps", "2"], "leave one of the two out"),
        (["--torch", "a:b", "--keras", "c:d", "--input-shape", "3", "--checkpoint", "x.pth"], "load it in them"),
    ):
        assert main(options) == 2
        assert message in capsys.readouterr().err
