"""Files as people have them give the logits of the network they were saved from, or say in a sentence why not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import parity
import resnet_torch
from parity.checkpoints.inside import Asked
from parity.checkpoints.source import read_source
from parity.errors import MOST, CheckpointError
from tests.checkpoints.helpers import SMALL, random_tensors

from .kinds import REFUSED, TAKEN, State


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
    with pytest.raises(CheckpointError, match=r"'x\.' is not; try 'encoder_k\.', 'encoder_q\.'"):
        read_source(tmp_path / "in.pth", None, Asked(prefix="x."))
