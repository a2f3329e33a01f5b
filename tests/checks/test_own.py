"""Anyone's own model, converted with proof: either way, in every format, with a certificate that can be made again."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_model

import parity
from parity.checkpoints.convert import VerifyError
from parity.convert import main as convert
from parity.errors import ParityError
from parity.verify import main as verify

from .owned import (
    KerasOwn,
    KerasTied,
    TorchAttention,
    TorchImage,
    TorchText,
    TorchTied,
    keras_attention,
    keras_image,
    keras_text,
    keras_unbiased,
    randomised,
)

HERE = "tests.checks.owned"
IMAGE = ["--torch", f"{HERE}:TorchImage", "--keras", f"{HERE}:keras_image", "--input-shape", "3,8,8"]


def image() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((2, 3, 8, 8), dtype="f4")


def torch_answer(model: torch.nn.Module, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return model.eval()(torch.from_numpy(x)).numpy()


def keras_answer(model: keras.Model, x: np.ndarray) -> np.ndarray:
    return np.asarray(model(np.moveaxis(x, 1, -1) if x.ndim == 4 else x, training=False))


@pytest.fixture
def trained(tmp_path: Path) -> tuple[Path, torch.nn.Module]:
    model = randomised(TorchImage())
    torch.save(model.state_dict(), tmp_path / "net.pth")
    return tmp_path / "net.pth", model


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras"])
def test_torch_to_keras(suffix: str, trained: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, model = trained
    goal = tmp_path / f"out{suffix}"
    assert convert([str(source), str(goal), *IMAGE]) == 0
    said = capsys.readouterr().out
    assert "MATCH" in said
    assert "8 tensors written, read back and equal bit for bit" in said
    assert f"out{suffix}.parity.json" in said
    theirs = keras_image() if suffix == ".weights.h5" else keras.models.load_model(goal)
    if suffix == ".weights.h5":
        theirs.load_weights(goal)
    np.testing.assert_allclose(keras_answer(theirs, image()), torch_answer(model, image()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("saved", [".weights.h5", ".keras"])
def test_keras_to_torch(saved: str, suffix: str, trained: Any, tmp_path: Path) -> None:
    source, model = trained
    parity.convert_model(source, tmp_path / f"mid{saved}", TorchImage, keras_image)
    done = parity.convert_model(tmp_path / f"mid{saved}", tmp_path / f"back{suffix}", TorchImage, keras_image)
    assert done.report is not None
    assert done.report.ok
    state = (
        load_file(tmp_path / f"back{suffix}") if suffix == ".safetensors" else torch.load(tmp_path / f"back{suffix}")
    )
    wanted = {name: tensor for name, tensor in model.state_dict().items() if tensor.ndim}
    assert all(torch.equal(state[name], tensor) for name, tensor in wanted.items())
    assert state.keys() == model.state_dict().keys()


def test_a_pair_that_differs_is_exit_1_and_writes_nothing(
    trained: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, _ = trained
    wrong = [part.replace("keras_image", "keras_wrong") for part in IMAGE]
    assert convert([str(source), str(tmp_path / "out.weights.h5"), *wrong, "--json", str(tmp_path / "r.json")]) == 1
    said = capsys.readouterr().err
    assert "do not; nothing was written" in said
    assert json.loads((tmp_path / "r.json").read_text())["verdict"] == "mismatch"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.pth", "r.json"]
    with pytest.raises(VerifyError):
        parity.convert_model(source, tmp_path / "out.weights.h5", f"{HERE}:TorchImage", f"{HERE}:keras_wrong")


def test_without_a_check_nothing_is_proven_and_that_is_said(
    trained: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, _ = trained
    wrong = [part.replace("keras_image", "keras_wrong") for part in IMAGE]
    assert convert([str(source), str(tmp_path / "out.weights.h5"), *wrong, "--no-check"]) == 0
    assert "not checked: nothing proves that both models compute the same" in capsys.readouterr().out
    assert not (tmp_path / "out.weights.h5.parity.json").exists()


def test_the_certificate(trained: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, _ = trained
    goal = tmp_path / "out.weights.h5"
    assert convert([str(source), str(goal), *IMAGE]) == 0
    proof = tmp_path / "out.weights.h5.parity.json"
    document = json.loads(proof.read_text())
    held = {entry["role"]: entry for entry in document["files"]}
    assert held["source"]["file"] == "net.pth"
    for role, path in (("source", source), ("destination", goal)):
        assert held[role]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [os.path.basename(entry["file"]) for entry in document["code"]] == ["owned.py"]
    assert document["models"] == {"torch": f"{HERE}:TorchImage", "keras": f"{HERE}:keras_image"}
    assert document["verdict"] == "match"
    assert all(layer["structure"] < 1e-10 for layer in document["layers"])
    assert {"torch", "keras"} <= document["environment"].keys()
    capsys.readouterr()
    assert verify([str(proof)]) == 0
    assert "MATCH" in capsys.readouterr().out


def test_a_certificate_that_no_longer_holds(trained: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, model = trained
    goal, proof = tmp_path / "out.weights.h5", tmp_path / "out.weights.h5.parity.json"
    parity.convert_model(source, goal, f"{HERE}:TorchImage", f"{HERE}:keras_image")
    with torch.no_grad():
        model.head.bias += 1
    torch.save(model.state_dict(), source)
    assert verify([str(proof)]) == 1
    assert "does not hold: since it was made" in capsys.readouterr().out
    document = json.loads(proof.read_text())
    for entry in document["files"]:
        if entry["role"] == "source":
            entry["sha256"] = hashlib.sha256(source.read_bytes()).hexdigest()
    proof.write_text(json.dumps(document))  # forged: the files fit it now, and the models tell
    assert verify([str(proof)]) == 1
    assert "MISMATCH" in capsys.readouterr().out
    goal.unlink()
    assert verify([str(proof)]) == 2
    assert "cannot be found; put them back" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"kind": "parity certificate", "schema": 1, "files": 3}'])
def test_what_is_no_certificate(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.parity.json").write_text(text)
    assert verify([str(tmp_path / "x.parity.json")]) == 2
    assert "must be a certificate" in capsys.readouterr().err


PAIRS: dict[str, Any] = {
    "text": (TorchText, keras_text),
    "attention": (TorchAttention, keras_attention),
    "tied": (TorchTied, KerasTied),
}


@pytest.mark.parametrize("case", PAIRS)
def test_other_kinds_of_models_there_and_back(case: str, tmp_path: Path) -> None:
    torch_model, keras_model = PAIRS[case]
    model = randomised(torch_model())
    save_model(model, tmp_path / "in.safetensors")  # of two names of one tensor, one alone
    if case != "attention":
        x: np.ndarray = np.random.default_rng(0).integers(0, 11, (2, 7))
    else:
        x = np.random.default_rng(0).standard_normal((2, 6, 8), dtype="f4")
    there = parity.convert_model(tmp_path / "in.safetensors", tmp_path / "mid.weights.h5", torch_model, keras_model, x)
    assert there.report is not None
    assert there.report.ok
    twin = keras_model()
    twin(x)
    twin.load_weights(tmp_path / "mid.weights.h5")
    np.testing.assert_allclose(np.asarray(twin(x)), torch_answer(model, x), rtol=1e-4, atol=1e-5)
    parity.convert_model(tmp_path / "mid.weights.h5", tmp_path / "back.pth", torch_model, keras_model, x)
    back = torch_model()
    back.load_state_dict(torch.load(tmp_path / "back.pth"))
    np.testing.assert_allclose(torch_answer(back, x), torch_answer(model, x), rtol=1e-5, atol=1e-6)


def test_what_one_side_lacks_is_folded_and_said(trained: Any, tmp_path: Path) -> None:
    source, model = trained
    there = parity.convert_model(source, tmp_path / "mid.weights.h5", TorchImage, keras_unbiased)
    assert any("bias that Keras lacks is folded" in note for note in there.notes)
    parity.convert_model(tmp_path / "mid.weights.h5", tmp_path / "back.pth", TorchImage, keras_unbiased)
    back = TorchImage()
    back.load_state_dict(torch.load(tmp_path / "back.pth"))
    np.testing.assert_allclose(torch_answer(back, image()), torch_answer(model, image()), rtol=1e-4, atol=1e-5)


def test_what_a_trainer_put_around_the_weights(
    trained: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A part of a training checkpoint, by --at and --prefix; the certificate keeps both."""
    source, model = trained
    state = {f"module.net.{name}": tensor for name, tensor in model.state_dict().items()}
    torch.save(
        {"ema": state | {"module.loss.weight": torch.ones(3)}, "raw": {"x.weight": torch.ones(2, 2, 1, 1)}}, source
    )
    goal = str(tmp_path / "out.weights.h5")
    assert convert([str(source), goal, *IMAGE]) == 2
    assert "choose one with --at ema" in capsys.readouterr().err
    assert convert([str(source), goal, *IMAGE, "--at", "ema", "--prefix", "module.net."]) == 0
    assert verify([f"{goal}.parity.json"]) == 0


def test_a_model_that_is_built_in_its_first_call(trained: Any, tmp_path: Path) -> None:
    source, model = trained
    done = parity.convert_model(source, tmp_path / "out.weights.h5", TorchImage, KerasOwn, image())
    assert done.tensors == 8
    theirs = KerasOwn()
    theirs(np.moveaxis(image(), 1, -1))
    theirs.load_weights(tmp_path / "out.weights.h5")
    np.testing.assert_allclose(keras_answer(theirs, image()), torch_answer(model, image()), rtol=1e-4, atol=1e-5)


REFUSED: dict[str, tuple[list[str], str]] = {
    "one model": (["--torch", f"{HERE}:TorchImage"], "need --torch and --keras"),
    "both of one framework": ([*IMAGE, "out.safetensors"], "are both torch's"),
    "another's option": ([*IMAGE, "--model", "resnet18"], "--model is for our variants"),
    "an input alone": (["--input-shape", "3,8,8"], "--input-shape is for two models of your own"),
    "no model": (["--torch", f"{HERE}:image", "--keras", f"{HERE}:keras_image"], "must have 'image'"),
    "another model's file": (
        ["--torch", f"{HERE}:TorchText", "--keras", f"{HERE}:keras_text"],
        "must hold exactly the tensors of the torch model",
    ),
    "nothing to run on": (
        ["--torch", f"{HERE}:TorchImage", "--keras", f"{HERE}:KerasOwn"],
        "give --input-shape",
    ),
    "no place for a tensor": ([part.replace("keras_image", "keras_wide") for part in IMAGE], ""),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str, trained: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options, told = REFUSED[case]
    goal = tmp_path / "out.weights.h5"
    if options[-1].startswith("out"):
        *options, name = options
        goal = tmp_path / name
    assert convert([str(trained[0]), str(goal), *options]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
    assert len(said) <= 620
    assert [path.name for path in tmp_path.iterdir()] == ["net.pth"]


def test_a_file_of_other_numbers_is_not_the_model_s(trained: Any, tmp_path: Path) -> None:
    """Keras passes over what a file has too much: it is seen all the same."""
    import h5py

    source, model = trained
    parity.convert_model(source, tmp_path / "mid.weights.h5", TorchImage, keras_image)
    with h5py.File(tmp_path / "mid.weights.h5", "a") as file:
        file["layers/more/vars/0"] = np.ones(3, "f4")
    with pytest.raises(ParityError, match="1 of its 9 arrays are none of the model's"):
        parity.convert_model(tmp_path / "mid.weights.h5", tmp_path / "out.pth", TorchImage, keras_image)
    model.double()
    with torch.no_grad():
        model.head.weight += 1e-12
    torch.save(model.state_dict(), source)
    with pytest.raises(ParityError, match=r"of more digits than the model keeps: head.weight"):
        parity.convert_model(source, tmp_path / "out.weights.h5", TorchImage, keras_image)
