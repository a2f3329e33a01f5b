"""The Keras batch norm keeps torch's unbiased running variance, in every mode, dtype and option."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn

import resnet_keras
import resnet_torch
from resnet_keras import layers

from .helpers import copy_weights, gap, image, run_python
from .values import MODES, PRECISION, arrays

SHAPES = {"image": (3, 5, 4, 6), "odd": (2, 1, 3, 6), "rows": (7, 6)}


def torch_norm(x: np.ndarray) -> nn.Module:
    """The reference, after one step: float64, so that only the other side rounds."""
    norm = (nn.BatchNorm1d if x.ndim == 2 else nn.BatchNorm2d)(x.shape[-1], eps=1e-3, momentum=0.25).double()
    norm(torch.from_numpy(np.moveaxis(x.astype("float64"), -1, 1)))
    return norm


def keras_norm(dtype: str, **options: Any) -> layers.BatchNormalization:
    return layers.BatchNormalization(epsilon=1e-3, momentum=0.75, dtype=dtype, **options)


def batch(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    x = np.random.default_rng(0).normal(3.0, 2.0, shape)
    return keras.ops.convert_to_numpy(keras.ops.cast(x, dtype))  # rounded once, for both sides


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_running_variance_is_unbiased(shape: tuple[int, ...], dtype: str, mode: Callable[..., Any]) -> None:
    """Of 7 values or so the biased variance is a seventh smaller: 4 % of what is kept, beyond any rounding."""
    compute = dtype.removeprefix("mixed_")
    x, norm = batch(shape, compute), keras_norm(dtype)
    norm.build(shape)
    step = mode(lambda x: norm(x, training=True))
    outputs = step(x)
    reference = torch_norm(x)
    mean, variance = arrays(norm.moving_mean, norm.moving_variance)
    stored = compute if compute == dtype else "float32"
    assert gap(mean, reference.running_mean) <= PRECISION[stored]
    assert gap(variance, reference.running_var) <= PRECISION[stored]
    expected = reference(torch.from_numpy(np.moveaxis(x.astype("float64"), -1, 1))).detach().numpy()
    assert gap(np.moveaxis(*arrays(outputs), -1, 1), expected) <= PRECISION[compute]


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "mixed_bfloat16"])
def test_a_frozen_norm_is_in_inference_mode(dtype: str, mode: Callable[..., Any]) -> None:
    x, norm = batch((3, 5, 4, 6), dtype.removeprefix("mixed_")), keras_norm(dtype)
    norm(x, training=True)
    norm.trainable = False
    before = arrays(*norm.weights)
    outputs = mode(lambda x: norm(x, training=True))(x)
    for actual, expected in zip(arrays(*norm.weights), before, strict=True):
        np.testing.assert_array_equal(actual, expected)
    np.testing.assert_allclose(*arrays(outputs, norm(x, training=False)), rtol=1e-2 if "16" in dtype else 1e-5)


@pytest.mark.parametrize("options", [{"scale": False}, {"center": False}, {"axis": 1}], ids=str)
def test_every_option_of_the_norm_keeps_the_unbiased_variance(options: dict[str, Any]) -> None:
    x, norm = batch((3, 5, 4, 6), "float32"), keras_norm("float32", **options)
    norm(x, training=True)
    channels_last = np.moveaxis(x, 1, -1) if "axis" in options else x
    assert gap(*arrays(norm.moving_variance), torch_norm(channels_last).running_var) <= 1e-6


SYNCHRONIZED = """
import numpy as np, tensorflow as tf
processor = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
from resnet_keras import layers
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
x = np.random.default_rng(0).normal(3.0, 2.0, (4, 2, 1, 3)).astype("float32")
with strategy.scope():
    norm = layers.BatchNormalization(momentum=0.25, synchronized=True)
    norm.build((None, 2, 1, 3))
batches = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensors(x).unbatch().batch(4))
step = tf.function(lambda iterator: strategy.run(lambda x: norm(x, training=True), args=(next(iterator),)))
step(iter(batches))
np.testing.assert_allclose(norm.moving_mean, 0.75 * x.mean((0, 1, 2)), rtol=1e-5)
np.testing.assert_allclose(norm.moving_variance, 0.25 + 0.75 * x.var((0, 1, 2), ddof=1), rtol=1e-5)
"""


def test_a_synchronized_norm_counts_the_pixels_of_all_replicas() -> None:
    """As torch.nn.SyncBatchNorm: of 8 pixels on two devices the biased variance is an eighth smaller."""
    run_python(SYNCHRONIZED)


def test_the_fused_path_is_what_runs_in_float32_and_the_general_path_elsewhere() -> None:
    ran: dict[str, bool] = {}
    for dtype in ("float32", "float16", "bfloat16", "float64"):
        norm = keras_norm(dtype)
        norm(batch((3, 5, 4, 6), dtype), training=True)
        step = tf.function(lambda x, norm=norm: norm(x, training=True))
        graph = step.get_concrete_function(tf.TensorSpec((3, 5, 4, 6), dtype)).graph
        ran[dtype] = any(operation.type == "FusedBatchNormV3" for operation in graph.get_operations())
    assert ran == {"float32": True, "float16": True, "bfloat16": True, "float64": False}


@pytest.mark.usefixtures("floatx64")
def test_training_a_network_is_torchs_training() -> None:
    """Three steps of SGD by `fit`; then every weight and running statistic is torch's.

    Momentum is a power of two: Keras rounds it to float32 on its way, in float64 too.
    """
    theirs, reference = (resnet_keras.cifar_resnet20(input_size=16) for _ in range(2))
    ours = resnet_torch.cifar_resnet20().double()
    copy_weights(ours, theirs)
    x, y = image(4, 3, 16, 16), np.array([1, 2, 3, 4])
    optimizer = torch.optim.SGD(ours.parameters(), lr=0.1, momentum=0.5)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    theirs.compile(keras.optimizers.SGD(0.1, momentum=0.5), loss)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(ours(torch.from_numpy(x)), torch.from_numpy(y)).backward()
        optimizer.step()
        theirs.fit(x.transpose(0, 2, 3, 1), y, batch_size=4, verbose=0)
    copy_weights(ours, reference)
    for actual, expected in zip(theirs.weights, reference.weights, strict=True):
        assert gap(*arrays(actual, expected)) <= 1e-11, expected.path
