"""Every format is read as its own framework reads it, and written so that its own framework loads it."""

import json
import os
import subprocess
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import safetensors.numpy
import torch

import parity
import resnet_keras
import resnet_torch
from parity.checkpoints.files import SUFFIXES, read
from parity.errors import CheckpointError

from .helpers import PYTHON, ROOT, SMALL, convert, random_tensors, same, save_safetensors

ROUND = (".safetensors", ".weights.h5", ".pth", ".keras", ".h5", ".pt", ".safetensors")


@pytest.fixture(scope="module")
def tensors() -> dict[str, np.ndarray]:
    return random_tensors()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, tensors: dict[str, np.ndarray]) -> dict[str, Path]:
    """The same weights in every format, each converted from the one before."""
    folder = tmp_path_factory.mktemp("files")
    made = {".safetensors": save_safetensors(folder / "0.safetensors", tensors, SMALL)}
    for number, (before, suffix) in enumerate(pairwise(ROUND), 1):
        target = folder / f"{number}{suffix}"
        done = parity.convert(made[before], target)
        assert done.architecture.name == SMALL
        made[suffix] = target
    return made


def keras_model(name: str = SMALL, **options: Any) -> Any:
    return getattr(resnet_keras, name)(**options)


def keras_arrays(model: Any) -> dict[str, np.ndarray]:
    from parity.frameworks.keras.side import KerasSide

    return dict(KerasSide(model).weights())


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ("layers/conv2d/vars/0", "conv1_conv/vars/0"),
        ("base/layers/conv2d/vars/0", "base/conv1_conv/vars/0"),
        ("base/inner/layers/functional/layers/conv2d/vars/1", "base/inner/conv1_conv/vars/1"),
        ("layer1/0/conv1/vars/0", "layer1/0/conv1/vars/0"),
        ("layers/res_net/layer1/0/conv1/vars/0", "layers/res_net/layer1/0/conv1/vars/0"),
    ],
)
def test_names_of_layers_in_functional_models_wherever_these_are(stored: str, expected: str) -> None:
    from parity.checkpoints.hdf5 import _name

    names = {stored.rpartition("/")[0]: "conv1_conv"} if "conv2d" in stored else {}
    assert _name(stored, names, Path("x")) == expected


def test_round_trip_through_all_formats(files: dict[str, Path], tensors: dict[str, np.ndarray]) -> None:
    assert same(safetensors.numpy.load_file(files[".safetensors"]), tensors)


@pytest.mark.parametrize("suffix", [".pth", ".pt"])
def test_torch_loads_it(files: dict[str, Path], tensors: dict[str, np.ndarray], suffix: str) -> None:
    state = torch.load(files[suffix], weights_only=True)
    assert same({name: tensor.numpy() for name, tensor in state.items()}, tensors)
    resnet_torch.cifar_resnet20().load_state_dict(state)


@pytest.mark.parametrize("suffix", [".weights.h5", ".h5"])
def test_keras_loads_weights(files: dict[str, Path], tensors: dict[str, np.ndarray], suffix: str) -> None:
    model = keras_model()
    model.load_weights(files[suffix])
    assert same(keras_arrays(model), tensors)


def test_keras_loads_the_model(files: dict[str, Path], tensors: dict[str, np.ndarray]) -> None:
    model = keras.models.load_model(files[".keras"])
    assert type(model) is resnet_keras.ResNet
    assert same(keras_arrays(model), tensors)


def test_keras_loads_the_model_with_only_our_package_imported(files: dict[str, Path]) -> None:
    code = f"""
import sys, keras, resnet_keras
model = keras.models.load_model({str(files[".keras"])!r})
assert model.config.depths == (3, 3, 3)
assert "torch" not in sys.modules and "parity" not in sys.modules
"""
    settings = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([PYTHON, "-c", code], check=True, env=settings, capture_output=True, timeout=120)


@pytest.mark.parametrize("suffix", [".weights.h5", ".h5", ".keras"])
def test_what_keras_saves_is_read(tmp_path: Path, tensors: dict[str, np.ndarray], suffix: str) -> None:
    model = keras_model()
    model.compile("sgd", "mse")
    path = tmp_path / f"saved{suffix}"
    (model.save_weights if suffix == ".weights.h5" else model.save)(path)
    parity.convert(path, tmp_path / "out.safetensors")
    assert same(safetensors.numpy.load_file(tmp_path / "out.safetensors"), keras_arrays(model))


def test_weights_files_are_laid_out_as_keras_lays_them_out(tmp_path: Path, files: dict[str, Path]) -> None:
    keras_model().save_weights(tmp_path / "keras.weights.h5")
    assert _variables(files[".weights.h5"]) == _variables(tmp_path / "keras.weights.h5")


def _variables(path: Path) -> dict[str, Any]:
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                found.update({name: (item.shape, item.dtype, dict(item.parent.attrs))})
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    return found


def test_legacy_torch_files_are_read(tmp_path: Path, tensors: dict[str, np.ndarray]) -> None:
    state = {name: torch.from_numpy(array) for name, array in tensors.items()}
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    parity.convert(tmp_path / "old.pth", tmp_path / "new.safetensors")
    assert same(safetensors.numpy.load_file(tmp_path / "new.safetensors"), tensors)


@pytest.mark.parametrize("nest", ["state_dict", "model", None])
def test_nesting_and_prefixes(tmp_path: Path, tensors: dict[str, np.ndarray], nest: str | None) -> None:
    state: Any = {f"module.{name}": torch.from_numpy(array) for name, array in tensors.items()}
    torch.save({nest: state, "epoch": 7, "optimizer": {"lr": 0.1}} if nest else state, tmp_path / "in.pth")
    done = parity.convert(tmp_path / "in.pth", tmp_path / "out.safetensors")
    assert done.scheme == "torchvision (module.)"
    assert done.notes[:1] == ((f"epoch, optimizer beside {nest} passed over",) if nest else done.notes[:1])
    assert same(safetensors.numpy.load_file(tmp_path / "out.safetensors"), tensors)


def test_two_nests_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = {"conv1.weight": torch.zeros(1)}
    torch.save({"model": state, "state_dict": state}, tmp_path / "in.pth")
    assert convert(tmp_path / "in.pth", tmp_path / "out.safetensors") == 2
    assert "holds state_dict, model; choose one with --at state_dict" in capsys.readouterr().err


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4"])
@pytest.mark.parametrize("suffix", [".safetensors", ".weights.h5", ".pth"])
def test_types_are_kept(tmp_path: Path, dtype: str, suffix: str) -> None:
    """Little-endian: the files have no other order, or their users none."""
    tensors = {name: array.astype(dtype) for name, array in random_tensors().items()}
    with h5py.File(tmp_path / "in.weights.h5", "w") as file:
        for name, array in tensors.items():
            layer, _, leaf = name.rpartition(".")
            number = {"weight": 0, "bias": 1, "running_mean": 2, "running_var": 3}[leaf]
            axes = {4: (2, 3, 1, 0), 2: (1, 0)}.get(array.ndim)
            file[f"{layer.replace('.', '/')}/vars/{number}"] = array.transpose(axes) if axes else array
    parity.convert(tmp_path / "in.weights.h5", tmp_path / f"out{suffix}")
    parity.convert(tmp_path / f"out{suffix}", tmp_path / "back.safetensors")
    expected = {name: array.astype(array.dtype.newbyteorder("<")) for name, array in tensors.items()}
    assert same(safetensors.numpy.load_file(tmp_path / "back.safetensors"), expected)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_bfloat16_is_widened(tmp_path: Path, suffix: str) -> None:
    state = {name: torch.from_numpy(array).bfloat16() for name, array in random_tensors().items()}
    if suffix == ".pth":
        torch.save(state, tmp_path / "in.pth")
    else:
        from safetensors.torch import save_file

        save_file(state, tmp_path / "in.safetensors")
    done = parity.convert(tmp_path / f"in{suffix}", tmp_path / "out.weights.h5")
    assert "bfloat16 widened to float32, without a loss" in done.notes
    model = keras_model()
    model.load_weights(tmp_path / "out.weights.h5")
    assert same(keras_arrays(model), {name: tensor.float().numpy() for name, tensor in state.items()})


def test_values_that_no_arithmetic_keeps(tmp_path: Path, tensors: dict[str, np.ndarray]) -> None:
    """NaN with a payload, both infinities, negative zero and subnormals go through all formats bit for bit."""
    odd = np.array([0x7FC00123, 0xFF800000, 0x7F800000, 0x80000000, 0x00000001], "u4").view("f4")
    held = tensors | {"fc.bias": np.resize(odd, 10)}
    before = save_safetensors(tmp_path / "0.safetensors", held)
    for number, suffix in enumerate([*(each for each in SUFFIXES if each != ".keras"), ".safetensors"], 1):
        parity.convert(before, tmp_path / f"{number}{suffix}")
        before = tmp_path / f"{number}{suffix}"
    assert same(safetensors.numpy.load_file(before), held)


def test_keras_archive_keeps_the_whole_configuration(tmp_path: Path) -> None:
    options = {"num_classes": 7, "input_size": (33, 40), "shortcut": "B", "classifier_activation": "softmax"}
    keras_model(**options).save(tmp_path / "in.keras")
    done = parity.convert(tmp_path / "in.keras", tmp_path / "out.keras")
    assert done.architecture.options == options
    model = keras.models.load_model(tmp_path / "out.keras")
    assert model.config == keras_model(**options).config
    assert model.activation.get_config()["activation"] == "softmax"


def test_headless(tmp_path: Path) -> None:
    state = {name: array for name, array in random_tensors().items() if not name.startswith("fc.")}
    save_safetensors(tmp_path / "in.safetensors", state)
    done = parity.convert(tmp_path / "in.safetensors", tmp_path / "out.keras")
    assert str(done.architecture) == f"{SMALL}(num_classes=0)"
    model = keras.models.load_model(tmp_path / "out.keras")
    assert model(np.zeros((2, 32, 32, 3), "f4")).shape == (2, 64)


def test_early_keras_files_without_names_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keras.applications.ResNet50(weights=None, classes=2).save_weights(tmp_path / "early.weights.h5")
    with h5py.File(tmp_path / "early.weights.h5", "a") as file:
        file.visititems(lambda _, item: item.attrs.clear() if "name" in item.attrs else None)
    assert convert(tmp_path / "early.weights.h5", tmp_path / "out.safetensors") == 2
    assert "as tf-keras (Keras 2) and Keras before 3.6 write" in capsys.readouterr().err


def test_numbers_in_names_sort_as_numbers_or_not_at_all(tmp_path: Path) -> None:
    """conv2d_10 sorts before conv2d_2 in the file; with the layers' names beside them the order decides nothing."""
    model = keras.applications.ResNet50(weights=None, classes=2)
    model.save_weights(tmp_path / "in.weights.h5")
    parity.convert(tmp_path / "in.weights.h5", tmp_path / "out.safetensors")
    found = safetensors.numpy.load_file(tmp_path / "out.safetensors")
    for path, name in [("layer1.0.conv1", "conv2_block1_1_conv"), ("layer4.2.conv3", "conv5_block3_3_conv")]:
        kernel = model.get_layer(name).kernel.numpy().transpose(3, 2, 0, 1)
        assert np.array_equal(found[f"{path}.weight"], kernel)


def test_archive_is_a_plain_zip(files: dict[str, Path]) -> None:
    with zipfile.ZipFile(files[".keras"]) as archive:
        assert archive.namelist() == ["metadata.json", "config.json", "model.weights.h5"]
        assert archive.testzip() is None
        assert json.loads(archive.read("config.json"))["registered_name"] == "resnet_keras>ResNet"


def test_read_maps_the_file(files: dict[str, Path]) -> None:
    """Arrays are views of the mapped file: reading takes no memory for them."""
    for suffix in (".safetensors", ".weights.h5", ".h5", ".keras"):
        assert not any(array.flags.owndata or array.flags.writeable for array in read(files[suffix]).tensors.values())


def test_metadata_that_is_null(tmp_path: Path, tensors: dict[str, np.ndarray]) -> None:
    """Some writers of safetensors say null for no metadata; anything else that is no text by name stays refused."""
    source = save_safetensors(tmp_path / "in.safetensors", tensors, SMALL)
    blob = source.read_bytes()
    size = int.from_bytes(blob[:8], "little")
    for value, refused in (("null", False), ("7", True), ('{"a": null}', True)):
        header = json.dumps(json.loads(blob[8 : 8 + size]) | {"__metadata__": json.loads(value)}).encode()
        source.write_bytes(len(header).to_bytes(8, "little") + header + blob[8 + size :])
        if refused:
            with pytest.raises(CheckpointError, match="metadata"):
                read(source)
        else:
            assert same(read(source).tensors, tensors)
