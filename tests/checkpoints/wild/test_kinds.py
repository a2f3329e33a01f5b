"""Files as people have them give the logits of the network they were saved from, or say in a sentence why not."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch

import parity
import resnet_torch
from parity.checkpoints.inside import Asked
from parity.checkpoints.source import read_source
from parity.errors import MOST, CheckpointError
from tests.checkpoints.helpers import SMALL, random_tensors

from .kinds import TAKEN, State, kuangliu, mlx, paddle, weiaicunzai
from .refused import REFUSED


@pytest.fixture(scope="module")
def state() -> State:
    return {name: torch.from_numpy(array) for name, array in random_tensors().items()}


def image() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, 32, 32), dtype="f4"))


def logits(state: State) -> np.ndarray:
    model = resnet_torch.cifar_resnet20(num_classes=10 if "fc.weight" in state else 0).eval()
    model.load_state_dict({name: tensor.float() for name, tensor in state.items()}, strict=False)
    with torch.no_grad():
        return model(image()).numpy()


@pytest.mark.parametrize("kind", TAKEN)
def test_taken_without_an_option(kind: str, state: State, tmp_path: Path) -> None:
    torch.save(TAKEN[kind](state), tmp_path / "in.ckpt")
    found = read_source(tmp_path / "in.ckpt")
    assert found.architecture.name == SMALL
    written = tmp_path / "out.pth"
    parity.convert(tmp_path / "in.ckpt", written)
    out = torch.load(written)
    wanted = {name: tensor for name, tensor in state.items() if name in out}
    assert len(wanted) == len(out) >= len(state) - 2
    if kind in ("half", "bfloat16"):
        wanted = {name: getattr(tensor, kind)() for name, tensor in wanted.items()}
    assert np.array_equal(logits(out), logits(wanted))


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_with_the_option_that_helps(kind: str, state: State, tmp_path: Path) -> None:
    made, told, options = REFUSED[kind]
    torch.save(made(state), tmp_path / "in.ckpt")
    with pytest.raises(CheckpointError) as caught:
        read_source(tmp_path / "in.ckpt")
    assert told in str(caught.value)
    assert len(str(caught.value)) <= MOST
    if options:
        given: dict[str, Any] = dict(options)
        found = read_source(tmp_path / "in.ckpt", given.pop("model", None), Asked(**given))
        wanted = {name: tensor.value for name, tensor in found.tensors.items()}
        assert all(np.array_equal(array, state[name].numpy()) for name, array in wanted.items())
        assert len(wanted) >= len(state) - 2


def test_what_is_left_out_is_counted_and_named(state: State, tmp_path: Path) -> None:
    torch.save(TAKEN["detection"](state), tmp_path / "in.pth")
    assert (
        "1 tensors are no part of the network and left out: rpn.head.conv.weight"
        in read_source(tmp_path / "in.pth").notes
    )
    torch.save(TAKEN["Cadene"](state), tmp_path / "in.pth")
    assert "last_linear.weight is taken for the classifier, fc" in read_source(tmp_path / "in.pth").notes


def test_a_prefix_that_is_none(state: State, tmp_path: Path) -> None:
    torch.save(REFUSED["two encoders"][0](state), tmp_path / "in.pth")
    with pytest.raises(CheckpointError, match=r"'x\.' is not; try 'encoder_q\.', 'encoder_k\.'"):
        read_source(tmp_path / "in.pth", None, Asked(prefix="x."))


class Tensor:
    """Pickled as Paddle pickles a tensor in a dictionary: a call of tuple on its name and its array."""

    def __init__(self, name: str, array: np.ndarray) -> None:
        self.pair = name, array

    def __reduce__(self) -> Any:
        return tuple, (self.pair,)


@pytest.mark.parametrize("nested", [True, False])
def test_paddle_s_own_files(nested: bool, state: State, tmp_path: Path) -> None:
    held: dict[str, Any] = {name: tensor.numpy() for name, tensor in paddle(state).items()}
    content = {"model": {name: Tensor(name, array) for name, array in held.items()}} if nested else held
    content |= {} if nested else {"StructuredToParameterName@@": {name: f"p_{name}" for name in held}}
    (tmp_path / "in.pdparams").write_bytes(pickle.dumps(content, 4))
    found = read_source(tmp_path / "in.pdparams")
    assert all(np.array_equal(found.tensors[name].value, tensor.numpy()) for name, tensor in state.items())


def test_mlx_s_own_files(state: State, tmp_path: Path) -> None:
    """safetensors with null for metadata, and kernels (out, height, width, in)."""
    held = {name: tensor.numpy() for name, tensor in mlx(state).items()}
    blob = safetensors.numpy.save(held)
    size = int.from_bytes(blob[:8], "little")
    text = json.dumps({"__metadata__": None} | json.loads(blob[8 : 8 + size])).encode()
    text += b" " * (-len(text) % 8)
    (tmp_path / "in.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + blob[8 + size :])
    found = read_source(tmp_path / "in.safetensors")
    assert all(np.array_equal(found.tensors[name].value, tensor.numpy()) for name, tensor in state.items())


def test_a_square_head_of_paddle_s_is_told_by_its_names(tmp_path: Path) -> None:
    square = {name: torch.from_numpy(array) for name, array in random_tensors(SMALL, num_classes=64).items()}
    torch.save(paddle(square), tmp_path / "in.pth")
    found = read_source(tmp_path / "in.pth")
    assert np.array_equal(found.tensors["fc.weight"].value, square["fc.weight"].numpy())
    assert not any("square" in note for note in found.notes)


WIDE = "cifar_resnet18"


@pytest.fixture(scope="module")
def wide() -> State:
    """A network as wide as ImageNet's, for CIFAR."""
    return {name: torch.from_numpy(array) for name, array in random_tensors(WIDE, num_classes=7).items()}


@pytest.mark.parametrize("named", [kuangliu, weiaicunzai])
def test_a_3x3_stem_of_repositories_for_cifar(named: Any, wide: State, tmp_path: Path) -> None:
    torch.save(named(wide), tmp_path / "in.pth")
    found = read_source(tmp_path / "in.pth")
    assert str(found.architecture) == f"{WIDE}(num_classes=7)"
    assert all(np.array_equal(found.tensors[name].value, tensor.numpy()) for name, tensor in wide.items())


def test_a_3x3_stem_that_a_pool_may_follow(wide: State, tmp_path: Path) -> None:
    """Other repositories leave torchvision's pool behind it, and no tensor tells."""
    torch.save(wide, tmp_path / "in.pth")
    with pytest.raises(CheckpointError, match=f"what follows its 3x3 stem.*--model {WIDE}$"):
        read_source(tmp_path / "in.pth")
    assert read_source(tmp_path / "in.pth", WIDE).architecture.name == WIDE
    for told in ("out.safetensors", "out.weights.h5", "out.keras"):
        parity.convert(tmp_path / "in.pth", tmp_path / told, WIDE)
        assert read_source(tmp_path / told).architecture.name == WIDE
        (tmp_path / told).unlink()
    model = resnet_torch.resnet18(num_classes=7)
    model.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
    torch.save(model, tmp_path / "whole.pth")
    with pytest.raises(CheckpointError, match="max pool size is 3, which nothing here has"):
        read_source(tmp_path / "whole.pth")
    model.maxpool = torch.nn.Identity()
    torch.save(model, tmp_path / "whole.pth")
    assert read_source(tmp_path / "whole.pth").architecture.name == WIDE
