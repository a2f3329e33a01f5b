"""Every block is the same function in both packages: float64, to 1e-12 of the output's scale."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn

import resnet_keras
import resnet_torch

from .helpers import copy_weights, gap, image, nchw, policy, randomise, shallow

BOUND = 1e-12  # float64's own 1e-16 times the root of the longest sum and a margin; a real difference is 1e-8 and more
FORMS = ("ResNeXtA", "ResNeXtB", "ResNeXtC")
BLOCKS: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "residual": ("Residual", (6,), {}),
    "residual-1x1": ("Residual", (8, True, 2), {"in_channels": 6}),
    "residual-kaiming": ("Residual", (8, True, 1), {"in_channels": 6, "init": "kaiming", "eps": 1e-5}),
    "basic-identity": ("BasicBlock", (6, 6), {}),
    "basic-A": ("BasicBlock", (6, 8, 2), {"shortcut": "A"}),
    "basic-A-odd": ("BasicBlock", (6, 9, 2), {"shortcut": "A"}),
    "basic-B": ("BasicBlock", (6, 8, 2), {"shortcut": "B"}),
    "basic-C": ("BasicBlock", (6, 6), {"shortcut": "C", "bias": True}),
    "basic-none": ("BasicBlock", (6, 8, 2), {"shortcut": "none"}),
    "basic-dilated": ("BasicBlock", (6, 8), {"dilation": 4, "first_dilation": 2}),
    "basic-stride-and-dilation": ("BasicBlock", (6, 8, 2), {"dilation": 2}),
    "bottleneck-v1.5": ("Bottleneck", (6, 4, 2), {}),
    "bottleneck-v1": ("Bottleneck", (6, 4, 2), {"stride_in_1x1": True, "bias": True}),
    "bottleneck-A": ("Bottleneck", (6, 4, 2), {"shortcut": "A"}),
    "bottleneck-groups": ("Bottleneck", (6, 8, 2), {"groups": 4, "width_per_group": 16}),
    "bottleneck-wide": ("Bottleneck", (16, 4), {"width_per_group": 128}),
    "bottleneck-dilated": ("Bottleneck", (6, 4), {"dilation": 4, "first_dilation": 2}),
    "bottleneck-stride-and-dilation": ("Bottleneck", (6, 4, 2), {"dilation": 2}),
    "bottleneck-groups-dilated": ("Bottleneck", (6, 8), {"groups": 4, "width_per_group": 16, "dilation": 2}),
    "bottleneck-groups-stride-and-dilation": ("Bottleneck", (6, 8, 2), {"groups": 2, "dilation": 2}),
    "resnext-a": ("ResNeXtA", (6, 16, 2), {"groups": 4, "width_per_group": 16}),
    "resnext-b": ("ResNeXtB", (6, 16, 2), {"groups": 4, "width_per_group": 16}),
    "resnext-c": ("ResNeXtC", (6, 16, 2), {"groups": 4, "width_per_group": 16}),
}


@pytest.fixture(autouse=True)
def float64() -> Iterator[None]:
    with policy("float64"):
        yield


def twins(cls: str, *args: Any, **options: Any) -> tuple[nn.Module, Any]:
    """A block of each package, the same random weights in both."""
    ours = getattr(resnet_torch, cls)(*args, **options).double()
    theirs = getattr(resnet_keras, cls)(*args, **options)
    randomise(ours)
    theirs.build((None, None, None, channels(args, options)))
    copy_weights(ours, theirs)
    return ours, theirs


def channels(args: tuple[Any, ...], options: dict[str, Any]) -> int:
    return options.get("in_channels", args[0])


def outputs(block: Any, x: np.ndarray, training: bool = False) -> np.ndarray:
    if isinstance(block, nn.Module):
        return block.train(training)(torch.from_numpy(x)).detach().numpy()
    return nchw(block(x.transpose(0, 2, 3, 1), training=training))


def statistics(block: Any) -> list[np.ndarray]:
    """The running statistics, in order."""
    if isinstance(block, nn.Module):
        return [tensor.numpy().copy() for tensor in block.buffers() if tensor.ndim]
    return [keras.ops.convert_to_numpy(variable) for variable in block.non_trainable_variables]


@pytest.mark.parametrize("size", [(9, 8), (12, 11)])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("spec", BLOCKS.values(), ids=BLOCKS)
def test_forward_is_equal(spec: tuple[Any, ...], training: bool, size: tuple[int, int]) -> None:
    cls, args, options = spec
    ours, theirs = twins(cls, *args, **options)
    x = image(3, channels(args, options), *size)
    assert gap(outputs(theirs, x, training), outputs(ours, x, training)) <= BOUND
    for actual, expected in zip(statistics(theirs), statistics(ours), strict=True):
        assert gap(actual, expected) <= BOUND


@pytest.mark.parametrize("spec", BLOCKS.values(), ids=BLOCKS)
def test_gradients_are_equal(spec: tuple[Any, ...]) -> None:
    import tensorflow as tf

    cls, args, options = spec
    ours, theirs = twins(cls, *args, **options)
    x = image(3, channels(args, options), 9, 8)
    t = torch.from_numpy(x).requires_grad_()
    (ours.train()(t) ** 2).sum().backward()
    with tf.GradientTape() as tape:
        inputs = tf.constant(x.transpose(0, 2, 3, 1))
        tape.watch(inputs)
        loss = tf.reduce_sum(theirs(inputs, training=True) ** 2)
    names = [weight.path for weight in theirs.trainable_weights]
    gradients = tape.gradient(loss, [inputs, *(weight.value for weight in theirs.trainable_weights)])
    assert gap(nchw(gradients[0]), t.grad) <= 1e-11
    expected = [parameter.grad.numpy() for parameter in ours.parameters()]
    scale = max(np.abs(gradient).max() for gradient in expected)  # a bias before a norm has gradient 0, but for noise
    for name, actual, wanted in zip(names, gradients[1:], expected, strict=True):
        if wanted.ndim == 4:
            wanted = wanted.transpose(2, 3, 1, 0)
        assert np.abs(actual - wanted).max() <= 1e-11 * scale, name


@pytest.mark.parametrize("name", ["resnext50_32x4d", "resnet18"])
@pytest.mark.parametrize("dilate", [(True, False, False), (False, True, True), (True, True, True)])
def test_networks_with_dilation_for_stride_are_equal(name: str, dilate: tuple[bool, ...]) -> None:
    """(True, False, False): the third stage has a stride of 2 in a convolution dilated by 2."""
    options = {"replace_stride_with_dilation": dilate, "num_classes": 5}
    ours = shallow(resnet_torch, name, **options).double()
    theirs = shallow(resnet_keras, name, **options, input_size=(65, 64))
    randomise(ours)
    copy_weights(ours, theirs)
    x = image(1, 3, 65, 64)
    assert gap(outputs(theirs, x), outputs(ours, x)) <= BOUND


def test_dilation_keeps_the_resolution() -> None:
    model = resnet_torch.resnet50(replace_stride_with_dilation=[False, True, True])
    x = resnet_torch.intermediate_outputs(model, torch.rand(2, 3, 64, 64), ["layer2", "layer4"])
    assert x["layer4"].shape[2:] == x["layer2"].shape[2:]
    assert model.layer4[2].conv2.dilation == (4, 4)
    assert model.layer4[0].conv2.dilation == (2, 2)  # as the stride before it was replaced, torchvision's rule


def resnext(package: Any, form: str, groups: int = 4, width: int = 16, channels: int = 6) -> Any:
    torch.manual_seed(0)
    keras.utils.set_random_seed(0)
    block = getattr(package, form)(channels, 16, 2, groups=groups, width_per_group=width)
    if isinstance(block, nn.Module):
        block.double()
        randomise(block)
    else:
        block.build((None, None, None, channels))
    return block


@pytest.mark.parametrize("package", [resnet_torch, resnet_keras], ids=["torch", "keras"])
@pytest.mark.parametrize("destination", FORMS)
@pytest.mark.parametrize("source", FORMS)
def test_resnext_forms_are_one_function(package: Any, source: str, destination: str) -> None:
    first, second = resnext(package, source), resnext(package, destination)
    shake(second)
    x = image(3, 6, 9, 8)
    assert gap(outputs(second, x), outputs(first, x)) > 1e-3
    package.carry_resnext_weights(first, second)
    assert gap(outputs(second, x), outputs(first, x)) <= 1e-13
    assert gap(outputs(second, x, training=True), outputs(first, x, training=True)) <= 1e-13
    assert gap(outputs(second, x), outputs(first, x)) <= 1e-13  # the running statistics are equal too


def shake(block: Any) -> None:
    """Other weights than those the block was made with."""
    if isinstance(block, nn.Module):
        randomise(block, seed=1)
        for parameter in block.parameters():
            parameter.data.add_(0.1)
    else:
        for weight in block.weights:
            weight.assign(weight + 0.1)


def values(block: Any) -> list[np.ndarray]:
    if isinstance(block, nn.Module):
        return [tensor.numpy().copy() for tensor in block.state_dict().values()]
    return [keras.ops.convert_to_numpy(weight).copy() for weight in block.weights]


@pytest.mark.parametrize("package", [resnet_torch, resnet_keras], ids=["torch", "keras"])
@pytest.mark.parametrize(("form", "target"), list(zip(FORMS, (*FORMS[1:], FORMS[0]), strict=True)))
@pytest.mark.parametrize(
    "other", [{"groups": 2}, {"groups": 2, "width": 32}, {"groups": 5}, {"width": 32}, {"channels": 64}]
)
def test_forms_that_do_not_fit_raise_and_change_nothing(
    package: Any, form: str, target: str, other: dict[str, int]
) -> None:
    source, destination = resnext(package, form), resnext(package, target, **other)
    before = values(destination)
    with pytest.raises(ValueError, match=r"the source gives shapes .* the destination takes"):
        package.carry_resnext_weights(source, destination)
    for actual, expected in zip(values(destination), before, strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_residual_learns_its_input_channels_in_a_functional_model() -> None:
    inputs = keras.Input((9, 8, 3))
    block = resnet_keras.Residual(64, True, 2)
    model = keras.Model(inputs, block(inputs))
    assert model.output_shape == (None, 5, 4, 64)
    assert block.conv1.kernel.shape == (3, 3, 3, 64)
    assert block.conv3.kernel.shape == (1, 1, 3, 64)


@pytest.mark.parametrize("first", [True, False])
def test_d2l_stage_is_equal(first: bool) -> None:
    ours, theirs = resnet_torch.ResnetBlock(8, 2, first).double(), resnet_keras.ResnetBlock(8, 2, first)
    x = image(2, 8, 9, 8)
    outputs(ours, x)
    randomise(ours)
    theirs.build((None, None, None, 8))
    copy_weights(ours, theirs)
    assert gap(outputs(theirs, x), outputs(ours, x)) <= BOUND


def test_zero_init_residual_makes_every_block_the_identity() -> None:
    for make in (resnet_torch.resnet18, resnet_keras.resnet18):
        model: Any = make(zero_init_residual=True, input_size=33)
        x = np.abs(image(2, 64, 9, 8))  # a block ends in a ReLU: positive inputs pass it
        block = model.layer1[1].double() if isinstance(model, nn.Module) else model.layer1.layers[1]
        np.testing.assert_array_equal(outputs(block, x, training=True), x)
