"""A whole module that was saved states its layers' settings: strides, dilation, padding, eps, other activations."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import resnet_torch
from parity.checkpoints.source import read_source
from parity.errors import CheckpointError


def strided(model: Any) -> None:
    model.layer2[0].conv1.stride, model.layer2[0].conv2.stride = (1, 1), (2, 2)


def dilated(model: Any) -> None:
    model.layer3[1].conv2.dilation, model.layer3[1].conv2.padding = (2, 2), (2, 2)


def otherwise_normed(model: Any) -> None:
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eps = 1e-3


def activated(model: Any) -> None:
    model.layer1[0].act = nn.GELU()


CHANGES = {
    "stride": (strided, "layer2.0.conv1 strides is 1 and not 2"),
    "dilation": (dilated, "layer3.1.conv2 padding is 2 and not 1; layer3.1.conv2 dilation is 2 and not 1"),
    "eps": (otherwise_normed, "bn1 epsilon is 0.001 and not 1e-05"),
    "activation": (activated, "GELU at layer1.0.act is True, which nothing here has"),
}


@pytest.mark.parametrize("older", [True, False])
@pytest.mark.parametrize("case", CHANGES)
def test_a_changed_setting_is_named(case: str, older: bool, tmp_path: Path) -> None:
    change, told = CHANGES[case]
    model = resnet_torch.cifar_resnet20(shortcut="B")
    change(model)
    torch.save({"model": model, "epoch": 3}, tmp_path / "in.pth", _use_new_zipfile_serialization=not older)
    with pytest.raises(CheckpointError) as caught:
        read_source(tmp_path / "in.pth")
    assert told in str(caught.value)


@pytest.mark.parametrize("name", ["cifar_resnet20", "resnet18", "resnet50_v1", "resnet18_d2l"])
def test_an_unchanged_one_is_believed(name: str, tmp_path: Path) -> None:
    """And tells which of those that share all tensors it is."""
    torch.save(nn.DataParallel(getattr(resnet_torch, name)(num_classes=3)), tmp_path / "in.pth")
    found = read_source(tmp_path / "in.pth")
    assert found.architecture.name == name
