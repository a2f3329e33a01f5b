"""Weights of keras.applications' ResNets give the same outputs in the `_keras` variants of both packages."""

import re
from typing import Any

import keras
import numpy as np
import pytest
import torch

import resnet_keras
import resnet_torch

from .helpers import copy_weights, gap, image, nchw, parametrised, torch_layers

# One float32 rounding errs by up to 6e-8 of its value. These nets' sums, of up to 4,608 terms in 50 to 152 layers, each
# framework adds in an order of its own: measured, the outputs differ by 4e-7 to 7e-7 of the largest. Left a factor ten.
BOUND = 1e-5
OPTIONS = {"classes": 11, "classifier_activation": None}
SIZES = [pytest.param(50), pytest.param(101, marks=pytest.mark.slow), pytest.param(152, marks=pytest.mark.slow)]


def randomise_keras(model: keras.Model) -> None:
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            for weight in (layer.gamma, layer.moving_variance):
                weight.assign(random.uniform(0.5, 1.5, weight.shape))
            for weight in (layer.beta, layer.moving_mean):
                weight.assign(random.normal(0.0, 0.3, weight.shape))
        elif getattr(layer, "bias", None) is not None:
            layer.bias.assign(random.normal(0.0, 0.3, layer.bias.shape))


def applications_name(path: str) -> str:
    """Our path in keras.applications' words: layer1.0.downsample.0 is conv2_block1_0_conv."""
    if path == "fc":
        return "predictions"
    stage, block, rest = re.fullmatch(r"(?:layer(\d)\.(\d+)\.)?(.*)", path).groups()
    part = re.fullmatch(r"(conv|bn)(\d)", rest)
    kind, number = part.groups() if part else (("conv", "bn")[int(rest[-1])], 0)
    return f"conv{int(stage) + 1}_block{int(block) + 1}_{number}_{kind}" if stage else f"conv1_{kind}"


def load(model: torch.nn.Module, source: keras.Model) -> None:
    """Set torch's weights from keras.applications' layers, every one of them used."""
    used = set()
    for path, module in parametrised(torch_layers(model)).items():
        used.add(name := applications_name(path))
        arrays = source.get_layer(name).get_weights()
        if arrays[0].ndim > 1:  # (kH, kW, in, out) to (out, in, kH, kW); a dense kernel (in, out) to (out, in)
            arrays[0] = arrays[0].transpose(3, 2, 0, 1) if arrays[0].ndim == 4 else arrays[0].T
        tensors = [tensor for tensor in module.state_dict().values() if tensor.ndim]
        for tensor, array in zip(tensors, arrays, strict=True):
            tensor.copy_(torch.from_numpy(np.ascontiguousarray(array)))
    assert used == {layer.name for layer in source.layers if layer.weights}


@pytest.fixture(scope="module", params=SIZES)
def trio(request: pytest.FixtureRequest) -> tuple[Any, Any, Any]:
    depth = request.param
    source = getattr(keras.applications, f"ResNet{depth}")(weights=None, input_shape=(64, 65, 3), **OPTIONS)
    randomise_keras(source)
    options = {"num_classes": 11, "classifier_activation": None, "input_size": (64, 65)}
    ours = getattr(resnet_torch, f"resnet{depth}_keras")(**options).eval()
    load(ours, source)
    twin = getattr(resnet_keras, f"resnet{depth}_keras")(**options)
    copy_weights(ours, twin)
    return source, ours, twin


def test_same_outputs(trio: tuple[Any, Any, Any]) -> None:
    source, ours, twin = trio
    x = image(2, 3, 64, 65, dtype="float32")
    expected = nchw(source(x.transpose(0, 2, 3, 1)))
    with torch.no_grad():
        assert gap(ours(torch.from_numpy(x)), expected) < BOUND
    assert gap(nchw(twin(x.transpose(0, 2, 3, 1))), expected) < BOUND
