"""torchvision's checkpoints load as they are, and give torchvision's bits."""

import copy
from types import ModuleType

import pytest
import torch
from torch import nn

import resnet_torch

from .helpers import image, randomise, torch_blueprint
from .torchvision_oracle import MODELS, torchvision_models

SMALL = ("resnet18", "resnext50_32x4d")
BY_SIZE = [pytest.param(name, marks=() if name in SMALL else pytest.mark.slow) for name in MODELS]


@pytest.fixture(scope="module")
def oracle() -> ModuleType:
    return torchvision_models()


def pair(oracle: ModuleType, name: str) -> tuple[nn.Module, nn.Module]:
    theirs = getattr(oracle, name)(num_classes=10)
    randomise(theirs)
    ours = torch_blueprint(name, num_classes=10)
    ours.load_state_dict(copy.deepcopy(theirs.state_dict()), strict=True, assign=True)
    return ours, theirs


def train_step(model: nn.Module, x: torch.Tensor) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    nn.functional.cross_entropy(model.train()(x), torch.arange(len(x))).backward()
    optimizer.step()


@pytest.mark.parametrize("name", MODELS)
def test_state_dict_is_torchvisions(oracle: ModuleType, name: str) -> None:
    with torch.device("meta"):
        theirs = getattr(oracle, name)().state_dict()
    ours = torch_blueprint(name)
    ours.load_state_dict(theirs, strict=True)
    assert list(ours.state_dict()) == list(theirs)  # in the same order, which optimizers count by


@pytest.mark.parametrize("name", BY_SIZE)
def test_same_bits_at_inference_and_after_a_training_step(oracle: ModuleType, name: str) -> None:
    ours, theirs = pair(oracle, name)
    x = torch.from_numpy(image(2, 3, 65, 64, dtype="float32"))
    with torch.no_grad():
        assert torch.equal(ours.eval()(x), theirs.eval()(x))
    for model in (ours, theirs):
        train_step(model, x)
    for key, tensor in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[key], tensor), key


def test_zero_init_residual_and_dilation_are_torchvisions(oracle: ModuleType) -> None:
    options = {"zero_init_residual": True, "replace_stride_with_dilation": [True, False, True]}
    theirs = oracle.resnet50(**options)
    ours = resnet_torch.resnet50(**options)
    zeros = {key for key, tensor in theirs.state_dict().items() if key.endswith("weight") and not tensor.any()}
    assert zeros == {key for key, tensor in ours.state_dict().items() if key.endswith("weight") and not tensor.any()}
    assert zeros
    randomise(theirs)
    ours.load_state_dict(theirs.state_dict())
    x = torch.from_numpy(image(2, 3, 65, 64, dtype="float32"))
    with torch.no_grad():
        assert torch.equal(ours.eval()(x), theirs.eval()(x))
