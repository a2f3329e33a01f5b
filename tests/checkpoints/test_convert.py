"""The command and the function: what they decide, what they print, what they refuse, and what they leave behind."""

import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch

import parity
from parity.checkpoints.checkpoint import Labels
from parity.checkpoints.files import read, write
from parity.checkpoints.tensors import Tensor, differing
from parity.errors import CheckpointError

from .helpers import PYTHON, ROOT, SMALL, convert, random_tensors, same, save_safetensors


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return save_safetensors(tmp_path / "in.safetensors", random_tensors())


def run(*arguments: Any, code: str | None = None) -> subprocess.CompletedProcess[str]:
    """In a fresh interpreter, warnings as errors."""
    head = ["-c", code] if code else ["-m", "parity.convert"]
    command = [PYTHON, "-W", "error", *head, *map(str, arguments)]
    settings = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=settings, check=False)


def test_command(tmp_path: Path, source: Path) -> None:
    done = run(source, tmp_path / "out.weights.h5")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{source}: {SMALL}, with torchvision names",
        "in.safetensors does not tell strides, padding, dilation, activation or eps, and cifar_plain20 has the same "
        "tensors: taken as cifar_resnet20's (eps 1e-05); --model names another",
        f"{tmp_path / 'out.weights.h5'}: 97 tensors written, read back and equal bit for bit",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.safetensors", "out.weights.h5"]


def test_command_fails_in_one_sentence(tmp_path: Path) -> None:
    done = run(tmp_path / "absent.pth", tmp_path / "out.h5")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "parity.convert: SOURCE must be a checkpoint file, "
        f"and {tmp_path / 'absent.pth'} is not there; check the name\n"
    )


FRAMEWORKS = "print([name for name in ('torch', 'keras', 'tensorflow', 'safetensors') if name in sys.modules])"


def test_help_imports_no_framework() -> None:
    code = f"import sys\nfrom parity.convert import parser\nparser().format_help()\n{FRAMEWORKS}"
    assert run(code=code).stdout == "[]\n"


@pytest.mark.parametrize("formats", [(".safetensors", ".weights.h5", ".h5"), (".safetensors", ".h5", ".safetensors")])
def test_neither_framework_is_imported_between_the_plain_formats(
    tmp_path: Path, source: Path, formats: tuple[str, ...]
) -> None:
    steps = [str(source), *(str(tmp_path / f"{number}{suffix}") for number, suffix in enumerate(formats))]
    code = f"import sys, parity\nfor pair in zip({steps}, {steps[1:]}):\n    parity.convert(*pair)\n{FRAMEWORKS}"
    assert run(code=code).stdout == "[]\n"


def test_reading_an_archive_imports_no_framework(tmp_path: Path, source: Path) -> None:
    parity.convert(source, tmp_path / "in.keras")
    paths = f"{str(tmp_path / 'in.keras')!r}, {str(tmp_path / 'out.safetensors')!r}"
    assert run(code=f"import sys, parity\nparity.convert({paths})\n{FRAMEWORKS}").stdout == "[]\n"


@pytest.mark.parametrize("name", ["convert", "check"])
def test_function_and_command_share_a_name(name: str) -> None:
    """`parity.check` is the function before and after the command of that name was imported, in any of three ways."""
    code = f"""
import importlib, parity
function = parity.{name}
import parity.{name}
from parity.{name} import main
command = importlib.import_module("parity.{name}")
from parity import {name}
assert parity.{name} is function is {name} and callable(function)
assert command.main is main and command.parser().prog == "python -m parity.{name}"
"""
    done = run(code=code)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_default_of_two_variants_is_printed_and_can_be_overridden(tmp_path: Path) -> None:
    source = save_safetensors(tmp_path / "in.safetensors", random_tensors("resnet50", num_classes=3))
    done = parity.convert(source, tmp_path / "out.safetensors")
    assert done.architecture.name == "resnet50"
    assert done.notes == (
        "in.safetensors does not tell strides, padding, dilation, activation or eps, and resnet50_v1 has the same "
        "tensors: taken as resnet50's (strides in the 3x3, eps 1e-05); --model names another",
    )
    done = parity.convert(source, tmp_path / "v1.safetensors", model="resnet50_v1")
    assert (done.architecture.name, done.notes) == ("resnet50_v1", ())
    again = parity.convert(tmp_path / "v1.safetensors", tmp_path / "v1.weights.h5")
    assert again.architecture.name == "resnet50_v1"  # the file says so
    assert parity.convert(tmp_path / "v1.weights.h5", tmp_path / "x.h5").architecture.name == "resnet50_v1"


def test_keras_applications_names_mean_v1(tmp_path: Path) -> None:
    source = save_safetensors(tmp_path / "in.safetensors", random_tensors("resnet50", num_classes=3))
    parity.convert(source, tmp_path / "mid.h5", naming="keras-applications")
    import h5py

    with h5py.File(tmp_path / "mid.h5", "a") as file:
        del file.attrs["model"]  # as another tool would have written it
    assert parity.convert(tmp_path / "mid.h5", tmp_path / "out.h5").architecture.name == "resnet50_v1"


def test_unknown_model_names_the_nearest(source: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="'resnet5' is none; try resnet5"):
        parity.convert(source, tmp_path / "out.h5", model="resnet5")


def test_every_fault_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tensors = random_tensors()
    for name in ("conv1.weight", "layer3.2.bn2.bias"):
        del tensors[name]
    tensors |= {"extra": np.zeros(3, "f4"), "layer9.0.conv1.weight": np.zeros((1, 1, 1, 1), "f4")}
    tensors["layer1.0.conv1.weight"] = np.zeros((16, 16, 1, 3), "f4")
    tensors["fc.bias"] = tensors["fc.bias"].astype("i4")
    tensors["layer2.0.bn1.num_batches_tracked"] = np.zeros(2, "i8")
    source = tmp_path / "in.safetensors"
    safetensors.numpy.save_file(tensors, source)
    for model in ([], ["--model", SMALL]):
        assert convert(source, tmp_path / "out.h5", *model) == 2
        text = capsys.readouterr().err
        assert text.count("\n") == 1
        assert "2 missing: conv1.weight, layer3.2.bn2.bias" in text
        assert "2 unexpected: extra, layer9.0.conv1.weight" in text
        assert "1 of another shape: layer1.0.conv1.weight [16, 16, 1, 3] for [16, 16, 3, 3]" in text
        assert "2 of a type that no weight has: fc.bias, layer2.0.bn1.num_batches_tracked" in text
        assert SMALL in text
    assert not (tmp_path / "out.h5").exists()


def test_names_given_twice_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = {name: torch.from_numpy(array) for name, array in random_tensors().items()}
    torch.save(state | {"module.fc.bias": state["fc.bias"], "module.bn1.bias": state["bn1.bias"]}, tmp_path / "in.pth")
    assert convert(tmp_path / "in.pth", tmp_path / "out.h5") == 2
    assert "2 unexpected: module.fc.bias, module.bn1.bias" in capsys.readouterr().err
    import h5py

    parity.convert(save_safetensors(tmp_path / "in.safetensors", random_tensors()), tmp_path / "in.h5")
    with h5py.File(tmp_path / "in.h5", "a") as file:
        file["fc/fc/bias:0"] = np.zeros(10, "f4")
    assert convert(tmp_path / "in.h5", tmp_path / "out.safetensors") == 2
    assert "1 named twice: fc/bias" in capsys.readouterr().err


def test_counters_go_between_torch_files_and_not_into_keras(tmp_path: Path) -> None:
    tensors: dict[str, np.ndarray] = {}
    for name, array in random_tensors().items():
        tensors[name] = array
        if name.endswith("running_var"):
            tensors[name.replace("running_var", "num_batches_tracked")] = np.array(5, "i8")
    torch.save({name: torch.from_numpy(array) for name, array in tensors.items()}, tmp_path / "in.pth")
    parity.convert(tmp_path / "in.pth", tmp_path / "out.safetensors")
    assert same(safetensors.numpy.load_file(tmp_path / "out.safetensors"), tensors)
    assert list(read(tmp_path / "out.safetensors").tensors) == list(tensors)
    done = parity.convert(tmp_path / "in.pth", tmp_path / "out.h5")
    assert "19 batch counters left out: Keras has none" in done.notes


@pytest.mark.parametrize("suffix", [pytest.param(".weights.h5", marks=pytest.mark.slow), ".safetensors"])
def test_verify_proves_and_refuses(
    tmp_path: Path, source: Path, suffix: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(source, tmp_path / f"out{suffix}", "--verify") == 0
    said = capsys.readouterr().out
    assert "as written here, compute the same" in said
    assert "the model that saved the source was not run" in said
    from parity.frameworks.keras.side import KerasSide

    load = KerasSide.load
    monkeypatch.setattr(
        KerasSide, "load", lambda self, name, array: load(self, name, array * 2 if name == "fc.bias" else array)
    )
    assert convert(source, tmp_path / f"wrong{suffix}", "--verify") == 1
    text = capsys.readouterr().err
    assert "do not" in text
    assert "fc" in text
    assert not (tmp_path / f"wrong{suffix}").exists()


@pytest.mark.parametrize("place", ["absent/out.h5", ".", "out.onnx", "out", ".h5"])
def test_bad_destinations(tmp_path: Path, source: Path, place: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert convert(source, tmp_path / place) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in.safetensors"]


@pytest.mark.parametrize("naming", ["timm", "keras-hub"])
def test_naming_must_fit_the_format(tmp_path: Path, source: Path, naming: str) -> None:
    with pytest.raises(CheckpointError, match="must be one of"):
        parity.convert(source, tmp_path / "out.keras", naming=naming)


def test_what_a_file_is_its_bytes_say(tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for suffix in (".pth", ".h5", ".weights.h5", ".keras", ".ckpt", ".bin", ".pth.tar", ""):
        os.link(source, tmp_path / f"wrong{suffix}")
        assert convert(tmp_path / f"wrong{suffix}", tmp_path / "out.safetensors") == 0
    (tmp_path / "empty.pth").touch()
    assert convert(tmp_path / "empty.pth", tmp_path / "out.safetensors") == 2
    assert "holds nothing" in capsys.readouterr().err


def test_destination_may_be_the_source_or_a_link(tmp_path: Path, source: Path) -> None:
    before = safetensors.numpy.load_file(source)
    parity.convert(source, source, naming="transformers")
    assert "classifier.1.bias" in safetensors.numpy.load_file(source)
    (tmp_path / "link.safetensors").symlink_to(source)
    parity.convert(source, tmp_path / "link.safetensors")
    assert same(safetensors.numpy.load_file(source), before)
    assert (tmp_path / "link.safetensors").is_symlink()


def test_written_files_have_ordinary_permissions(tmp_path: Path, source: Path) -> None:
    parity.convert(source, tmp_path / "out.weights.h5")
    (tmp_path / "plain").touch()
    assert stat.S_IMODE((tmp_path / "out.weights.h5").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "plain").stat().st_mode
    )


@pytest.mark.parametrize("suffix", [".safetensors", ".weights.h5", ".h5", ".pth", ".keras"])
def test_one_wrong_bit_is_seen_when_reading_back(
    tmp_path: Path, source: Path, suffix: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last bit of one number, changed between writing and reading back."""

    def flipped(path: Path, tensors: list[Tensor], labels: Labels) -> None:
        bits = tensors[-1].value.copy()
        bits.reshape(-1).view("u4")[-1] ^= 1
        write(path, [*tensors[:-1], Tensor(tensors[-1].name, bits)], labels)

    import parity.checkpoints.convert as module

    monkeypatch.setattr(module, "write", flipped)
    assert convert(source, tmp_path / f"out{suffix}") == 2
    assert "bit for bit, and differs in fc" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in.safetensors"]


def test_differing_sees_every_kind_of_difference(tmp_path: Path) -> None:
    arrays = {"a": np.zeros(3, "f4"), "b": np.ones((2, 3), "f4"), "c": np.full(2, np.nan, "f4")}
    found = read(save_safetensors(tmp_path / "x.safetensors", arrays)).tensors
    meant = [Tensor(name, array) for name, array in arrays.items()]
    assert list(differing(found, meant)) == []
    assert list(differing(found, meant[1:])) == ["a"]
    changed = {"a": -arrays["a"], "b": arrays["b"].T, "c": arrays["c"].astype("f8"), "d": arrays["a"]}
    assert list(differing(found, [Tensor(name, array) for name, array in changed.items()])) == ["d", "a", "b", "c"]
