"""The Keras layers that differ from Keras's own: batch norm, convolution, pooling, dense."""

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
from resnet_keras import grouped, layers

from .helpers import gap, image, nchw, policy
from .values import MODES, PRECISION, arrays

GROUPED = [
    {"groups": 2, "padding": 1},
    {"groups": 4, "strides": 2, "padding": 1},
    {"groups": 8},
    {"groups": 8, "strides": 2},
    {"groups": 8, "dilation_rate": 2},
    {"groups": 2, "padding": "same", "strides": 2},
    {"groups": 2, "dilation_rate": 2, "padding": 2},
    {"groups": 2, "dilation_rate": 2, "padding": 2, "strides": 2},
]


def convolutions(options: dict[str, Any], dtype: str) -> tuple[Any, Any]:
    """Our layer and Keras's own, which sends groups through XLA, on an input already padded."""
    options = dict(options)
    ours = layers.Conv2D(16, 3, dtype=dtype, **options)
    pixels = options.pop("padding", 0)
    options["padding"] = "same" if pixels == "same" else "valid"
    stride = options.pop("strides", 1)
    if options.get("dilation_rate", 1) == 1:
        options["strides"], stride = stride, 1
    native = keras.layers.Conv2D(16, 3, dtype=dtype, **options)
    margin = pixels if isinstance(pixels, int) else 0

    def reference(x: Any) -> Any:
        return native(keras.layers.ZeroPadding2D(margin, dtype=dtype)(x))[:, ::stride, ::stride]

    ours.build((None, 9, 8, 8))
    native.build((None, 9, 8, 8))
    ours.set_weights([np.random.default_rng(0).normal(size=weight.shape) for weight in ours.weights])
    native.set_weights(ours.get_weights())
    return (ours, ours), (reference, native)


def value_and_gradients(call: Any, layer: Any, x: tf.Tensor, mode: Callable[..., Any]) -> list[np.ndarray]:
    def run(x: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = call(x)
            loss = tf.reduce_sum(y**2)
        return [y, *tape.gradient(loss, [x, *(weight.value for weight in layer.weights)])]

    return arrays(*mode(run)(x))


RUNS = [(mode, dtype) for dtype in ("float32", "float64") for mode in MODES]
# Every form in one way to run, one form in every way; all of both are of the exhaustive sweep.
GROUPED_RUNS = [
    pytest.param(
        options,
        dtype,
        mode,
        id="-".join(map(str, [*options.values(), mode, dtype])),
        marks=() if (mode, dtype) == ("graph", "float32") or options is GROUPED[1] else pytest.mark.slow,
    )
    for options in GROUPED
    for mode, dtype in [*RUNS, ("graph", "bfloat16"), ("graph", "float16"), ("xla", "bfloat16")]
]


@pytest.mark.parametrize(("options", "dtype", "mode"), GROUPED_RUNS)
@pytest.mark.parametrize("kernels", ["as chosen", "without a gradient"])
def test_grouped_convolution_is_kerass(
    kernels: str, options: dict[str, Any], dtype: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On TensorFlow's grouped kernels, if this processor has their gradient, and on those that stand in for them."""
    if kernels == "without a gradient":
        monkeypatch.setattr(grouped, "has_gradient", lambda *_: False)
    ours, reference = convolutions(options, dtype)
    x = tf.constant(np.random.default_rng(1).normal(size=(2, 9, 8, 8)), dtype)
    bound = PRECISION[dtype] * 10
    for actual, expected in zip(
        value_and_gradients(*ours, x, MODES[mode]), value_and_gradients(*reference, x, MODES[mode]), strict=True
    ):
        assert gap(actual, expected) <= bound


ONE_BY_ONE: list[dict[str, Any]] = [{}, {"use_bias": False}, {"activation": "relu"}, {"strides": 2}, {"groups": 2}]


@pytest.mark.parametrize(("mode", "dtype"), [*RUNS, ("graph", "bfloat16"), ("graph", "float16")])
@pytest.mark.parametrize("options", ONE_BY_ONE, ids=str)
def test_a_1x1_convolution_in_training_is_kerass(options: dict[str, Any], dtype: str, mode: str) -> None:
    """It runs as a matrix product then, unless it has a stride or groups."""
    ours, native = (kind(16, 1, dtype=dtype, **options) for kind in (layers.Conv2D, keras.layers.Conv2D))
    x = tf.constant(np.random.default_rng(1).normal(size=(2, 9, 7, 8)), dtype)
    for layer in (ours, native):
        layer.build(x.shape)
    ours.set_weights([np.random.default_rng(0).normal(size=weight.shape) for weight in ours.weights])
    native.set_weights(ours.get_weights())
    actual = value_and_gradients(lambda x: ours(x, training=True), ours, x, MODES[mode])
    expected = value_and_gradients(native, native, x, MODES[mode])
    assert all(gap(*pair) <= 10 * PRECISION[dtype] for pair in zip(actual, expected, strict=True))


def operations(layer: Any, shape: tuple[int | None, ...], training: bool) -> list[str]:
    """The operations of TensorFlow's graph of the layer; its output has the shape that the layer said."""
    function = tf.function(lambda x: layer(x, training=training))
    concrete = function.get_concrete_function(tf.TensorSpec(shape, "float32"))
    assert tuple(concrete.output_shapes) == layer.compute_output_shape(shape)
    return [operation.type for operation in concrete.graph.get_operations()]


def test_a_1x1_convolution_is_a_product_in_training_alone() -> None:
    for shape in ((None, 9, 7, 8), (None, None, None, 8), (2, 9, 7, 8)):
        layer = layers.Conv2D(16, 1)
        layer.build((None, 9, 7, 8))
        assert "MatMul" in operations(layer, shape, training=True)
        assert "Conv2D" in operations(layer, shape, training=False)  # TensorFlow fuses it with what follows
    assert "Conv2D" in operations(layers.Conv2D(16, 1, 2), (2, 9, 7, 8), training=True)


@pytest.mark.parametrize(
    ("options", "padded"),
    [
        ({"padding": 1}, False),
        ({"padding": 2, "dilation_rate": 2}, False),
        ({"padding": 1, "groups": 2}, False),
        ({"padding": "same", "strides": 2}, False),
        ({}, False),
        ({"padding": 1, "strides": 2}, True),
        ({"padding": 2}, True),
        ({"padding": 1, "dilation_rate": 2}, True),
    ],
    ids=str,
)
def test_explicit_padding_only_where_same_differs(options: dict[str, Any], padded: bool) -> None:
    for training in (False, True):
        found = operations(layers.Conv2D(4, 3, **options), (2, 9, 8, 4), training)
        assert ("Pad" in found) == padded, found


@pytest.mark.parametrize("dtype", ["float32", "float64", "mixed_bfloat16"])
@pytest.mark.parametrize("jit", [False, True], ids=["graph", "xla"])
def test_a_grouped_network_trains(dtype: str, jit: bool) -> None:
    """Compiled too: `supports_jit` is true, and "auto" relies on it."""
    with policy(dtype):
        block = resnet_keras.ResNeXtC(8, 16, 2, groups=4, width_per_group=16)
        inputs = keras.Input((9, 8, 8))
        model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(block(inputs)))
    assert all(layer.supports_jit for layer in (block, *block.layers))
    model.compile("sgd", "mse", jit_compile=jit)
    before = arrays(block.conv2.kernel, block.bn2.moving_variance)
    losses = model.fit(image(4, 9, 8, 8), np.zeros((4, 64)), epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    for was, now in zip(before, arrays(block.conv2.kernel, block.bn2.moving_variance), strict=True):
        assert (was != now).any()


@pytest.mark.parametrize("size", [(9, 8), (12, 11), (7, 7)])
@pytest.mark.parametrize("padding", [0, 1, "same"])
def test_max_pool_pads_with_minus_infinity(padding: Any, size: tuple[int, int]) -> None:
    """All inputs are negative, so that a zero of padding would win."""
    x = -1 - np.abs(image(2, 5, *size))
    ours = layers.MaxPooling2D(3, 2, padding=padding, dtype="float64")
    same = resnet_torch.layers.MaxPool2dSame(3, 2)
    theirs = same if padding == "same" else nn.MaxPool2d(3, 2, padding)
    actual = nchw(ours(x.transpose(0, 2, 3, 1)))
    np.testing.assert_array_equal(actual, theirs(torch.from_numpy(x)))
    assert ours.compute_output_shape((None, *size, 5)) == (None, *actual.shape[2:], 5)


@pytest.mark.parametrize("size", [(9, 8), (12, 11), (7, 7)])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (1, 2), (2, 3), (3, 1), (3, 2), (7, 2)])
def test_same_padding_is_tensorflows(kernel: int, stride: int, size: tuple[int, int]) -> None:
    ours = resnet_torch.layers.Conv2dSame(5, 4, kernel, stride).double()
    theirs = layers.Conv2D(4, kernel, stride, padding="same", dtype="float64")
    x = image(2, 5, *size)
    theirs.build((None, *size, 5))
    theirs.set_weights([ours.weight.detach().numpy().transpose(2, 3, 1, 0), ours.bias.detach().numpy()])
    actual = nchw(theirs(x.transpose(0, 2, 3, 1)))
    assert gap(actual, ours(torch.from_numpy(x)).detach()) <= 1e-14
    assert theirs.compute_output_shape((None, *size, 5)) == (None, *actual.shape[2:], 4)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(4, 3, 2, 1, dilation_rate=2, groups=2, init="glorot", use_bias=False),
        layers.Conv2D(4, 3, 2, "same"),
        layers.MaxPooling2D(3, 2, 1),
        layers.MaxPooling2D(3, 2, "same"),
        layers.Dense(3),
        layers.Dense(3, init="glorot"),
        layers.ZeroPadShortcut(4, 9, 2),
        layers.BatchNormalization(epsilon=1e-5, momentum=0.9),
    ],
)
def test_a_layer_comes_back_from_its_config(layer: Any) -> None:
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(copy) is type(layer)
    assert copy.get_config() == layer.get_config()
    own = {name: value for name, value in vars(layer).items() if isinstance(value, int | float | str | tuple)}
    assert {name: getattr(copy, name) for name in own} == own


def test_an_input_too_small_is_named() -> None:
    with pytest.raises(ValueError, match="an input 2 wide is too small for a kernel that reaches 3 pixels"):
        layers.Conv2D(4, 3).compute_output_shape((None, 9, 2, 3))
