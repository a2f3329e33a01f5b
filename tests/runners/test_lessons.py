"""What the teacher's run leaves on the shelf for the gradient check, and that nobody has to be asked for it."""

import gc
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from parity.frameworks.forcing import cotangent
from parity.frameworks.torch.side import TorchSide
from parity.models.steps import NOTHING
from parity.runners.lessons import ShelfBoard, Taught
from parity.runners.local import LocalRunner
from parity.runners.recording import Shelf
from parity.verdict import rounding
from parity.verdict.difference import Difference, size_of, sized, structure_ok
from tests.frameworks.twins import small

X = np.random.default_rng(0).standard_normal((2, 3, 7, 6))


def taught(model: nn.Module) -> tuple[LocalRunner, ShelfBoard]:
    runner = LocalRunner(TorchSide(model), Shelf())
    return runner, ShelfBoard(runner.shelf, runner.teach(X, 0, NOTHING).result())


def get(board: ShelfBoard, what: str, key: str) -> Any:
    found = board.get((what, key))
    assert found is not None
    return found


def test_it_is_what_autograd_gives() -> None:
    torch.manual_seed(0)
    model = small()
    _, board = taught(model)
    plain = small().double().train()
    plain.load_state_dict(model.state_dict())
    x = torch.from_numpy(X).requires_grad_()
    outputs = plain(x)
    loss = (outputs * torch.from_numpy(cotangent(tuple(outputs.shape), 0))).sum()
    loss.backward()
    for name, parameter in plain.named_parameters():
        assert np.abs(get(board, "tensor", name) - parameter.grad.numpy()).max() < 1e-13
    for name in ("input", "loss"):
        wanted = {"input": x.grad, "loss": loss.detach().reshape(1)}[name]
        assert np.abs(get(board, "tensor", name) - wanted.numpy()).max() < 1e-13
    assert np.array_equal(get(board, "tensor", "bn1.running_var"), plain.bn1.running_var.numpy())
    assert np.array_equal(get(board, "output", "input"), X)
    gradients = [get(board, what, key) for what, key in board.taught.places if what == "gradient"]
    assert board.greatest == max(np.abs(array).max() for array in gradients)
    for key, name in (("block.conv1", "relu"), ("block.relu2", "block.relu2<0")):  # the latter is the block's sum
        assert np.array_equal(board.source(key), get(board, "output", name))


def test_sizes_are_of_all_that_is_summed() -> None:
    """A shared layer's tensors are sums over its calls; what two norms send back is the sum of both."""
    shared = nn.BatchNorm2d(3)
    model = Twice(shared)
    _, board = taught(model)
    assert set(board.sizes) >= {
        ("output", "norm"),
        ("output", "norm#2"),
        ("tensor", "norm.bias"),
        ("gradient", "input"),
    }
    parts = [np.abs(get(board, "gradient", key)).sum((0, 2, 3)) for key in ("norm", "norm#2")]
    wanted = size_of(parts[0] + parts[1])
    assert board.sizes["tensor", "norm.bias"] == pytest.approx(wanted)
    into = [board.sizes["into", f"{key}<0"].greatest for key in ("norm", "norm#2")]
    assert max(into) < board.sizes["gradient", "input"].greatest <= sum(into) * (1 + 1e-12)
    assert {key for what, key in board.sizes if what == "tensor"} == {
        "loss",
        *(f"norm.{name}" for name in ("weight", "bias", "running_mean", "running_var")),
    }


class Twice(nn.Module):
    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.norm(x) + self.norm(x))


class Stopped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv1(x).detach() + self.conv2(x)


def test_what_is_not_reached_has_a_gradient_of_zero() -> None:
    _, board = taught(Stopped())
    assert get(board, "gradient", "conv1").shape == (2, 4, 7, 6)
    assert not get(board, "gradient", "conv1").any()
    assert not get(board, "tensor", "conv1.weight").any()
    assert get(board, "gradient", "conv2").any()


def test_the_rounding_lies_there_too_and_a_new_lesson_takes_the_place() -> None:
    runner, board = taught(small())
    before = dict(board.taught.places)
    after, measured = runner.teach_rounding(board.taught, X, "float32", NOTHING).result()
    low = {name for name in after.places if name[0].startswith("low ")}
    assert low == {(f"low {what}", key) for what, key in measured if what != "gradient"}
    assert {name: after.places[name] for name in before} == before
    assert runner.shelf.get(after.places["low output", "conv1"]).dtype == np.float32
    size = runner.shelf.end
    again = runner.teach(X, 0, NOTHING).result()
    assert runner.shelf.end < size
    assert again.places.keys() == before.keys()


def test_the_teacher_itself_keeps_nothing() -> None:
    """Its tensors would stay in memory while the other side runs, which takes most."""
    gc.collect()
    runner, board = taught(small())
    board.taught.places.clear()
    gc.collect()
    held = [
        thing for thing in gc.get_objects() if issubclass(type(thing), torch.Tensor) and thing.dtype == torch.float64
    ]
    assert [tuple(tensor.shape) for tensor in held if tensor.numel() > 4 and tensor.shape[0] == len(X)] == []
    assert runner.framework == "torch"


def test_a_pupil_that_knows_everything_adds_nothing() -> None:
    """The teacher as its own pupil: every name that it left is measured, and no number differs."""
    runner, board = taught(small())
    found = runner.forced_gradients(board.taught, X, "float64", NOTHING).result()
    assert {what for what, _ in found} == {"output", "into", "gradient", "tensor"}
    assert max(measured.error.error for measured in found.values()) < 1e-13
    assert sized(Difference(1.0, scale=1.0), None).scale == 1.0
    assert runner.forced_gradients(Taught(), X, "float64", NOTHING).result() == {}


def test_what_differs_is_judged_again_by_what_float64_can_lose() -> None:
    """A bias's gradient in front of a norm is a sum that cancels: two right ones differ by all of themselves."""
    runner, board = taught(small())
    name = "tensor", "bn1.bias"
    sums = get(board, "gradient", "bn1").sum((0, 2, 3))
    lost = rounding.share(get(board, "gradient", "bn1")[:, 0].size) * np.abs(get(board, "gradient", "bn1")).sum(
        (0, 2, 3)
    )
    for off, right in ((0.5 * lost, True), (1e6 * lost, False)):
        board.taught.sizes.pop(name, None)
        board.put(name, off)  # what is left of the sum, as another order of adding leaves it
        found = runner.forced_gradients(board.taught, X, "float64", NOTHING).result()
        assert not structure_ok(found[name].error)
        runner._engine._doubts.put(name, np.zeros_like(sums))
        again = runner.judge_again(runner.teach_losses(board.taught, [name]).result()).result()
        assert again.keys() == {name}
        assert structure_ok(again[name]) is right
