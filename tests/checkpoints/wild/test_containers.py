"""Files by what they are, whatever they are called; what is no checkpoint, or none that is read, is named."""

import gzip
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import torch

import parity
import resnet_keras
import resnet_torch
from parity.checkpoints.source import read_source
from parity.errors import CheckpointError
from tests.checkpoints.helpers import SMALL, random_tensors, save_safetensors


@pytest.fixture(scope="module")
def tensors() -> dict[str, np.ndarray]:
    return random_tensors()


def same(path: Path, tensors: dict[str, np.ndarray]) -> bool:
    found = read_source(path)
    held = {name: tensor.value for name, tensor in found.tensors.items()}
    exact = all(np.array_equal(held[name], array) for name, array in tensors.items())
    return found.architecture.name == SMALL and held.keys() == tensors.keys() and exact


def keras_net(tensors: dict[str, np.ndarray]) -> keras.Model:
    from parity.frameworks.keras.side import KerasSide

    model = resnet_keras.cifar_resnet20()
    side = KerasSide(model)
    for name, array in tensors.items():
        side.load(name, array)
    return model


def test_numpy_s_archives(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "in.npz", **tensors)
        assert same(tmp_path / "in.npz", tensors)
    parity.convert(tmp_path / "in.npz", tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as out:
        assert all(np.array_equal(out[name], array) for name, array in tensors.items())
    np.savez(tmp_path / "in.npz", a=np.array([object()], dtype=object))
    with pytest.raises(CheckpointError, match="must be an array of numbers"):
        read_source(tmp_path / "in.npz")


def test_plain_pickles(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    for protocol in (2, 4, 5):
        (tmp_path / "in.pkl").write_bytes(pickle.dumps({"model": tensors, "matching_heuristics": True}, protocol))
        assert same(tmp_path / "in.pkl", tensors)


def test_exported_programs_and_scripts(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    model = resnet_torch.cifar_resnet20().eval()
    model.load_state_dict({name: torch.from_numpy(array) for name, array in tensors.items()}, strict=False)
    torch.export.save(torch.export.export(model, (torch.zeros(1, 3, 32, 32),)), tmp_path / "in.pt2")
    assert same(tmp_path / "in.pt2", tensors)
    torch.save(model, tmp_path / "whole.bin")
    assert same(tmp_path / "whole.bin", tensors)


def test_without_checksums(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({name: torch.from_numpy(array) for name, array in tensors.items()}, tmp_path / "in.pth")
    finally:
        torch.serialization.set_crc32_options(before)
    assert same(tmp_path / "in.pth", tensors)
    assert any("without checksums" in note for note in read_source(tmp_path / "in.pth").notes)


def test_a_folder_of_a_model_s_page(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    save_safetensors(tmp_path / "model.safetensors", tensors)
    torch.save({name: torch.from_numpy(array) for name, array in tensors.items()}, tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text("{}")
    assert same(tmp_path, tensors)
    torch.save({}, tmp_path / "optimizer.pt")
    with pytest.raises(CheckpointError, match="is a folder and has 3"):
        read_source(tmp_path)


STRANGE: dict[str, tuple[bytes, str]] = {
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:x\nsize 3\n", "a pointer of Git LFS"),
    "html": (b"\n<!DOCTYPE html>\n<html><title>Sign in</title>", "a page of HTML"),
    "json": (b'{"error": "not found"}', "is JSON"),
    "gzip": (gzip.compress(b"x" * 99), "packed with gzip; unpack it"),
    "npy": (b"\x93NUMPY\x01\x00", "a single NumPy array"),
    "gguf": (b"GGUF\x03\x00\x00\x00", "GGUF"),
    "onnx": (b"\x08\x07\x12\x07pytorch\x1a\x052.0.0", "begins as an ONNX model"),
    "flax": (b"\x81\xa6params\x82\xa6conv_0\x81\xa6kernel", "as Flax saves its trees"),
    "openvino": (b'<?xml version="1.0"?>\n<net name="x" version="11">', "an OpenVINO model's description"),
    "noise": (bytes(range(200, 256)) * 9, "begins as none of these"),
    "empty": (b"", "holds nothing"),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_what_is_no_checkpoint(kind: str, tmp_path: Path) -> None:
    data, told = STRANGE[kind]
    for name in ("in.pth", "in.h5"):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(CheckpointError) as caught:
            read_source(tmp_path / name)
        assert told in str(caught.value)
        assert "rename" not in str(caught.value)


def test_a_zip_of_checkpoints(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "in.pth", "w") as archive:
        archive.write(save_safetensors(tmp_path / "x.safetensors", tensors), "x.safetensors")
    with pytest.raises(CheckpointError, match=r"is a zip of 1 files, x.safetensors among them; unpack it"):
        read_source(tmp_path / "in.pth")


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([".metadata", "__0_0.distcp"], "dcp_to_torch_save"),
        (["saved_model.pb"], "a SavedModel"),
        (["_CHECKPOINT_METADATA"], "Orbax"),
    ],
)
def test_folders_of_other_checkpoints(names: list[str], told: str, tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    for path in (tmp_path, tmp_path / names[-1]):
        if told != "Orbax" or path == tmp_path:
            with pytest.raises(CheckpointError, match=told):
                read_source(path)


def test_archives_that_number_their_layers(tmp_path: Path) -> None:
    """As tf-keras and Keras before 3.6 write them: the names are the configuration's, in its order."""
    model = keras.applications.ResNet50(weights=None, classes=3, input_shape=(32, 32, 3))
    draw = np.random.default_rng(0)
    for variable in model.weights:
        if len(variable.shape) == 1:
            variable.assign(draw.uniform(0.5, 1.5, variable.shape))
    model.save(tmp_path / "in.keras")
    wanted = {name: tensor.value for name, tensor in read_source(tmp_path / "in.keras").tensors.items()}
    with zipfile.ZipFile(tmp_path / "in.keras") as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    (tmp_path / "x.weights.h5").write_bytes(held["model.weights.h5"])
    with h5py.File(tmp_path / "x.weights.h5", "a") as file:
        file.visititems(lambda name, item: item.attrs.pop("name", None) and None)
    with pytest.raises(CheckpointError, match=r"as tf-keras \(Keras 2\) and Keras before 3.6 write"):
        read_source(tmp_path / "x.weights.h5")
    held["model.weights.h5"] = (tmp_path / "x.weights.h5").read_bytes()
    with zipfile.ZipFile(tmp_path / "old.keras", "w") as archive:
        for name, data in held.items():
            archive.writestr(name, data)
    found = read_source(tmp_path / "old.keras")
    assert all(np.array_equal(found.tensors[name].value, array) for name, array in wanted.items())


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_our_network_inside_another_model(suffix: str, tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    net, image = keras_net(tensors), keras.Input((32, 32, 3))
    cases = {
        "plain": (keras.Model(image, net(image)), ""),
        "head": (keras.Model(image, keras.layers.Softmax()(net(image))), "Softmax(network(image))"),
        "scale": (keras.Model(image, net(keras.layers.Rescaling(2.0)(image))), "network(Rescaling(image))"),
    }
    for name, (model, told) in cases.items():
        path = tmp_path / f"{name}{suffix}"
        (model.save if suffix == ".keras" else model.save_weights)(path)
        if suffix == ".keras" and told:
            with pytest.raises(CheckpointError) as caught:
                read_source(path)
            assert told in str(caught.value)
        else:
            assert same(path, tensors)
            if suffix == ".weights.h5":
                assert any("before and behind layers/res_net" in note for note in read_source(path).notes)


def test_a_head_s_activation_around_our_network_is_kept(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    image = keras.Input((32, 32, 3))
    model = keras.Model(image, keras.layers.Activation("softmax")(keras_net(tensors)(image)))
    model.save(tmp_path / "in.keras")
    found = read_source(tmp_path / "in.keras")
    assert found.architecture.options == {"classifier_activation": "softmax"}


@pytest.fixture(scope="module")
def application() -> keras.Model:
    base = keras.applications.ResNet50(weights=None, include_top=False, input_shape=(32, 32, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(base.output)
    return keras.Model(base.input, keras.layers.Dense(7, name="dense_3")(keras.layers.Dropout(0.2)(pooled)))


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".h5"])
@pytest.mark.filterwarnings("ignore:You are saving")
def test_a_new_head_on_an_application(suffix: str, application: keras.Model, tmp_path: Path) -> None:
    path = tmp_path / f"in{suffix}"
    (application.save_weights if suffix == ".weights.h5" else application.save)(path)
    found = read_source(path)
    assert str(found.architecture) == "resnet50_keras(num_classes=7)"
    assert np.array_equal(found.tensors["fc.weight"].value.T, application.get_layer("dense_3").kernel)


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize`")
def test_quantised_layers_are_named(tmp_path: Path) -> None:
    for mode in ("int8", "int4"):
        model = keras.applications.ResNet50(weights=None, classes=10, input_shape=(32, 32, 3))
        model.quantize(mode)
        model.save_weights(tmp_path / "in.weights.h5")
        with pytest.raises(CheckpointError, match=r"quantised ones \(int8\) in predictions/vars/0"):
            read_source(tmp_path / "in.weights.h5")


def test_a_keras_model_s_state_on_torch(tmp_path: Path) -> None:
    """`torch.save(model.state_dict())` where Keras runs on torch: Keras's names and axes, twice in a Sequential."""
    from parity.checkpoints.naming import scheme_named, to_stored

    wanted = random_tensors("resnet50_keras", num_classes=3)
    scheme, held = scheme_named("keras-applications", "keras"), {}
    for name, array in wanted.items():
        place = to_stored(scheme, "names", name)
        assert place is not None
        laid = array if place.axes is None else np.ascontiguousarray(array.transpose(place.axes))
        held[f"_torch_params.{place.name}"] = torch.from_numpy(laid)
        held[f"_functional._torch_params.{place.name}"] = torch.from_numpy(laid)
    torch.save(held, tmp_path / "in.pth")
    found = read_source(tmp_path / "in.pth")
    assert str(found.architecture) == "resnet50_keras(num_classes=3)"
    assert all(np.array_equal(found.tensors[name].value, array) for name, array in wanted.items())


def describe(**changes: Any) -> str:
    return json.dumps({"model_type": "resnet", "depths": [2, 2, 2, 2], "layer_type": "basic", **changes})


def test_a_configuration_beside_the_only_weights_of_a_folder(tmp_path: Path) -> None:
    """Whatever they are called."""
    parity.convert(
        save_safetensors(tmp_path / "x.safetensors", random_tensors("resnet18", num_classes=3)),
        tmp_path / "a.safetensors",
    )
    (tmp_path / "x.safetensors").unlink()
    parity.convert(tmp_path / "a.safetensors", tmp_path / "a.safetensors", naming="transformers")
    (tmp_path / "config.json").write_text(describe(hidden_sizes=[64, 128, 256, 512], hidden_act="gelu"))
    with pytest.raises(CheckpointError, match="hidden_act is 'gelu'"):
        read_source(tmp_path / "a.safetensors")


def test_a_tree_of_layers_is_one_network_and_named(tmp_path: Path) -> None:
    """As Flax and Haiku nest their arrays: it is not taken for many networks."""
    layer = {"Conv_0": {"kernel": np.ones((3, 3, 4, 4), "f4")}, "BatchNorm_0": {"scale": np.ones(4, "f4")}}
    tree = {"params": {f"ResNetBlock_{number}": layer for number in range(8)}, "step": 3}
    (tmp_path / "in.pkl").write_bytes(pickle.dumps(tree))
    with pytest.raises(CheckpointError, match=r"a ResNet of Flax's names: it pads as SAME does"):
        read_source(tmp_path / "in.pkl")


def test_transformers_for_tensorflow(tmp_path: Path) -> None:
    """tf_model.h5: the older form of HDF5, its layers under the model's own name."""
    wanted, top = random_tensors("resnet18", num_classes=3), "tf_res_net_for_image_classification"
    from parity.checkpoints.naming import scheme_named, to_stored

    scheme = scheme_named("tf-transformers", "keras")
    with h5py.File(tmp_path / "tf_model.h5", "w") as file:
        file.attrs["layer_names"] = [b"resnet", b"classifier"]
        for name, array in wanted.items():
            place = to_stored(scheme, "names", name)
            assert place is not None
            group = "classifier" if name.startswith("fc.") else "resnet"
            value = array if place.axes is None else array.transpose(place.axes)
            file[f"{group}/{top}/{place.name}:0"] = np.ascontiguousarray(value)
    found = read_source(tmp_path / "tf_model.h5")
    assert (found.architecture.name, found.scheme) == ("resnet18", f"tf-transformers ({top}/)")
    assert all(np.array_equal(found.tensors[name].value, array) for name, array in wanted.items())


def test_distributed_tensors_are_named(tmp_path: Path) -> None:
    """DTensors of FSDP2: the way to a whole state_dict is said."""
    from parity.checkpoints.nests import state_of
    from parity.checkpoints.objects import meaning
    from parity.checkpoints.pickles import Global, Thing

    made = Global("torch._utils._rebuild_wrapper_subclass"), Global("torch.distributed.tensor.DTensor"), (), {}
    tensor = meaning(Thing(Global("torch._tensor._rebuild_from_type_v2"), made))
    with pytest.raises(CheckpointError, match=r"1 are not: fc.weight \(DTensor\).*full_state_dict=True"):
        state_of({"fc.weight": tensor, "fc.bias": np.ones(3)}, "in.pth")
