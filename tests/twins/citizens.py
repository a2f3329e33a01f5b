"""Small Keras networks and blocks, and what tests of them as `keras.Model` share."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from resnet_keras import BasicBlock, Bottleneck, Residual, ResnetBlock, ResNeXtA, ResNeXtB, ResNeXtC

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
