"""A network in several files is read whole or refused: one part alone is never taken for a network."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import safetensors.numpy
import torch

import parity
import resnet_keras
from parity.errors import CheckpointError

from .helpers import SMALL, convert, random_tensors, same, save_safetensors

NAMES = {
    "huggingface": ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
    "variant": ["model.fp16-00001-of-00002.safetensors", "model.fp16-00002-of-00002.safetensors"],
    "bin": ["pytorch_model-00001-of-00003.bin", "pytorch_model-00002-of-00003.bin", "pytorch_model-00003-of-00003.bin"],
    "pth": ["net-1-of-2.pth", "net-2-of-2.pth"],
    "zero": ["net_000_of_002.safetensors", "net_001_of_002.safetensors"],
}


def cut(folder: Path, names: list[str], index: str | None = None) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """A network in parts, cut before its head as the tools cut at a size; the tensors, and the index's map."""
    tensors = random_tensors()
    body = [name for name in tensors if not name.startswith("fc.")]
    pieces = [list(piece) for piece in np.array_split(np.array(body), len(names) - 1)]
    pieces.append(["fc.weight", "fc.bias"])
    places = {}
    for name, keys in zip(names, pieces, strict=True):
        part = {str(key): tensors[key] for key in keys}
        if name.endswith(".safetensors"):
            save_safetensors(folder / name, part)
        else:
            torch.save({key: torch.from_numpy(array) for key, array in part.items()}, folder / name)
        places |= dict.fromkeys(part, name)
    if index:
        (folder / index).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    return tensors, places


@pytest.mark.parametrize("kind", NAMES)
def test_read_whole_by_index_and_by_folder(kind: str, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    tensors, _ = cut(tmp_path / "parts", NAMES[kind], "model.safetensors.index.json")
    for source in (tmp_path / "parts" / "model.safetensors.index.json", tmp_path / "parts"):
        done = parity.convert(source, tmp_path / "out.safetensors")
        assert done.architecture.options == {}
        assert f"read from {len(NAMES[kind])} parts" in done.notes
        assert same(safetensors.numpy.load_file(tmp_path / "out.safetensors"), tensors)


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("index", ["model.safetensors.index.json", None])
def test_a_part_alone_is_refused(
    kind: str, index: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = NAMES[kind]
    cut(tmp_path, names, index)
    for name in names:
        assert convert(tmp_path / name, tmp_path / "out.pth") == 2
        said = capsys.readouterr().err
        assert f"{name} is one of {len(names)} parts" in said
        assert said.endswith(f"convert {tmp_path / index if index else tmp_path}\n")
    (tmp_path / names[-1]).unlink()  # the head
    for source in (tmp_path / names[0], tmp_path / index if index else tmp_path):
        assert convert(source, tmp_path / "out.pth") == 2
        assert names[-1] in capsys.readouterr().err
    assert not (tmp_path / "out.pth").exists()


def test_numbered_files_are_read_without_an_index(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    tensors, _ = cut(tmp_path / "parts", NAMES["bin"])
    parity.convert(tmp_path / "parts", tmp_path / "out.safetensors")
    assert same(safetensors.numpy.load_file(tmp_path / "out.safetensors"), tensors)


def test_an_index_tells_a_part_whatever_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut(tmp_path, ["körper.safetensors", "head.safetensors"], "any.json")
    assert convert(tmp_path / "körper.safetensors", tmp_path / "out.pth") == 2
    assert "is one of 2 parts of a network, by any.json beside it" in capsys.readouterr().err
    assert convert(tmp_path / "any.json", tmp_path / "out.pth") == 0


def test_a_single_part_and_other_json_files_are_no_obstacle(tmp_path: Path) -> None:
    save_safetensors(tmp_path / "model-00001-of-00001.safetensors", random_tensors(), SMALL)
    (tmp_path / "config.json").write_text("{not JSON")
    (tmp_path / "broken.index.json").write_text('{"weight_map": {"another": ')
    done = parity.convert(tmp_path / "model-00001-of-00001.safetensors", tmp_path / "out.pth")
    assert "config.json beside it is no sound JSON and says nothing of the network" in done.notes


def _changed(places: dict[str, Any], fault: str) -> dict[str, Any]:
    first, second = NAMES["huggingface"]
    change: dict[str, dict[str, Any]] = {
        "not listed": {key: place for key, place in places.items() if key != "fc.bias"},
        "in no part": places | {"fc.scale": second},
        "elsewhere": places | {"fc.bias": first},
        "forgotten": dict.fromkeys(places, first),
        "parent": places | {"fc.bias": "../head.safetensors"},
        "absolute": places | {"fc.bias": "/etc/passwd"},
        "windows": places | {"fc.bias": "..\\head.safetensors"},
        "dots": places | {"fc.bias": ".."},
        "formats": places | {"fc.bias": "head.pth"},
        "number": places | {"fc.bias": 7},
        "empty": {},
        "missing": places | {"fc.bias": "absent.safetensors"},
    }
    return change[fault]


SAID = {
    "not listed": "1 in a part and not listed: fc.bias",
    "in no part": "1 listed and in no part: fc.scale",
    "elsewhere": "1 in another part than listed: fc.bias",
    "forgotten": "leaves out model-00002-of-00002.safetensors",
    "parent": "names '../head.safetensors'",
    "absolute": "names '/etc/passwd'",
    "windows": "names '..",
    "dots": "names '..'",
    "formats": "of one format, and names a torch file, safetensors",
    "number": "and is none",
    "empty": "and is none",
    "missing": "1 of them are missing: absent.safetensors",
}


@pytest.mark.parametrize("fault", SAID)
def test_a_faulty_index_is_refused(fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, places = cut(tmp_path, NAMES["huggingface"])
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": _changed(places, fault)}))
    if fault == "formats":
        torch.save({"fc.bias": torch.zeros(10)}, tmp_path / "head.pth")
    assert convert(index, tmp_path / "out.pth") == 2
    said = capsys.readouterr().err
    assert SAID[fault] in said
    assert said.count("\n") == 1
    assert convert(tmp_path / NAMES["huggingface"][0], tmp_path / "out.pth") == 2  # nor is the part a network now


def test_other_faults_of_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tensors, _ = cut(tmp_path, NAMES["huggingface"])
    for text, told in [('{"weight_map": {"a": "b", "a": "c"}}', "names twice a"), ('{"weight_map"', "must be JSON")]:
        (tmp_path / "index.json").write_text(text)
        assert convert(tmp_path / "index.json", tmp_path / "out.pth") == 2
        assert told in capsys.readouterr().err
    assert convert(tmp_path / "absent.index.json", tmp_path / "out.pth") == 2
    assert "is not there" in capsys.readouterr().err
    (tmp_path / "index.json").unlink()
    save_safetensors(
        tmp_path / NAMES["huggingface"][1], {key: tensors[key] for key in ("fc.weight", "fc.bias", "bn1.bias")}
    )
    assert convert(tmp_path, tmp_path / "out.pth") == 2
    assert "1 in more than one part: bn1.bias" in capsys.readouterr().err
    save_safetensors(tmp_path / "whole.safetensors", tensors)
    assert convert(tmp_path, tmp_path / "out.pth") == 2
    assert "is a folder and has 2, " in capsys.readouterr().err
    many = tmp_path / "x-1-of-999999999.safetensors"
    save_safetensors(many, tensors)
    assert convert(many, tmp_path / "out.pth") == 2
    assert "one of 999999999 parts" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["out-00001-of-00002.safetensors", "out-1-of-3.weights.h5"])
def test_nothing_whole_is_written_under_a_part_s_name(name: str, tmp_path: Path) -> None:
    source = save_safetensors(tmp_path / "in.safetensors", random_tensors(), SMALL)
    with pytest.raises(CheckpointError, match="is the name of one of"):
        parity.convert(source, tmp_path / name)


@pytest.mark.parametrize("size", [0.0004, 0.00018], ids=["between layers", "inside one"])
def test_keras_parts(size: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = resnet_keras.cifar_resnet20()
    draw = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(draw.uniform(0.5, 1.5, variable.shape))
    model.save_weights(tmp_path / "b.weights.json", max_shard_size=size)
    model.save_weights(tmp_path / "whole.weights.h5")
    places = json.loads((tmp_path / "b.weights.json").read_text())["weight_map"]
    assert any(isinstance(files, list) and len(files) > 1 for files in places.values()) == (size < 0.0002)
    parity.convert(tmp_path / "whole.weights.h5", tmp_path / "expected.safetensors")
    parity.convert(tmp_path / "b.weights.json", tmp_path / "out.safetensors")
    expected = safetensors.numpy.load_file(tmp_path / "expected.safetensors")
    assert same(safetensors.numpy.load_file(tmp_path / "out.safetensors"), expected)
    for part in sorted(tmp_path.glob("b_*.weights.h5")):
        assert convert(part, tmp_path / "out.pth") == 2
        assert "parts of a network, by b.weights.json" in capsys.readouterr().err
    part.unlink()
    assert convert(tmp_path / "b.weights.json", tmp_path / "out.pth") == 2
    assert f"missing: {part.name}" in capsys.readouterr().err


def test_keras_part_without_its_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The number of parts is unknown then; no head and such a name are too much. A whole network may be so named."""
    source = save_safetensors(tmp_path / "in.safetensors", random_tensors(num_classes=0))
    parity.convert(source, tmp_path / "b_00000.weights.h5")
    assert convert(tmp_path / "b_00000.weights.h5", tmp_path / "out.pth") == 2
    assert "no index" in capsys.readouterr().err
    (tmp_path / "b_00000.weights.h5").rename(tmp_path / "features.weights.h5")
    assert convert(tmp_path / "features.weights.h5", tmp_path / "out.pth") == 0
    save_safetensors(source, random_tensors(), SMALL)
    parity.convert(source, tmp_path / "epoch_00010.weights.h5")
    assert convert(tmp_path / "epoch_00010.weights.h5", tmp_path / "out.pth") == 0


def test_keras_parts_of_a_functional_model(tmp_path: Path) -> None:
    """The first layer of each part but the first has its name in the part before, where Keras leaves an empty group."""
    model = keras.applications.ResNet50(weights=None, classes=7, classifier_activation=None, input_shape=(64, 64, 3))
    model.save_weights(tmp_path / "a.weights.json", max_shard_size=0.03)
    model.save_weights(tmp_path / "whole.weights.h5")
    assert len(list(tmp_path.glob("a_*.weights.h5"))) > 2
    parity.convert(tmp_path / "whole.weights.h5", tmp_path / "expected.safetensors")
    parity.convert(tmp_path / "a.weights.json", tmp_path / "out.safetensors")
    expected = safetensors.numpy.load_file(tmp_path / "expected.safetensors")
    assert same(safetensors.numpy.load_file(tmp_path / "out.safetensors"), expected)
    for kept in ("whole.weights.h5", "expected.safetensors", "out.safetensors"):
        (tmp_path / kept).unlink()  # large
