"""Parameters and multiply-adds are the published ones, in both packages."""

import json
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import keras
import pytest
import torch
from torch import nn

import resnet_keras
import resnet_torch

from .helpers import blueprint, keras_layers, torch_layers

ROWS = json.loads(Path(__file__).with_name("oracles.json").read_text())
ROWS_BY_SIZE = [
    pytest.param(
        row,
        id="-".join([row["model"], *map(str, row["changes"].values())]),
        marks=pytest.mark.slow if row["model"] == "cifar_resnet1202" else (),
    )
    for row in ROWS
]


def config(package: Any, row: dict[str, Any]) -> Any:
    return replace(package.VARIANTS[row["model"]], **row["changes"])


def torch_macs(model: nn.Module, image: torch.Tensor) -> int:
    """Multiply-adds of the convolutions and dense layers, from the shapes of one run."""
    counts = []

    def count(module: nn.Module, args: Any, output: torch.Tensor) -> None:
        counts.append(output[0].numel() * module.weight[0].numel())

    for module in torch_layers(model).values():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    model(image)
    return sum(counts)


def keras_macs(model: keras.Model) -> int:
    """The same from the shapes that the layers know since they were built."""
    kinds = keras.layers.Conv2D | keras.layers.Dense
    layers = [layer for layer in keras_layers(model).values() if isinstance(layer, kinds)]
    return sum(prod(layer.output.shape[1:]) * prod(layer.kernel.shape[:-1]) for layer in layers)


def check_macs(macs: int, row: dict[str, Any]) -> None:
    if "macs" in row:
        assert macs == row["macs"]
    if "gmacs" in row:  # a published figure is right to half its last digit
        assert round(macs / 1e9, row["decimals"]) == row["gmacs"]


def check_params(params: int, with_statistics: int, row: dict[str, Any]) -> None:
    if "params" in row:
        assert params == row["params"]
    if "keras_count_params" in row:
        assert with_statistics == row["keras_count_params"]


@pytest.mark.parametrize("row", ROWS_BY_SIZE)
def test_counts(row: dict[str, Any]) -> None:
    with torch.device("meta"):
        ours = resnet_torch.ResNet(config(resnet_torch, row)).eval()
        macs = torch_macs(ours, torch.empty(1, ours.config.in_channels, *ours.config.image_size))
    theirs = blueprint(config(resnet_keras, row))
    tensors = [tensor.numel() for tensor in ours.state_dict().values() if tensor.ndim]
    check_params(sum(parameter.numel() for parameter in ours.parameters()), sum(tensors), row)
    check_params(sum(prod(variable.shape) for variable in theirs.trainable_variables), theirs.count_params(), row)
    check_macs(macs, row)
    assert keras_macs(theirs) == macs


def test_every_variant_has_an_oracle() -> None:
    assert {row["model"] for row in ROWS} == set(resnet_torch.VARIANTS)
