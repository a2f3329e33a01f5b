"""The Keras models saved, loaded, exported and copied as any `keras.Model` is."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

import resnet_keras
from resnet_keras.base import Block

from .citizens import BLOCKS, SMALL, X, Y, assert_complete, assert_same_bits, functional, numbers, summary, trained
from .helpers import TINY, gap, keras_layers, policy, run_python, small

pytestmark = pytest.mark.usefixtures("wide_terminal")


def test_keras_file_brings_back_weights_optimizer_and_metrics(model: keras.Model, tmp_path: Path) -> None:
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is resnet_keras.ResNet
    assert loaded.config == model.config
    assert_same_bits(loaded, model, X)
    for ours, theirs in zip(loaded.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(numbers(ours), numbers(theirs), err_msg=theirs.path)
    assert loaded.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)


def test_weights_file_into_a_fresh_model(model: keras.Model, tmp_path: Path) -> None:
    model.save_weights(tmp_path / "model.weights.h5")
    fresh = resnet_keras.resnet18(**TINY)
    fresh.load_weights(tmp_path / "model.weights.h5")
    assert_same_bits(fresh, model, X)


@pytest.mark.parametrize("name", ["resnet18", "resnext50_32x4d", "cifar_resnet20", "resnet18_d2l", "plain18"])
def test_weights_file_is_keyed_by_canonical_paths(name: str, tmp_path: Path) -> None:
    model = getattr(resnet_keras, name)(input_size=33)
    model.save_weights(tmp_path / "model.weights.h5")
    keys: list[str] = []
    with h5py.File(tmp_path / "model.weights.h5") as file:
        file.visititems(lambda key, item: keys.append(key) if isinstance(item, h5py.Dataset) else None)
    expected = {
        f"{path.replace('.', '/')}/vars/{number}"
        for path, layer in keras_layers(model).items()
        if not hasattr(layer, "layers")
        for number in range(len(layer.weights))
    }
    assert set(keys) == expected
    assert len(keys) == len(model.weights)


def test_weights_of_a_users_block_are_keyed_by_attribute(tmp_path: Path) -> None:
    """Keras walks a layer in alphabetical order: here past `layers` and the argument to the attribute."""

    class Custom(Block):
        def __init__(self, project: keras.layers.Layer) -> None:
            super().__init__()
            self.project = project

        def call(self, x: Any) -> Any:
            return self.project(x)

    model = functional(block := Custom(keras.layers.Conv2D(4, 1)))
    model.save_weights(tmp_path / "model.weights.h5")
    with h5py.File(tmp_path / "model.weights.h5") as file:
        np.testing.assert_array_equal(file[f"layers/{block.name}/project/vars/0"], block.project.kernel)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(numbers(loaded(SMALL)), numbers(model(SMALL)))


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "float64"])
def test_saving_keeps_the_dtype_policy(dtype: str, tmp_path: Path) -> None:
    with policy(dtype):
        model = trained(small(resnet_keras))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert {layer.dtype_policy.name for layer in keras_layers(loaded).values()} == {dtype}
    assert keras.config.dtype_policy().name == "float32"
    assert_same_bits(loaded, model, X)


FRESH = """
import numpy as np, resnet_keras, keras
for number in range({count}):
    model = keras.models.load_model(f"{folder}/{{number}}.keras")
    x = np.load(f"{folder}/x{{number}}.npy")
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(x)), np.load(f"{folder}/y{{number}}.npy"))
print("the same")
"""


def test_a_fresh_process_loads_after_importing_resnet_keras_alone(model: keras.Model, tmp_path: Path) -> None:
    with policy("mixed_bfloat16"):
        mixed = trained(small(resnet_keras))
    models = [model, mixed, *(functional(make()) for make in BLOCKS.values())]
    for number, saved in enumerate(models):
        x = SMALL if saved.layers[0].name.startswith("input") else X
        saved.save(tmp_path / f"{number}.keras")
        np.save(tmp_path / f"x{number}.npy", x)
        np.save(tmp_path / f"y{number}.npy", numbers(saved(x)).astype("float32"))
    assert run_python(FRESH.format(count=len(models), folder=tmp_path)).strip() == "the same"


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("make", BLOCKS.values(), ids=BLOCKS)
def test_a_block_in_a_functional_model_saves_and_loads(make: Callable[[], Any], dtype: str, tmp_path: Path) -> None:
    with policy(dtype):
        model = functional(make())
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_same_bits(loaded, model, SMALL)


def test_a_network_as_a_layer_of_another_model(tmp_path: Path) -> None:
    inputs = keras.Input((33, 33, 3))
    features = small(resnet_keras, num_classes=0)(inputs)
    model = trained(keras.Model(inputs, keras.layers.Dense(5)(features)))
    model.save(tmp_path / "model.keras")
    assert_same_bits(keras.models.load_model(tmp_path / "model.keras"), model, X)
    assert_complete(summary(model, expand_nested=True))


def test_frozen_layers_stay_frozen_after_loading(tmp_path: Path) -> None:
    model = small(resnet_keras)
    model.layer1.trainable = False
    model.layer2.layers[0].bn1.trainable = False
    trained(model).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    frozen = {path for path, layer in keras_layers(loaded).items() if not layer.trainable}
    assert frozen == {path for path, layer in keras_layers(model).items() if not layer.trainable}
    assert {"layer1", "layer1.0.conv2", "layer2.0.bn1"} <= frozen
    assert "layer2.0" not in frozen
    assert [weight.path for weight in loaded.trainable_weights] == [weight.path for weight in model.trainable_weights]


NETS: dict[str, dict[str, Any]] = {
    "imagenet": {"stem": "imagenet"},
    "grouped": {"block": "bottleneck", "groups": 4, "width_per_group": 32},
    "option-a": {"shortcut": "A"},
    "d2l": {"block": "residual", "stem": "same"},
}


@pytest.mark.parametrize("fields", NETS.values(), ids=NETS)
def test_export_to_saved_model(fields: dict[str, Any], tmp_path: Path) -> None:
    model, x = small(resnet_keras, **fields), X
    model.export(tmp_path / "saved", verbose=False)
    saved = tf.saved_model.load(tmp_path / "saved")
    assert gap(saved.serve(x), model(x)) < 1e-5


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["copy", "pickle"])
def test_copies_are_equal_and_independent(model: keras.Model, duplicate: Callable[[Any], Any]) -> None:
    twin = duplicate(model)
    assert_same_bits(twin, model, X)
    twin.fc.bias.assign_add([1.0] * 7)
    assert not np.array_equal(twin(X), model(X))
