"""The Keras models do what any `keras.Model` does: summary, fit, save, load, export, freeze, copy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import resnet_keras

from .citizens import BLOCKS, LOSS, X, Y, assert_complete, functional, numbers, rows, summary
from .helpers import VARIANTS, blueprint, run_python, small

pytestmark = pytest.mark.usefixtures("wide_terminal")


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


def test_a_clone_has_the_same_shapes_and_fresh_weights(model: keras.Model) -> None:
    clone = keras.models.clone_model(model)
    assert clone.config == model.config
    assert not np.array_equal(clone.conv1.kernel, model.conv1.kernel)


def test_other_sizes_than_the_one_it_was_built_at(model: keras.Model) -> None:
    assert model(np.zeros((2, 40, 57, 3), "float32")).shape == (2, 7)
