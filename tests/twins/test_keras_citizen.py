"""The Keras models do what any `keras.Model` does: summary, fit, save, load, export, freeze, copy."""

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
from resnet_keras import BasicBlock, Bottleneck, Residual, ResnetBlock, ResNeXtA, ResNeXtB, ResNeXtC
from resnet_keras.base import Block

from .helpers import TINY, VARIANTS, blueprint, gap, keras_layers, policy, run_python, small

X = np.random.default_rng(0).random((4, 33, 33, 3), "float32")
SMALL = np.random.default_rng(1).random((2, 9, 8, 6), "float32")
Y = np.array([0, 1, 2, 3])
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
BLOCKS: dict[str, Callable[[], Any]] = {
    "residual": lambda: Residual(8, True, 2),
    "basic": lambda: BasicBlock(6, 8, 2),
    "basic-A": lambda: BasicBlock(6, 8, stride=2, shortcut="A"),
    "basic-none": lambda: BasicBlock(6, 8, shortcut="none"),
    "bottleneck": lambda: Bottleneck(6, 4, 2, bias=True, stride_in_1x1=True),
    "resnext-a": lambda: ResNeXtA(6, 64, 2, groups=2),
    "resnext-b": lambda: ResNeXtB(6, 64, 2, groups=2),
    "resnext-c": lambda: ResNeXtC(6, 64, 2, groups=2),
    "stage": lambda: ResnetBlock(8, 2),
}


def trained(model: keras.Model, x: np.ndarray = X) -> keras.Model:
    """One epoch, so that statistics, weights and optimizer are no longer as they were made."""
    model.compile("adam", LOSS, metrics=["accuracy"])
    model.fit(x, Y, batch_size=2, verbose=0)
    return model


def functional(block: Any) -> keras.Model:
    inputs = keras.Input((9, 8, 6))
    outputs = keras.layers.Dense(3)(keras.layers.GlobalMaxPooling2D()(block(inputs)))
    return keras.Model(inputs, outputs)


def numbers(values: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(values)


def assert_same_bits(actual: keras.Model, expected: keras.Model, x: np.ndarray) -> None:
    assert [weight.path for weight in actual.weights] == [weight.path for weight in expected.weights]
    for ours, theirs in zip(actual.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(numbers(ours), numbers(theirs), err_msg=theirs.path)
    np.testing.assert_array_equal(numbers(actual(x)), numbers(expected(x)))


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return trained(resnet_keras.resnet18(**TINY))


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A summary is cropped to the terminal, and what is cropped cannot be checked."""
    monkeypatch.setenv("COLUMNS", "250")


def summary(model: keras.Model, **options: Any) -> str:
    lines: list[str] = []
    model.summary(print_fn=lines.append, line_length=240, **options)
    return "\n".join(lines)


def rows(text: str) -> dict[str, list[str]]:
    """A summary's table: output shape and parameters by the layer's name and type."""
    lines = [line.split("│")[1:4] for line in text.splitlines() if line.startswith("│")]
    return {name.strip(): [cell.strip() for cell in rest] for name, *rest in lines}


def assert_complete(text: str) -> None:
    assert "?" not in text
    assert "unbuilt" not in text
    assert all(shape.strip("[").startswith("(None, ") and count for shape, count in rows(text).values())


def test_is_tf_keras_model(model: keras.Model) -> None:
    assert isinstance(model, tf.keras.Model)


KINDS = ("resnet18", "resnet50_v1", "resnext50_32x4d", "cifar_resnet20", "plain18", "resnet18_d2l", "resnet50_keras")
BY_SIZE = [pytest.param(name, marks=() if name in KINDS else pytest.mark.slow) for name in VARIANTS]


@pytest.mark.parametrize("name", BY_SIZE)
def test_summary_is_complete(name: str) -> None:
    model = blueprint(resnet_keras.VARIANTS[name])
    for text in (summary(model), summary(model, expand_nested=True)):
        assert_complete(text)
        assert f"Total params: {model.count_params():,}" in text


def test_summary_shows_true_shapes_and_counts(model: keras.Model) -> None:
    table = rows(summary(model))
    assert table["conv1 (Conv2D)"] == ["(None, 17, 17, 64)", "9,408"]
    assert table["maxpool (MaxPooling2D)"] == ["(None, 9, 9, 64)", "0"]
    assert table["layer4 (ResnetBlock)"] == ["(None, 2, 2, 512)", "8,398,848"]
    assert table["fc (Dense)"] == ["(None, 7)", "3,591"]
    nested = summary(model, expand_nested=True)
    assert nested.count("(BasicBlock)") == 8
    assert nested.count("(Conv2D)") == 20


@pytest.mark.parametrize("make", BLOCKS.values(), ids=BLOCKS)
def test_summary_of_a_block_in_a_functional_model(make: Callable[[], Any]) -> None:
    text = summary(functional(make()), expand_nested=True)
    assert_complete(text)
    assert "bn1 (BatchNormalization)" in text


def test_fit_learns_and_evaluate_and_predict_agree() -> None:
    keras.utils.set_random_seed(0)
    y = np.arange(32) % 4
    x = np.random.default_rng(0).normal(y[:, None, None, None], 0.1, (32, 16, 16, 3))  # each class its own brightness
    model = small(resnet_keras, num_classes=4)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), LOSS, metrics=["accuracy"])
    losses = model.fit(x, y, batch_size=8, epochs=12, verbose=0).history["loss"]
    assert losses[-1] < 0.2 * losses[0]
    loss, accuracy = model.evaluate(x, y, verbose=0)
    logits = model.predict(x, verbose=0)
    assert loss == pytest.approx(float(LOSS(y, logits)), rel=1e-5)
    assert accuracy == (logits.argmax(1) == y).mean()


def test_a_train_step_is_traced_once() -> None:
    """Variables made while it is traced would have TensorFlow trace it again."""
    model = small(resnet_keras, num_classes=4)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), LOSS)
    calls, plain = [], model.call
    model.__dict__["call"] = lambda *args, **kwargs: calls.append(1) or plain(*args, **kwargs)
    model.train_on_batch(X, Y)
    model.train_on_batch(X, Y)
    assert len(calls) == 1


def test_what_is_thawed_after_compile_is_trained() -> None:
    model = small(resnet_keras, num_classes=4)
    model.fc.trainable = False
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), LOSS)
    model.fc.trainable = True
    before = numbers(model.fc.kernel).copy()
    model.train_on_batch(X, Y)
    assert not np.array_equal(numbers(model.fc.kernel), before)


@pytest.mark.parametrize("count", [1, 4, 5])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_predict_is_kerass(dtype: str, count: int) -> None:
    """With or without the shortcut for one batch; a callback is called."""
    model, x = small(resnet_keras), np.random.default_rng(0).integers(0, 255, (count, 33, 33, 3)).astype(dtype)
    expected = keras.Model.predict(model, x, batch_size=4, verbose=0)
    batches: list[int] = []
    counting = keras.callbacks.LambdaCallback(on_predict_batch_end=lambda batch, logs: batches.append(batch))
    for options in ({}, {"callbacks": [counting]}):
        actual = model.predict(x, batch_size=4, verbose=0, **options)
        assert type(actual) is np.ndarray
        assert actual.dtype == expected.dtype
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
    assert batches == list(range(-(-count // 4)))
    model(x[:1])
    assert model.predict(x, 4, 0, None, None).shape == expected.shape


ON_TWO_DEVICES = """
import numpy as np, tensorflow as tf
processor = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
import resnet_keras
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    model = resnet_keras.cifar_resnet20()
print(model.predict(np.zeros((4, 32, 32, 3), "float32"), verbose=0).shape)
"""


def test_predict_on_two_devices_gives_every_output_once() -> None:
    assert run_python(ON_TWO_DEVICES).strip() == "(4, 10)"


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


def test_a_block_keeps_its_name_and_a_subclass_its_own_registration(tmp_path: Path) -> None:
    class BasicBlock(resnet_keras.BasicBlock):
        """Somebody else's, of the same name."""

    first, second = resnet_keras.BasicBlock(6, 6), BasicBlock(6, 6)
    first.name = "stem"
    inputs = keras.Input((9, 8, 6))
    keras.Model(inputs, second(first(inputs))).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert [type(layer) for layer in loaded.layers[1:]] == [resnet_keras.BasicBlock, BasicBlock]
    assert loaded.layers[1].name == "stem"


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


def test_a_clone_has_the_same_shapes_and_fresh_weights(model: keras.Model) -> None:
    clone = keras.models.clone_model(model)
    assert clone.config == model.config
    assert not np.array_equal(clone.conv1.kernel, model.conv1.kernel)


def test_other_sizes_than_the_one_it_was_built_at(model: keras.Model) -> None:
    assert model(np.zeros((2, 40, 57, 3), "float32")).shape == (2, 7)
