"""Networks to fold: every variant once, its equal twins, and the bound that a folded one is held to."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn

import resnet_keras
import resnet_torch
from resnet_keras import VARIANTS, ResNetConfig

from .helpers import copy_weights, gap, image, keras_layers, nchw, policy, randomise, torch_layers

BOUND = 1e-12  # of the scale of the outputs, in float64


def row(name: str, **fields: Any) -> ResNetConfig:
    """A variant with one block per stage, for odd images: each kind of layer, none twice."""
    config = VARIANTS[name]
    return replace(config, depths=(1,) * len(config.depths), input_size=33, num_classes=7, **fields)


# Rows that differ in depth alone are one here.
NETS = {row(name): name for name in reversed(VARIANTS)}
DILATED = {"replace_stride_with_dilation": (False, True, True)}
OPTIONS = {
    "resnet50-dilated": row("resnet50", **DILATED),
    "resnet50_v1-dilated": row("resnet50_v1", **DILATED),
    "resnext50_32x4d-dilated": row("resnext50_32x4d", **DILATED),
    "resnet18-A": row("resnet18", shortcut="A"),
    "resnet18-C": row("resnet18", shortcut="C"),
    "resnet50_keras-A": row("resnet50_keras", shortcut="A"),
    "resnet18-softmax": row("resnet18", classifier_activation="softmax", zero_init_residual=True),
}
LARGE = (
    "cifar_resnet50",
    "cifar_resnext29_8x64d",
    "cifar_resnext29_16x64d",
    "wide_resnet50_2",
    "resnext101_32x8d",
    "resnext101_64x4d",
)
CONFIGS = [
    pytest.param(config, id=name, marks=pytest.mark.slow if name in LARGE else ())
    for name, config in ({name: config for config, name in NETS.items()} | OPTIONS).items()
]


def nets(config: ResNetConfig, dtype: str) -> tuple[nn.Module, keras.Model]:
    """Both networks in evaluation mode, with the same weights and no statistic at its start."""
    ours = resnet_torch.ResNet(resnet_torch.ResNetConfig(**vars(config))).eval()
    randomise(ours)
    with policy(dtype):
        theirs = resnet_keras.ResNet(config)
    ours.to(getattr(torch, dtype))
    copy_weights(ours, theirs)
    return ours, theirs


def pixels(config: ResNetConfig, dtype: str = "float64") -> np.ndarray:
    return image(2, config.in_channels, *config.image_size, dtype=dtype)


def run_torch(model: Any, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return model(torch.from_numpy(x)).numpy()


def run_keras(model: Any, x: np.ndarray) -> np.ndarray:
    return nchw(model(x.transpose(0, 2, 3, 1)))


def kinds(model: Any) -> set[str]:
    layers = torch_layers(model) if isinstance(model, nn.Module) else keras_layers(model)
    return {type(layer).__name__ for layer in layers.values()}


def assert_folds_to_the_same(ours: nn.Module, theirs: Any, x: np.ndarray) -> tuple[nn.Module, Any]:
    """Fold both, and compare each with what it was, in float64."""
    folded = resnet_torch.fold_batch_norm(ours), resnet_keras.fold_batch_norm(theirs)
    assert gap(run_torch(folded[0], x), run_torch(ours, x)) <= BOUND
    assert gap(run_keras(folded[1], x), run_keras(theirs, x)) <= BOUND
    return folded
