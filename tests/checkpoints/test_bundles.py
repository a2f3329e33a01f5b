"""TensorFlow's checkpoints and SavedModels, and ONNX's models, are read by their bytes; what they state is believed."""

from contextlib import suppress
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import resnet_keras
from parity.checkpoints.files import read
from parity.checkpoints.graph import module_words
from parity.checkpoints.recognize import Architecture
from parity.checkpoints.source import Source, read_source
from parity.errors import CheckpointError
from parity.frameworks.keras.side import KerasSide

from .helpers import SMALL, random_tensors
from .protobuf import node, onnx_model, onnx_nodes


@pytest.fixture(scope="module")
def tensors() -> dict[str, np.ndarray]:
    return random_tensors()


def same(found: Source, tensors: dict[str, np.ndarray]) -> bool:
    held = {name: tensor.value for name, tensor in found.tensors.items()}
    return held.keys() == tensors.keys() and all(np.array_equal(held[name], array) for name, array in tensors.items())


@pytest.fixture(scope="module")
def model(tensors: dict[str, np.ndarray]) -> keras.Model:
    made = resnet_keras.cifar_resnet20()
    side = KerasSide(made)
    for name, array in tensors.items():
        side.load(name, array)
    return made


def test_a_checkpoint_by_any_of_its_names(model: keras.Model, tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    tf.train.Checkpoint(model=model).write(str(tmp_path / "ckpt-1"))
    for name in ("ckpt-1.index", "ckpt-1.data-00000-of-00001", "ckpt-1", "."):
        found = read_source(tmp_path / name)
        assert found.architecture.name == SMALL
        assert same(found, tensors)


def test_a_saved_model(model: keras.Model, tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    model.export(str(tmp_path / "saved"), verbose=False)
    for path in (tmp_path / "saved", tmp_path / "saved" / "saved_model.pb"):
        found = read_source(path)
        assert same(found, tensors)
        assert any("the program of the SavedModel is not read" in note for note in found.notes)


def test_the_newest_checkpoint_of_a_training(
    model: keras.Model, tensors: dict[str, np.ndarray], tmp_path: Path
) -> None:
    manager = tf.train.CheckpointManager(tf.train.Checkpoint(model=model), str(tmp_path), max_to_keep=3)
    manager.save()
    manager.save()
    assert same(read_source(tmp_path), tensors)


@pytest.mark.parametrize("fault", ["cut", "flipped", "no data", "short data"])
def test_a_damaged_checkpoint(fault: str, model: keras.Model, tmp_path: Path) -> None:
    tf.train.Checkpoint(model=model).write(str(tmp_path / "c"))
    index, data = tmp_path / "c.index", tmp_path / "c.data-00000-of-00001"
    held = index.read_bytes()
    if fault == "cut":
        index.write_bytes(held[: len(held) // 2])
    elif fault == "flipped":
        index.write_bytes(held[:200] + b"\xff" * 9 + held[209:])
    elif fault == "no data":
        data.unlink()
    else:
        data.write_bytes(data.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"fetch it|must hold the"):
        read_source(index)


def test_every_cut_of_an_index_is_one_sentence(model: keras.Model, tmp_path: Path) -> None:
    tf.train.Checkpoint(model=model).write(str(tmp_path / "c"))
    held = (tmp_path / "c.index").read_bytes()
    draw = np.random.default_rng(0)
    for _ in range(200):
        changed = bytearray(held)
        for place in draw.integers(5, len(held), 3):
            changed[place] = draw.integers(256)
        (tmp_path / "c.index").write_bytes(changed)
        with suppress(CheckpointError):  # and nothing else
            read_source(tmp_path / "c.index")


def written(path: Path, nodes: list[bytes], tensors: dict[str, np.ndarray]) -> Path:
    path.write_bytes(onnx_model(tensors, nodes))
    return path


@pytest.mark.parametrize("options", [{}, {"shortcut": "B"}])
def test_an_onnx_model(options: dict[str, str], tmp_path: Path) -> None:
    architecture = Architecture(SMALL, options)
    tensors = random_tensors(SMALL, **options)
    nodes = onnx_nodes(module_words(architecture.config), tensors)
    found = read_source(written(tmp_path / "in.onnx", nodes, tensors))
    assert found.architecture == architecture
    assert same(found, tensors)


CHANGED = {
    "strides": ("layer2.0.conv1 strides", 1),
    "padding": ("conv1 padding", 0),
    "epsilon": ("layer1.0.bn1 epsilon", 1e-3),
}


@pytest.mark.parametrize("fault", CHANGED)
def test_what_an_onnx_model_states_is_believed(fault: str, tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    setting, value = CHANGED[fault]
    words = module_words(Architecture(SMALL).config) | {setting: value}
    with pytest.raises(CheckpointError, match=f"{setting} is {value} and not"):
        read_source(written(tmp_path / "in.onnx", onnx_nodes(words, tensors), tensors))


def test_operations_that_no_network_of_ours_has(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    nodes = [*onnx_nodes(module_words(Architecture(SMALL).config), tensors), node("LeakyRelu", ["x"], "z", alpha=0.1)]
    with pytest.raises(CheckpointError, match="LeakyRelu at"):
        read_source(written(tmp_path / "in.onnx", nodes, tensors))


@pytest.mark.parametrize("kind", ["Slice", "Gather", "Pad", "Transpose", "Mul"])
def test_what_is_done_to_the_image_is_told(kind: str, tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    nodes = [node(kind, ["image", "c"], "x"), *onnx_nodes(module_words(Architecture(SMALL).config), tensors)]
    (tmp_path / "in.onnx").write_bytes(onnx_model(tensors, nodes, "image"))
    with pytest.raises(CheckpointError, match=f"{kind} at"):
        read_source(tmp_path / "in.onnx")


def test_norms_that_were_folded(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    nodes = [node("Conv", ["x", "onnx::Conv_1", "onnx::Conv_2"], "y"), node("Relu", ["y"], "x")]
    held = {"onnx::Conv_1": tensors["conv1.weight"], "onnx::Conv_2": tensors["bn1.bias"]}
    with pytest.raises(CheckpointError, match="folded into its convolutions"):
        read_source(written(tmp_path / "in.onnx", nodes, held))


def test_a_model_of_one_s_own_needs_no_norms(tmp_path: Path) -> None:
    held = {"conv.weight": np.ones((4, 3, 3, 3), "f4"), "conv.bias": np.ones(4, "f4")}
    nodes = [node("Conv", ["x", "conv.weight", "conv.bias"], "y")]
    tensors = read(written(tmp_path / "in.onnx", nodes, held)).tensors
    assert tensors.keys() == held.keys()


def test_a_message_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "in.onnx").write_bytes(b"\x08\x07\x12\x07pytorch\x1a\x052.0.0" + b"\xff" * 40)
    with pytest.raises(CheckpointError, match="an ONNX model or another protocol buffer, and is no sound model"):
        read_source(tmp_path / "in.onnx")
