"""The torch models do what any `nn.Module` does: export, trace, save, copy, change layout."""

import copy
import pickle
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing  # teaches ForkingPickler to send tensors
from torch import nn

import resnet_torch
from resnet_torch import Residual

from .helpers import TINY, image, randomise, shallow, torch_blueprint

KINDS = ["resnet18", "resnext50_32x4d", "cifar_resnet20", "resnet18_d2l", "cifar_plain20", "resnet50_keras"]
X = torch.from_numpy(image(2, 3, 33, 32, dtype="float32"))


def build(name: str) -> tuple[nn.Module, torch.Tensor]:
    model = shallow(resnet_torch, name, num_classes=7).eval()
    randomise(model)
    return model, X[:, : model.config.in_channels]


@pytest.fixture(scope="module")
def model() -> nn.Module:
    model = resnet_torch.resnet18(num_classes=7).eval()
    randomise(model)
    return model


@pytest.mark.parametrize("name", KINDS)
def test_export(name: str) -> None:
    model, x = build(name)
    program = torch.export.export(model, (x,))
    torch.testing.assert_close(program.module()(x), model(x), rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")  # what torch 2.14 makes of it
@pytest.mark.parametrize("name", KINDS)
def test_trace(name: str) -> None:
    model, x = build(name)
    traced = torch.jit.trace(model, x, check_trace=False)  # it is checked below
    torch.testing.assert_close(traced(x), model(x), rtol=0, atol=0)


def test_state_dict_through_a_file(model: nn.Module, tmp_path: Path) -> None:
    torch.save(model.state_dict(), tmp_path / "model.pth")
    fresh = resnet_torch.resnet18(num_classes=7).eval()
    fresh.load_state_dict(torch.load(tmp_path / "model.pth", weights_only=True), strict=True)
    assert torch.equal(fresh(X), model(X))


def test_a_file_is_mapped_without_a_copy(model: nn.Module, tmp_path: Path) -> None:
    """No weight is made or copied: the model starts on "meta" and takes the file's memory."""
    torch.save(model.state_dict(), tmp_path / "model.pth")
    state = torch.load(tmp_path / "model.pth", mmap=True, weights_only=True)
    fresh = torch_blueprint("resnet18", num_classes=7).eval()
    fresh.load_state_dict(state, strict=True, assign=True)
    assert fresh.layer4[1].conv2.weight.data_ptr() == state["layer4.1.conv2.weight"].data_ptr()
    assert torch.equal(fresh(X), model(X))


def test_sharing_with_another_process_copies_no_weights() -> None:
    """What is sent are handles to the memory, 20 kB for 45 MB of weights."""
    model = resnet_torch.resnet18().share_memory()
    sent = bytes(ForkingPickler.dumps(model))
    assert len(sent) < 100_000
    received = pickle.loads(sent)
    received.fc.weight.data[0, 0] = 7.0
    assert model.fc.weight[0, 0].item() == 7.0


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["copy", "pickle"])
def test_copies_are_equal_and_independent(model: nn.Module, duplicate: Callable[[Any], Any]) -> None:
    twin = duplicate(model)
    assert twin.config == model.config
    assert torch.equal(twin(X), model(X))
    twin.fc.bias.data += 1.0
    assert not torch.equal(twin(X), model(X))


def test_channels_last_keeps_layout_and_values(model: nn.Module) -> None:
    twin = copy.deepcopy(model).to(memory_format=torch.channels_last)
    x = X.to(memory_format=torch.channels_last)
    features = twin.layer1(twin.maxpool(twin.relu(twin.bn1(twin.conv1(x)))))
    assert features.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(twin(x), model(X), rtol=0, atol=1e-5 * model(X).abs().max().item())


@pytest.mark.parametrize("name", ["resnet18", "cifar_resnet20"])
def test_other_sizes_than_the_recorded_one(name: str) -> None:
    model = getattr(resnet_torch, name)(**TINY).eval()
    assert model(torch.zeros(2, 3, 40, 57)).shape == (2, 7)


def test_residual_learns_its_input_channels_from_the_first_input() -> None:
    block = Residual(64, use_1x1conv=True, strides=2)
    waiting = copy.deepcopy(block)
    x = torch.rand(2, 3, 9, 8)
    for lazy in (block, waiting):
        assert lazy(x).shape == (2, 64, 5, 4)
        assert lazy.conv1.weight.shape == (64, 3, 3, 3)
        assert lazy.conv3.weight.shape == (64, 3, 1, 1)
    fresh = Residual(64, use_1x1conv=True, strides=2, in_channels=3)
    fresh.load_state_dict(block.state_dict(), strict=True)
    twin = copy.deepcopy(block)
    for model in (block, fresh, twin):
        model.eval()
    assert torch.equal(fresh(x), block(x))
    assert torch.equal(twin(x), block(x))


def test_a_lazy_residual_starts_like_one_told_its_channels() -> None:
    torch.manual_seed(0)
    lazy = Residual(64, use_1x1conv=True)
    lazy(torch.rand(1, 32, 4, 4))
    limit = (6 / (9 * 32 + 9 * 64)) ** 0.5  # Glorot and Bengio 2010, equation 16
    assert lazy.conv1.weight.abs().max().item() == pytest.approx(limit, rel=1e-3)
    assert not lazy.conv1.bias.any()
