"""Faults between layers, and those that need a network of their own: shortcuts, strides, biases, pools, softmax."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras import ops
from torch import nn
from torch.nn import functional as F

import parity
import resnet_keras
import resnet_torch
from tests.checks.families import layer_at, make, randomize

from .planting import behave

SLOW = pytest.mark.slow


@pytest.mark.parametrize("path", ["layer1.0", "layer2.1", pytest.param("layer3.2", marks=SLOW)])
def test_shortcut_added_after_the_activation_is_a_fault_of_the_block(path: str) -> None:
    torch_model, keras_model, x = make("deeper" if path == "layer3.2" else "basic")

    def call(self: Any, x: Any) -> Any:
        out = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(out))) + self.downsample(x)

    behave(layer_at(keras_model, path), call=call)
    report = parity.check(torch_model, keras_model, x)
    assert report.first is not None
    assert report.first.startswith(path + ".")


def test_stride_on_the_wrong_convolution() -> None:
    config = replace(resnet_torch.VARIANTS["resnet50"], depths=(1, 1), widths=(16, 32))
    torch_model = resnet_torch.ResNet(config)
    keras_model = resnet_keras.ResNet(resnet_keras.ResNetConfig(**vars(replace(config, stride_in_1x1=True))))
    x = np.random.default_rng(0).standard_normal((2, 3, 64, 64)).astype(np.float32)
    randomize(torch_model, x)
    parity.copy_weights(torch_model, keras_model)
    report = parity.check(torch_model, keras_model, x)
    assert report.first == "layer2.0.conv1"
    assert [(c.name, c.path) for c in report.causes] == [
        ("stride on the wrong convolution", "layer2.0.conv1"),
        ("stride on the wrong convolution", "layer2.0.conv2"),
    ]


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.pool = nn.MaxPool2d(3, 2, padding=1)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.pool(self.conv(x)).mean((2, 3)))


class SmallKeras(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.conv = keras.layers.Conv2D(8, 3)
        self.pool = resnet_keras.layers.MaxPooling2D(3, 2, padding=1)
        self.fc = keras.layers.Dense(5)

    def call(self, x: Any) -> Any:
        return self.fc(ops.mean(self.pool(self.conv(x)), (1, 2)))


def small() -> tuple[Any, Any, Any]:
    x = np.random.default_rng(0).standard_normal((2, 3, 15, 16)).astype(np.float32)
    torch_model, keras_model = Small(), SmallKeras()
    keras_model(x.transpose(0, 2, 3, 1))
    parity.copy_weights(torch_model, keras_model)
    return torch_model, keras_model, x


def test_small_models_match() -> None:
    torch_model, keras_model, x = small()
    assert parity.check(torch_model, keras_model, x).ok


class Pools(nn.Module):
    """Three pools, each behind a convolution alone: behind a ReLU nothing shows what a pool pads with."""

    def __init__(self, kernel: int, stride: int, padding: int) -> None:
        super().__init__()
        for i, channels in enumerate((3, 8, 8)):
            self.add_module(f"conv{i}", nn.Conv2d(channels, 8, 3))
            self.add_module(f"pool{i}", nn.MaxPool2d(kernel, stride, padding=padding))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for i in range(3):
            x = layer_at(self, f"pool{i}")(layer_at(self, f"conv{i}")(x) - 1)  # more are negative
        return x


class PoolsKeras(keras.Model):
    def __init__(self, kernel: int, stride: int, padding: int) -> None:
        super().__init__()
        for i in range(3):
            setattr(self, f"conv{i}", keras.layers.Conv2D(8, 3))
            setattr(self, f"pool{i}", resnet_keras.layers.MaxPooling2D(kernel, stride, padding=padding))

    def call(self, x: Any) -> Any:
        for i in range(3):
            x = layer_at(self, f"pool{i}")(layer_at(self, f"conv{i}")(x) - 1)
        return x


@pytest.mark.parametrize(
    "shape", [(3, 2, 1), *(pytest.param(it, marks=SLOW) for it in ((2, 2, 1), (5, 3, 2)))], ids=str
)
@pytest.mark.parametrize("depth", [0, pytest.param(1, marks=SLOW), 2])
@pytest.mark.parametrize("side", ["torch", "keras"])
def test_max_pool_padded_with_zeros(side: str, depth: int, shape: tuple[int, int, int]) -> None:
    kernel, stride, padding = shape
    torch_model, keras_model = Pools(*shape), PoolsKeras(*shape)
    x = np.random.default_rng(0).standard_normal((2, 3, 56, 57)).astype(np.float32)
    keras_model(x.transpose(0, 2, 3, 1))
    parity.copy_weights(torch_model, keras_model)
    path = f"pool{depth}"
    if side == "torch":
        pads = [padding] * 4
        behave(layer_at(torch_model, path), forward=lambda self, x: F.max_pool2d(F.pad(x, pads), kernel, stride))
    else:
        zeros = [[0, 0], [padding] * 2, [padding] * 2, [0, 0]]
        pooled = {"call": lambda self, x: ops.max_pool(ops.pad(x, zeros), kernel, stride, "valid")}
        behave(layer_at(keras_model, path), **pooled)
    report = parity.check(torch_model, keras_model, x)
    assert report.first == path
    assert report.cause is not None
    assert (report.cause.name, report.cause.path) == ("max-pool pad value", path)


class SmallKerasWithMore(SmallKeras):
    def __init__(self) -> None:
        super().__init__()
        self.extra = keras.layers.AveragePooling2D(1)  # computes nothing: numbers cannot judge it

    def call(self, x: Any) -> Any:
        return self.fc(ops.mean(self.extra(self.pool(self.conv(x))), (1, 2)))


def test_a_layer_without_partner_and_without_effect_is_told() -> None:
    torch_model, _, x = small()
    keras_model = SmallKerasWithMore()
    keras_model(x.transpose(0, 2, 3, 1))
    parity.copy_weights(torch_model, keras_model)
    report = parity.check(torch_model, keras_model, x)
    assert report.ok
    assert any("extra in Keras" in (layer.note or "") for layer in report.layers)


def test_two_faults_two_causes_in_order() -> None:
    torch_model, keras_model, x = make("basic")
    layer_at(keras_model, "layer1.0.bn1").epsilon = 1e-3
    layer_at(keras_model, "layer3.0.bn2").gamma.assign(layer_at(keras_model, "layer3.0.bn2").beta)
    report = parity.check(torch_model, keras_model, x)
    assert [cause.path for cause in report.causes] == ["layer1.0.bn1", "layer3.0.bn2"]
    assert [cause.name for cause in report.causes] == ["BN eps", "weight not copied"]


@pytest.mark.parametrize("side", ["torch", "keras"])
def test_overflow_in_the_asked_dtype_alone(side: str) -> None:
    torch_model, keras_model, x = small()
    if side == "torch":
        behave(
            torch_model.conv,
            forward=lambda self, x: F.conv2d(x * 1e30, self.weight * 1e20) / 1e50 + self.bias.reshape(1, -1, 1, 1),
        )
    else:
        huge = keras.layers.Conv2D.call
        behave(keras_model.conv, call=lambda self, x: (huge(self, x) - self.bias) * 1e50 / 1e50 + self.bias)
    report = parity.check(torch_model, keras_model, x)
    assert report.first == "conv"
    assert report.cause is not None
    assert report.cause.name == "NaN or infinity"
    assert "float64 is finite" in report.cause.evidence
