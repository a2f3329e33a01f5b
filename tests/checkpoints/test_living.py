"""Other libraries' models as they are, alive, beside ours in `parity.check`: in to 1e-12 of the outputs' scale."""

from pathlib import Path
from typing import Any

import keras
import pytest
import torch

import parity
import resnet_keras
import resnet_torch
from parity.checkpoints.source import read_source
from parity.frameworks.keras.side import KerasSide
from parity.frameworks.torch.side import TorchSide

from .libraries import BOUND, HUB, image, library, randomised, randomised_keras


class Logits(torch.nn.Module):
    """A transformers model as a function of an image."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x).logits


def live_timm(folder: Path) -> tuple[Any, Path]:
    model = randomised(library("timm").create_model("resnext50_32x4d", num_classes=7)).float()
    torch.save(model.state_dict(), folder / "timm.pth")
    return model, folder / "timm.pth"


def live_transformers(folder: Path) -> tuple[Any, Path]:
    library("torchvision")
    transformers = library("transformers")
    config = transformers.ResNetConfig(
        depths=[2, 2, 2, 2], hidden_sizes=[64, 128, 256, 512], layer_type="basic", num_labels=7
    )
    model = randomised(transformers.ResNetForImageClassification(config)).float()
    model.save_pretrained(folder)
    return Logits(model).eval(), folder / "model.safetensors"


def live_applications(folder: Path) -> tuple[Any, Path]:
    options = {"weights": None, "classes": 7, "classifier_activation": None, "input_shape": (64, 64, 3)}
    model = randomised_keras(keras.applications.ResNet50(**options))
    model.save_weights(folder / "applications.weights.h5")
    return model, folder / "applications.weights.h5"


def live_hub(folder: Path) -> tuple[Any, Path]:
    hub = library("keras_hub")
    filters = {"input_conv_filters": [64], "input_conv_kernel_sizes": [7], "stackwise_num_filters": [64, 128, 256, 512]}
    body = hub.models.ResNetBackbone(
        **filters, **HUB["resnet18"], stackwise_num_strides=[1, 2, 2, 2], use_pre_activation=False
    )
    model = randomised_keras(hub.models.ResNetImageClassifier(backbone=body, num_classes=7, preprocessor=None))
    model.save_weights(folder / "hub.weights.h5")
    return model, folder / "hub.weights.h5"


@pytest.mark.parametrize("live", [live_timm, live_transformers, live_applications, live_hub])
def test_parity_check_beside_the_living_model(live: Any, tmp_path: Path) -> None:
    """Layer by layer: their own model in one framework, ours with their checkpoint in the other."""
    model, path = live(tmp_path)
    found = read_source(path, None)
    name, options = found.architecture.name, found.architecture.options
    theirs_is_torch = isinstance(model, torch.nn.Module)
    twin = getattr(resnet_keras if theirs_is_torch else resnet_torch, name)(**options)
    side = KerasSide(twin) if theirs_is_torch else TorchSide(twin.eval())
    for canonical, tensor in found.tensors.items():
        side.load(canonical, tensor.value)
    pair = (model, twin) if theirs_is_torch else (twin, model)
    report = parity.check(*pair, image())
    assert report.ok, report.first
    assert max(layer.inherited.error for layer in report.layers) < BOUND
    assert not report.static
