"""A torch model's training step: free in float64, which teaches the other side, and forced in any dtype."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from parity.errors import ParityError
from parity.frameworks.forcing import Board, Lesson, SideGradients, loss_of
from parity.frameworks.side import Codec, Watching
from parity.models.arrays import Array
from parity.models.inputs import Given, inputs_of, is_input
from parity.models.keys import is_statistic
from parity.models.steps import Look, Step, StepInfo, info, is_output
from parity.verdict.difference import size_of
from parity.verdict.measured import Measured, Name

from .rounding import TorchRounding
from .teaching import Teacher, raise_without_gradients, tensors_of, trained_in
from .walk import torch_tensors


class TorchGradients(SideGradients):
    """Leaves on the board, after `teach`, what the other side is taught: outputs and gradients of every step."""

    def steps(self, x: Given, look: Look) -> list[StepInfo]:
        found: list[StepInfo] = []
        tape = Watching(trained_in(self.side, "float64"))
        self.side.trace(x, "float64", lambda step: found.append(info(step)), look, tape)
        return found

    def teach(self, board: Board, x: Given, seed: int, look: Look) -> None:
        x = inputs_of(x)
        for name, key in x.keys.items():
            board.put(("output", key), x.batch_first(name))
        tape = Teacher(self.side, board)

        def keep(step: Step) -> None:
            board.steps[step.key] = info(step)
            board.put(("output", step.key), step.output)

        with _exact_backward():
            self.side.trace(x, "float64", keep, look, tape)
        loss, size = loss_of(tape.starts(seed), seed) if self.aim is None else tape.aimed(self.aim)
        tape.backward()
        raise_without_gradients(tape.model, self.aim)
        board.put(("tensor", "loss"), loss)
        board.sizes["tensor", "loss"] = size_of(size)
        for name, array in tensors_of(self.side, tape.model):
            board.put(("tensor", name), array)
        tape.release()
        _leave_sizes(self._rounding(board), board)

    def _rounding(self, board: Board) -> TorchRounding:
        return TorchRounding(self.side, board.steps, lambda what, key: board.get((what, key)))

    def teach_losses(self, board: Board, names: list[Name]) -> None:
        rounding = self._rounding(board)
        for what, key in names:
            lost = rounding.lost(what, key)
            if lost is not None:
                board.put((f"lost {what}", key), lost)

    def lost_in_evaluation(
        self, steps: dict[str, StepInfo], key: str, made: Callable[[str], Array | None]
    ) -> Array | None:
        rounding = TorchRounding(self.side, steps, lambda what, key: made(key) if what == "output" else None)
        return rounding.lost_in_evaluation(key)

    def teach_rounding(self, board: Board, x: Given, dtype: str, look: Look) -> dict[Name, Measured]:
        lesson = _Leaving(board, dtype)
        self.run_forced(lesson, x, dtype, look)
        return lesson.found

    def run_forced(self, lesson: Lesson, x: Given, dtype: str, look: Look) -> None:
        tape = _Pupil(self.side, dtype)
        self.side.trace(x, dtype, lesson.visit, look, tape)
        lesson.add_loss(0.0)  # torch's modules add none
        lesson.add_gradients(tape.gradients(lesson))
        tensors = tensors_of(self.side, tape.model)
        lesson.add_statistics((name, array) for name, array in tensors if is_statistic(name))


class _Leaving(Lesson):
    """A Lesson that also leaves the numbers themselves on the board, as "low ..."."""

    def add(self, name: Name, array: Array | None, theirs: Array) -> None:
        super().add(name, array, theirs)
        if array is not None and name[0] != "gradient":
            self.board.put((f"low {name[0]}", name[1]), array)


def _leave_sizes(rounding: TorchRounding, board: Board) -> None:
    """Of all that lies on the board, step by step: a step's terms are then made once, for all numbers made of them."""
    tensors = [key for what, key in board if what == "tensor"]
    for key, step in board.steps.items():
        path = key.partition("#")[0]
        own = [("tensor", name) for name in tensors if name.rpartition(".")[0] == path]
        sources = [("gradient", source) for source in (f"{key}<0", *step.sources[:1])]
        for name in [("output", key), ("into", f"{key}<0"), *sources, *own]:
            size = rounding.size(*name) if name in board and name not in board.sizes else None
            if size is not None and size.size:
                board.sizes[name] = size_of(size)


@contextmanager
def _exact_backward() -> Iterator[None]:
    """torch's own backward of hardsigmoid takes a sixth in float32, also in float64; relu6(x + 3) / 6 is exact.

    It is what every way to it calls in the end.
    """
    native: Any = torch._C._nn
    own = native.hardsigmoid
    native.hardsigmoid = lambda x: functional.relu6(x + 3) / 6
    try:
        yield
    finally:
        native.hardsigmoid = own


@contextmanager
def _without_reentrance() -> Iterator[None]:
    """A checkpoint that runs its backward pass inside the other takes no gradients of single tensors."""
    try:
        yield
    except RuntimeError as error:
        if "use_reentrant" not in str(error):
            raise
        raise ParityError(
            "the torch model must run backward in one pass, and torch.utils.checkpoint(use_reentrant=True) runs one in "
            "another, in which no gradient can be seen; pass use_reentrant=False, which computes the same"
        ) from None


class _Pupil:
    """The Tape of a forced run: every step starts from leaves that hold the teacher's numbers."""

    def __init__(self, side: Any, dtype: str) -> None:
        self.model = trained_in(side, dtype)
        self.targets: dict[str, tuple[torch.Tensor, Codec]] = {}
        self.sources: dict[Name, tuple[torch.Tensor, Codec]] = {}
        tensors = torch_tensors(side.found_in(self.model))
        self.parameters = {name: p for name, p in tensors if isinstance(p, nn.Parameter)}

    def made(self, key: str, x: torch.Tensor, taught: torch.Tensor | None, codec: Codec) -> torch.Tensor:
        if not is_input(key) and x.requires_grad:
            self.targets[key] = x, codec
        if not x.is_floating_point() or is_output(key) or (taught is None and not is_input(key)):
            return x
        leaf = (x if taught is None else taught).detach().requires_grad_()
        self.sources["gradient", key] = leaf, codec
        return leaf.clone()

    def fed(self, feeds: str, x: torch.Tensor, codec: Codec) -> torch.Tensor:
        if not x.requires_grad:
            return x
        x = x.view_as(x)
        self.sources["into", feeds] = x, codec
        return x

    def gradients(self, lesson: Lesson) -> Iterator[tuple[Name, Array | None]]:
        """One backward pass from every step's output, each with the teacher's gradient, to all that was taught."""
        # One at a time: together the arrays are as large as all that the model computes.
        starts = ((lesson.upstream(key), x, codec) for key, (x, codec) in self.targets.items())
        known = [(x, codec.like(start, x)) for start, x, codec in starts if start is not None]
        trained = {name: p for name, p in self.parameters.items() if p.requires_grad}
        wanted = [*(x for x, _ in self.sources.values()), *trained.values()]
        with _without_reentrance():
            made = torch.autograd.grad([x for x, _ in known], wanted, [start for _, start in known], allow_unused=True)
        for (name, (_, codec)), gradient in zip(self.sources.items(), made, strict=False):
            yield name, None if gradient is None else codec.array(gradient)
        tensors = dict(zip(trained, made[len(self.sources) :], strict=True))
        for parameter in self.parameters:
            found = tensors.get(parameter)
            yield ("tensor", parameter), None if found is None else found.cpu().double().numpy()
