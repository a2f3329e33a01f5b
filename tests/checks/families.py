"""Small networks of the family to plant faults in, and where each kind of fault can be planted in them."""

from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

import parity
import resnet_keras
import resnet_torch
from tests.causes.faults import (
    BARE,
    BIASED,
    BLOCK,
    CONV,
    FIRST,
    GROUPED,
    MOVABLE,
    NORM,
    OUTPUT,
    PROJECTED,
    RELU,
    STRIDED,
)

ROWS = resnet_torch.VARIANTS
FOUR = {"depths": (1, 1, 1, 1)}
CONFIGS = {
    "basic": (replace(ROWS["cifar_resnet20"], depths=(1, 2, 1)), (32, 32)),
    "deeper": (ROWS["cifar_resnet20"], (32, 32)),
    "bottleneck": (replace(ROWS["resnet50_v1"], depths=(1, 1, 1), widths=(16, 32, 64)), (32, 32)),
    "resnext": (replace(ROWS["resnext50_32x4d"], depths=(1, 1, 1), widths=(64, 64, 64), groups=8), (64, 64)),
    "imagenet": (replace(ROWS["resnet18"], **FOUR, widths=(16, 16, 32, 32)), (64, 64)),
    "biased imagenet": (replace(ROWS["resnet18"], **FOUR, widths=(16, 16, 32, 32), bias=True), (64, 64)),
    "v1.5": (replace(ROWS["resnet50"], **FOUR, widths=(8, 8, 16, 16)), (64, 64)),
    "deep resnext": (replace(ROWS["resnext50_32x4d"], **FOUR, widths=(64, 64, 64, 64), groups=8), (64, 64)),
    "cifar resnext": (
        replace(ROWS["cifar_resnext29_8x64d"], depths=(1, 1, 1), widths=(64, 64, 64), width_per_group=8),
        (32, 32),
    ),
    "wide": (replace(ROWS["wide_resnet50_2"], **FOUR, widths=(8, 8, 16, 16)), (64, 64)),
    "keras": (replace(ROWS["resnet50_keras"], **FOUR, widths=(8, 8, 16, 16)), (64, 64)),
    "d2l": (replace(ROWS["resnet18_d2l"], **FOUR, widths=(16, 16, 32, 32)), (48, 48)),
}
SUITED = {
    CONV: ("basic", "bottleneck", "imagenet"),
    NORM: ("basic", "bottleneck", "resnext"),
    RELU: ("basic", "bottleneck", "resnext"),
    FIRST: ("basic", "bottleneck", "resnext"),
    STRIDED: ("imagenet", "v1.5", "deep resnext"),
    GROUPED: ("resnext", "deep resnext", "cifar resnext"),
    BIASED: ("biased imagenet", "keras", "d2l"),
    BARE: ("basic", "bottleneck", "resnext"),
    BLOCK: ("basic", "bottleneck", "resnext"),
    PROJECTED: ("imagenet", "v1.5", "deep resnext"),
    MOVABLE: ("v1.5", "wide", "deep resnext"),
    OUTPUT: ("basic", "bottleneck", "resnext"),
}
ONCE = (FIRST, OUTPUT)  # a network has one such place


def make(name: str) -> tuple[Any, Any, Any]:
    """A matched pair with random weights and an input of an even size."""
    config, size = CONFIGS[name]
    torch_model = resnet_torch.ResNet(resnet_torch.ResNetConfig(**vars(config)))
    keras_model = resnet_keras.ResNet(resnet_keras.ResNetConfig(**vars(config)))
    x = np.random.default_rng(0).standard_normal((2, config.in_channels, *size)).astype(np.float32)
    randomize(torch_model, x)
    parity.copy_weights(torch_model, keras_model)
    return torch_model, keras_model, x


def randomize(model: Any, x: Any) -> None:
    from parity.frameworks.torch.side import TorchSide

    TorchSide(model).randomize(x.astype(np.float64), seed=0)


def layer_at(model: Any, path: str) -> Any:
    """The layer at a path; at "output" the model itself."""
    for name in path.split(".") if path != "output" else ():
        model = getattr(model, name)
    return model


def places(model: Any, kind: str) -> list[str]:
    """Paths of the places of a kind, in order of execution: a shared ReLU stands once for a block."""
    if kind == OUTPUT:
        return ["output"]
    return [path for path, module in model.named_modules() if FITS[kind](path, module)]


def _convolution(module: Any, size: int | None = None) -> bool:
    return isinstance(module, nn.Conv2d) and size in (None, module.kernel_size[0])


FITS: dict[str, Any] = {
    CONV: lambda path, m: _convolution(m, 3) and m.groups == 1,
    NORM: lambda path, m: isinstance(m, nn.BatchNorm2d),
    RELU: lambda path, m: isinstance(m, nn.ReLU),
    FIRST: lambda path, m: path == "conv1",
    STRIDED: lambda path, m: _convolution(m, 3) and m.stride == (2, 2),
    GROUPED: lambda path, m: _convolution(m) and m.groups > 1,
    BIASED: lambda path, m: _convolution(m) and m.bias is not None,
    BARE: lambda path, m: _convolution(m) and m.bias is None,
    BLOCK: lambda path, m: hasattr(m, "downsample"),
    PROJECTED: lambda path, m: isinstance(getattr(m, "downsample", None), nn.Sequential),
    MOVABLE: lambda path, m: hasattr(m, "conv3") and hasattr(m, "downsample") and m.conv2.stride == (2, 2),
}


def depths(torch_model: Any, kind: str, square: bool = False) -> list[str]:
    """The first, a middle and the last place of a kind. square: only kernels of as many inputs as outputs."""
    paths = places(torch_model, kind)
    if square:
        paths = [path for path in paths if len(set(layer_at(torch_model, path).weight.shape[:2])) == 1]
    return list(dict.fromkeys([paths[0], paths[len(paths) // 2], paths[-1]])) if paths else []
