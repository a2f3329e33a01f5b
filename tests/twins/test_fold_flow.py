"""Which norms `fold_batch_norm` takes: the flow of tensors decides, in both packages, and what stays is said."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from torch import nn

import resnet_keras
import resnet_torch

from .folding import assert_folds_to_the_same
from .helpers import copy_weights, image, policy, randomise


def flow(call: Callable[..., Any]) -> tuple[Callable[[], nn.Module], Callable[[], Any]]:
    """A module and a block of a convolution and a norm, called by `call(x, conv, norm)`, in both frameworks."""

    class Module(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6)

        def forward(self, x: Any) -> Any:
            return call(x, self.conv, self.norm)

    class Layer(resnet_keras.base.Block):
        def __init__(self) -> None:
            super().__init__()
            self.conv = resnet_keras.layers.Conv2D(6, 3, padding=1)
            self.norm = resnet_keras.layers.BatchNormalization(epsilon=1e-5)

        def call(self, x: Any) -> Any:
            return call(x, self.conv, self.norm)

    return Module, Layer


def taken_twice(x: Any, conv: Any, norm: Any) -> Any:
    y = conv(x)
    return norm(y) + y


def shared_norm(x: Any, conv: Any, norm: Any) -> Any:
    return norm(conv(x)) + norm(x)


def shared_convolution(x: Any, conv: Any, norm: Any) -> Any:
    return norm(conv(x)) + conv(x + 1)


NOT_FOLDED = {
    "norm first": lambda x, conv, norm: conv(norm(x)),
    "output taken twice": taken_twice,
    "output returned": lambda x, conv, norm: (lambda y: (norm(y), y))(conv(x)),
    "norm of a sum": lambda x, conv, norm: norm(conv(x) + x),
    "shared norm": shared_norm,
    "shared convolution": shared_convolution,
    "norm not called": lambda x, conv, norm: conv(x),
}


@pytest.mark.parametrize("call", NOT_FOLDED.values(), ids=NOT_FOLDED)
def test_what_cannot_be_folded_is_said(call: Callable[..., Any]) -> None:
    module, layer = (make() for make in flow(call))
    layer(np.zeros((2, 5, 5, 6)))
    with pytest.raises(ValueError, match=r"^Module: no batch norm follows a convolution, so there is nothing to fold$"):
        resnet_torch.fold_batch_norm(module.eval())
    with pytest.raises(ValueError, match=r"^Layer: no batch norm follows a convolution, so there is nothing to fold$"):
        resnet_keras.fold_batch_norm(layer)


FOLDED = {
    "plain": lambda x, conv, norm: norm(conv(x)),
    "twice in turn": lambda x, conv, norm: norm(conv(norm(conv(x)))),
    "other uses of the norm's output": lambda x, conv, norm: (lambda y: y * y + x)(norm(conv(x))),
}


@pytest.mark.parametrize("call", FOLDED.values(), ids=FOLDED)
def test_the_flow_of_tensors_decides(call: Callable[..., Any]) -> None:
    make_torch, make_keras = flow(call)
    x = image(2, 6, 5, 5)
    with policy("float64"):
        theirs = make_keras()
        theirs(x.transpose(0, 2, 3, 1))
    ours = make_torch().double().eval()
    randomise(ours)
    copy_weights(ours, theirs)
    folded, twin = assert_folds_to_the_same(ours, theirs, x)
    assert isinstance(folded.norm, nn.Identity)
    assert isinstance(twin.norm, keras.layers.Identity)


def test_a_norm_of_two_names_is_replaced_under_both() -> None:
    class Module(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(6, 6, 3), nn.BatchNorm2d(6)
            self.again = self.norm

        def forward(self, x: Any) -> Any:
            return self.again(self.conv(x))

    class Layer(resnet_keras.base.Block):
        def __init__(self) -> None:
            super().__init__()
            self.conv = resnet_keras.layers.Conv2D(6, 3)
            self.norm = resnet_keras.layers.BatchNormalization(epsilon=1e-5)
            self.again = self.norm

        def call(self, x: Any) -> Any:
            return self.norm(self.conv(x))

    x = image(2, 6, 5, 5)
    with policy("float64"):
        theirs = Layer()
        theirs(x.transpose(0, 2, 3, 1))
    ours = Module().double().eval()
    randomise(ours)
    theirs.conv.set_weights([ours.conv.weight.detach().permute(2, 3, 1, 0), ours.conv.bias.detach()])
    theirs.norm.set_weights([tensor for tensor in ours.norm.state_dict().values() if tensor.ndim])
    folded, twin = assert_folds_to_the_same(ours, theirs, x)
    assert isinstance(folded.again, nn.Identity)
    assert twin.norm is twin.again


def test_an_activation_or_another_class_between_is_not_folded() -> None:
    layers = resnet_keras.layers
    conv, norm = layers.Conv2D(6, 3, activation="relu"), layers.BatchNormalization()
    block = resnet_keras.base.Sequential(conv, norm, layers.Conv2D(6, 3), layers.BatchNormalization(axis=1))
    block(np.zeros((2, 9, 9, 6)))
    with pytest.raises(ValueError, match="nothing to fold"):
        resnet_keras.fold_batch_norm(block)
    spectral = nn.utils.parametrizations.spectral_norm(nn.Conv2d(6, 6, 3))
    without_statistics = nn.BatchNorm2d(6, track_running_stats=False)
    for first, second in ((spectral, nn.BatchNorm2d(6)), (nn.Conv2d(6, 6, 3), without_statistics)):
        with pytest.raises(ValueError, match="nothing to fold"):
            resnet_torch.fold_batch_norm(nn.Sequential(first, second).eval())


def test_a_norm_that_always_trains_is_not_folded() -> None:
    class Layer(resnet_keras.base.Block):
        def __init__(self) -> None:
            super().__init__()
            self.conv = resnet_keras.layers.Conv2D(6, 3)
            self.norm = resnet_keras.layers.BatchNormalization()

        def call(self, x: Any) -> Any:
            return self.norm(self.conv(x), training=True)

    layer = Layer()
    layer(np.zeros((2, 5, 5, 6)))
    with pytest.raises(ValueError, match="nothing to fold"):
        resnet_keras.fold_batch_norm(layer)
