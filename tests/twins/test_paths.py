"""A layer has one path in both packages, and its output can be had by it, without touching the model."""

from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn

import resnet_keras
import resnet_torch

from .helpers import (
    VARIANTS,
    blueprint,
    copy_weights,
    gap,
    image,
    keras_layers,
    nchw,
    parametrised,
    shallow,
    small,
    torch_blueprint,
    torch_layers,
)

LARGE = ("cifar_resnet1202",)
BY_SIZE = [pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in VARIANTS]
NETS = {
    "resnet18": {},
    "resnext50_32x4d": {},
    "cifar_resnet20": {},
    "resnet18_d2l": {},
    "cifar_plain20": {"classifier_activation": "softmax"},
    "resnet50_v1": {"num_classes": 0},
}


@pytest.mark.parametrize("name", BY_SIZE)
def test_the_same_paths_in_the_same_order(name: str) -> None:
    ours = parametrised(torch_layers(torch_blueprint(name)))
    theirs = parametrised(keras_layers(blueprint(resnet_keras.VARIANTS[name])))
    assert list(ours) == list(theirs)
    assert all(type(ours[path]).__name__.lower()[:4] in ("conv", "batc", "line") for path in ours)
    for path, layer in theirs.items():
        assert sum(tensor.numel() for tensor in ours[path].state_dict().values() if tensor.ndim) == layer.count_params()


@pytest.mark.parametrize("block", ["ResNeXtA", "ResNeXtB", "ResNeXtC"])
def test_the_same_paths_in_the_resnext_forms(block: str) -> None:
    ours = getattr(resnet_torch, block)(16, 64, 2, groups=4)
    theirs = getattr(resnet_keras, block)(16, 64, 2, groups=4)
    theirs.build((None, 9, 8, 16))
    paths = list(parametrised(torch_layers(ours)))
    assert paths == list(parametrised(keras_layers(theirs)))
    assert ("branches.3.conv1" in paths) == (block != "ResNeXtC")


def test_outputs_inside_a_resnext_branch() -> None:
    ours, theirs = resnet_torch.ResNeXtA(16, 64, 2, groups=4).eval(), resnet_keras.ResNeXtA(16, 64, 2, groups=4)
    theirs.build((None, 9, 8, 16))
    copy_weights(ours, theirs)
    x, paths = image(2, 16, 9, 8, dtype="float32"), ["branches.3.conv2", "branches.3", "downsample.1"]
    expected = resnet_torch.intermediate_outputs(ours, torch.from_numpy(x), paths)
    actual = resnet_keras.intermediate_outputs(theirs, x.transpose(0, 2, 3, 1), paths)
    for path in paths:
        assert gap(nchw(actual[path]), expected[path].detach()) < 1e-5


def twins(name: str, **options: Any) -> tuple[nn.Module, keras.Model]:
    ours = shallow(resnet_torch, name, **options).eval()
    theirs = shallow(resnet_keras, name, **options, input_size=33)
    copy_weights(ours, theirs)
    return ours, theirs


@pytest.mark.parametrize(("name", "options"), NETS.items(), ids=NETS)
def test_outputs_of_every_layer_by_path(name: str, options: dict[str, Any]) -> None:
    ours, theirs = twins(name, **options)
    x = image(2, ours.config.in_channels, 33, 33, dtype="float32")
    paths = [path for path in keras_layers(theirs) if path in torch_layers(ours)]
    assert set(torch_layers(ours)) - set(paths) == {"flatten"}  # Keras's average pool flattens by itself
    with torch.no_grad():
        expected = resnet_torch.intermediate_outputs(ours, torch.from_numpy(x), paths)
    actual = resnet_keras.intermediate_outputs(theirs, x.transpose(0, 2, 3, 1), paths)
    assert list(actual) == list(expected) == paths
    for path in paths:
        array = nchw(actual[path]).reshape(expected[path].shape)
        assert gap(array, expected[path]) < 1e-4, path


def test_asking_torch_for_outputs_changes_nothing() -> None:
    model = small(resnet_torch).eval()
    x = torch.from_numpy(image(2, 3, 32, 32, dtype="float32"))
    before = model(x)
    paths = list(torch_layers(model))
    outputs = resnet_torch.intermediate_outputs(model, x, paths)
    assert torch.equal(outputs["fc"], before)
    assert torch.equal(model(x), before)
    assert not any(module._forward_hooks for module in model.modules())
    assert (outputs["bn1"] < 0).any()  # kept before the ReLU overwrites it in place


def test_asking_keras_for_outputs_changes_nothing() -> None:
    model = small(resnet_keras)
    x = image(2, 32, 32, 3, dtype="float32")
    before = nchw(model(x))
    own = {path: set(vars(layer)) for path, layer in keras_layers(model).items()}
    outputs = resnet_keras.intermediate_outputs(model, x, list(own))
    np.testing.assert_array_equal(nchw(outputs["fc"]), before)
    np.testing.assert_array_equal(nchw(model(x)), before)
    assert {path: set(vars(layer)) for path, layer in keras_layers(model).items()} == own


def test_hooks_are_removed_after_an_error() -> None:
    ours, theirs = small(resnet_torch), small(resnet_keras)
    with pytest.raises(RuntimeError):
        resnet_torch.intermediate_outputs(ours, torch.zeros(1, 5, 8, 8), ["layer1.0"])
    with pytest.raises(ValueError, match=r"channels|shape"):
        resnet_keras.intermediate_outputs(theirs, np.zeros((1, 8, 8, 5), "float32"), ["layer1.0"])
    assert not ours.layer1[0]._forward_hooks
    assert "call" not in vars(theirs.layer1.layers[0])


@pytest.mark.parametrize("path", ["layer9", "layer1.0.conv9", "layer1.0.expansion", "layer1."])
def test_an_unknown_path_is_named(path: str) -> None:
    x = image(1, 3, 32, 32, dtype="float32")
    ours, theirs = small(resnet_torch), small(resnet_keras)
    with pytest.raises(KeyError, match=f"{path!r}.*conv1"):
        resnet_torch.intermediate_outputs(ours, torch.from_numpy(x), [path])
    with pytest.raises(KeyError, match=f"{path!r}.*conv1"):
        resnet_keras.intermediate_outputs(theirs, x.transpose(0, 2, 3, 1), [path])


def test_the_empty_path_is_the_model() -> None:
    ours, theirs = twins("cifar_resnet20")
    x = image(1, 3, 32, 32, dtype="float32")
    expected = resnet_torch.intermediate_outputs(ours, torch.from_numpy(x), [""])[""]
    actual = resnet_keras.intermediate_outputs(theirs, x.transpose(0, 2, 3, 1), [""])[""]
    assert torch.equal(expected, ours(torch.from_numpy(x)))
    assert gap(actual, expected.detach()) < 1e-5


def test_one_layer_at_two_paths_in_keras() -> None:
    model = small(resnet_keras)
    model.layer1.alias = model.layer1.layers[0]
    x = image(1, 32, 32, 3, dtype="float32")
    outputs = resnet_keras.intermediate_outputs(model, x, ["layer1.0", "layer1.alias"])
    np.testing.assert_array_equal(outputs["layer1.0"], outputs["layer1.alias"])


def test_a_shared_layer_gives_its_last_output() -> None:
    """The ReLU of a block runs twice; its second output is the block's."""
    model = small(resnet_torch).eval()
    outputs = resnet_torch.intermediate_outputs(model, torch.rand(1, 3, 33, 33), ["layer1.0.relu", "layer1.0"])
    assert torch.equal(outputs["layer1.0.relu"], outputs["layer1.0"])
