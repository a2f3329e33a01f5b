"""What is written loads where its name says: folders of pretrained models, detectron2's pickles, NumPy's archives."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import parity
from parity.checkpoints.source import read_source
from parity.errors import CheckpointError
from tests.checkpoints.helpers import SMALL, convert, random_tensors, save_safetensors
from tests.checkpoints.libraries import library, torch_output

NAMES = {"timm": "resnet18", "transformers": "resnet50_v1", "transformers-backbone": "resnet18"}


def source(folder: Path, name: str, **options: Any) -> Path:
    return save_safetensors(folder / "in.safetensors", random_tensors(name, **options), name)


@pytest.mark.parametrize("naming", NAMES)
def test_a_folder_says_what_it_holds(naming: str, tmp_path: Path) -> None:
    name, classes = NAMES[naming], 0 if naming == "transformers-backbone" else 5
    path = source(tmp_path, name, num_classes=classes)
    parity.convert(path, f"{tmp_path / 'out'}/", naming=naming)
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == ["config.json", "model.safetensors"]
    found = read_source(tmp_path / "out")
    assert found.architecture.name == name
    assert found.notes == ()  # its own configuration tells all
    wanted = random_tensors(name, num_classes=classes)
    assert all(np.array_equal(found.tensors[key].value, array) for key, array in wanted.items())
    parity.convert(path, f"{tmp_path / 'again'}/", naming=naming, verify=name == "resnet18" and bool(classes))


@pytest.mark.parametrize("verify", [False, True])
def test_a_folder_of_several_files(verify: bool, tmp_path: Path) -> None:
    path = source(tmp_path, "resnet18", num_classes=5)
    parity.convert(path, f"{tmp_path / 'out'}/", verify=verify, max_shard_size="20MB")
    parts = sorted((tmp_path / "out").glob("*.safetensors"))
    assert [each.name[-27:] for each in parts] == [f"-0000{i}-of-00003.safetensors" for i in (1, 2, 3)]
    assert all(each.stat().st_size < 20_100_000 for each in parts)
    found = read_source(tmp_path / "out")
    assert found.architecture.name == "resnet18"
    wanted = random_tensors("resnet18", num_classes=5)
    assert all(np.array_equal(found.tensors[key].value, array) for key, array in wanted.items())


@pytest.mark.parametrize(
    ("out", "options", "told"),
    [
        ("out/", ("--max-shard-size", "much"), "must be a size, such as 100MB"),
        ("out/", ("--max-shard-size", "20MB", "--naming", "timm"), "timm reads a folder's weights from one file"),
        ("out.pth", ("--max-shard-size", "20MB"), "is for DESTINATION/, a folder"),
    ],
)
def test_no_folder_of_several_files(
    out: str, options: tuple[str, ...], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(source(tmp_path, "resnet18"), f"{tmp_path}/{out}", *options) == 2
    assert told in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in.safetensors"]


def test_transformers_reads_its_folder(tmp_path: Path) -> None:
    library("torchvision")
    transformers = library("transformers")
    path = source(tmp_path, "resnet18", num_classes=5)
    parity.convert(path, f"{tmp_path / 'out'}/", max_shard_size="20MB")
    theirs = transformers.ResNetForImageClassification.from_pretrained(tmp_path / "out").eval().double()
    assert theirs.config.num_labels == 5
    from tests.checkpoints.libraries import our_outputs

    expected = our_outputs(path)["torch"]
    assert np.abs(torch_output(theirs, lambda output: output.logits) - expected).max() < 1e-12 * np.abs(expected).max()


def test_timm_reads_its_folder(tmp_path: Path) -> None:
    timm = library("timm")
    path = source(tmp_path, "resnet18", num_classes=5)
    parity.convert(path, f"{tmp_path / 'out'}/", naming="timm")
    theirs = timm.create_model(f"local-dir:{tmp_path / 'out'}", pretrained=True).eval().double()
    from tests.checkpoints.libraries import our_outputs

    expected = our_outputs(path)["torch"]
    assert np.abs(torch_output(theirs) - expected).max() < 1e-12 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("name", "naming", "told"),
    [
        (SMALL, "transformers", "must have a network like cifar_resnet20"),
        ("resnext50_32x4d", "transformers", "must have a network like"),
        ("resnet50_keras", "timm", "must have a network like"),
        ("resnet18", "akamaster", "--naming for a folder must be one of"),
    ],
)
def test_a_folder_that_no_library_would_read(name: str, naming: str, told: str, tmp_path: Path, capsys: Any) -> None:
    assert convert(source(tmp_path, name), f"{tmp_path / 'out'}/", "--naming", naming) == 2
    assert told in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in.safetensors"]


def test_a_folder_that_is_there_stays(tmp_path: Path) -> None:
    path = source(tmp_path, "resnet18")
    (tmp_path / "out").mkdir()
    parity.convert(path, f"{tmp_path / 'out'}/")
    with pytest.raises(CheckpointError, match="is there already"):
        parity.convert(path, f"{tmp_path / 'out'}/")


def test_pickles_as_detectron2_reads_them(tmp_path: Path) -> None:
    parity.convert(source(tmp_path, "resnet50_v1"), tmp_path / "out.pkl", naming="detectron2")
    held = pickle.loads((tmp_path / "out.pkl").read_bytes())
    assert {"model", "__author__"} <= held.keys()
    assert held["model"]["res2.0.conv1.norm.running_var"].shape == (64,)
    found = read_source(tmp_path / "out.pkl")
    assert found.architecture.name == "resnet50_v1"  # detectron2's own default
    assert np.array_equal(found.tensors["conv1.weight"].value, random_tensors("resnet50_v1")["conv1.weight"])


def test_the_document_of_a_conversion_and_of_a_refusal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = source(tmp_path, SMALL)
    assert convert(path, tmp_path / "out.npz", "--json", "-") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["verdict"], document["conversion"]["model"]) == ("converted", SMALL)
    tensors = random_tensors() | {f"layer{number}.x.weight": np.ones((2, 2), "f4") for number in range(40)}
    path = save_safetensors(tmp_path / "odd.safetensors", tensors)
    assert convert(path, tmp_path / "out.npz", "--json", str(tmp_path / "x.json")) == 2
    said = capsys.readouterr().err
    assert "layer4.x.weight and 35 more" in said
    document = json.loads((tmp_path / "x.json").read_text())
    assert document["verdict"] == "error"
    assert len(document["faults"]["unexpected"]) == 40
    assert document["message"] in said
    assert convert(path, tmp_path / "out.npz", "--html", str(tmp_path / "x.html")) == 2
    assert "--html is the page of a check" in capsys.readouterr().err
