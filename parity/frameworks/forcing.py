"""A training step taken apart: every step of one side, forward and backward, on what the other side computed.

The teacher (torch, float64, free) keeps each step's output and the gradient of the loss at it. A pupil runs on the
same input with every step cut loose: it computes from the teacher's inputs, and its backward pass starts from the
teacher's gradient at its own output. So a number that differs was made wrong right there, forward or backward; nothing
is inherited, nothing magnified by the batch norms behind (1.2 times a layer, Yang et al. 2019), and no ReLU takes the
other branch because an input rounded otherwise: what two sides' rounding errors differ by is again a matter of chance.

What is measured has a name, (what, key): ("output", step), ("into", "conv1<0") the gradient into one input of a step,
("gradient", step) the gradient at a step's output that all its users together send back, ("tensor", "conv1.weight") a
parameter's gradient or a running statistic afterwards. Under "low output" and so on lies what the teacher's own forced
run in the asked dtype has made.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import numpy as np

from parity.errors import ParityError
from parity.models.aims import Aim
from parity.models.arrays import Array
from parity.models.inputs import Given
from parity.models.keys import is_statistic
from parity.models.kinds import named
from parity.models.steps import Look, Step, StepInfo
from parity.verdict.difference import Difference, Size, difference, structure_ok
from parity.verdict.measured import Measured, Name
from parity.verdict.rounding import judged, rounded

KEPT = 24  # arrays at fault that a run hands back, for explanations


class Board(Protocol):
    """What the teacher leaves and everyone reads: arrays by name, and what is known of them.

    sizes: of the terms of sums which may cancel, of what a step adds to a statistic (see verdict/rounding.py). steps:
    those of the run, by key. greatest: the magnitude of the largest gradient.
    """

    sizes: dict[Name, Size]
    steps: dict[str, StepInfo]
    greatest: float

    def __iter__(self) -> Iterator[Name]:
        """The names of all arrays."""

    def __contains__(self, name: Name) -> bool:
        """Whether there is an array of that name."""

    def put(self, name: Name, array: Array) -> None:
        """Leave an array, for good."""

    def get(self, name: Name) -> Array | None:
        """The array of a name; None is nothing."""


class Lesson:
    """What one forced run in `dtype` measures. The gradients are scaled to 1 where the dtype would lose small ones.

    doubt: gets what differs in float64 by more than the structure line, until it is known what float64 can lose there.
    """

    def __init__(
        self, board: Board, dtype: str, doubt: Callable[[Name, Array], None] = lambda name, array: None
    ) -> None:
        self.board, self.doubt = board, doubt
        self.lowered = dtype != "float64"
        self.scale = self._scale() if self.lowered else 1.0
        self.found: dict[Name, Measured] = {}
        self._kept = 0

    def _scale(self) -> float:
        size = self.board.greatest
        # A power of two, so that it changes no digit: loss scaling (Micikevicius et al. 2018, section 3.2).
        return float(2.0 ** -np.floor(np.log2(size))) if 0 < size < np.inf else 1.0

    def visit(self, step: Step) -> Array | None:
        """Compare a step's output in training mode and answer with the teacher's, which the model goes on with."""
        theirs = self.board.get(("output", step.key))
        if theirs is not None:
            self.add(("output", step.key), step.output, theirs)
        return theirs

    def upstream(self, key: str) -> Array | None:
        """The teacher's gradient at a step's output, to start from."""
        gradient = self.board.get(("gradient", key))
        return None if gradient is None else gradient * self.scale

    def add_gradients(self, gradients: Iterable[tuple[Name, Array | None]]) -> None:
        """Compare gradients that were made from scaled ones; None is no gradient, which is zero."""
        for name, array in gradients:
            theirs = self.board.get(name)
            if theirs is not None:
                mine = None if array is None else np.divide(array, self.scale, dtype=np.float64)
                self.add(name, mine if mine is None else self._arriving(name, mine, theirs), theirs)

    def _arriving(self, name: Name, mine: Array, theirs: Array) -> Array:
        """A gradient in a narrow dtype, with the teacher's numbers where what it goes back to sends none of it on.

        Of equal numbers a max pool may choose another in one dtype and not in the other; of zeros that a ReLU made,
        neither choice trains anything.
        """
        what, key = name
        step, _, number = key.rpartition("<")
        sources = self.board.steps[step].sources if step in self.board.steps else ()
        if not self.lowered or what != "into" or key in self.board.steps or int(number) >= len(sources):
            return mine
        source = sources[int(number)]
        dead = named(self.board.steps[source].kind).dead if source in self.board.steps else ()
        output = self.board.get(("output", source)) if dead else None
        if output is None or not output.shape == mine.shape == theirs.shape:
            return mine
        return np.where(np.isin(output, dead), theirs, mine)

    def add_statistics(self, statistics: Iterable[tuple[str, Array]]) -> None:
        """Compare running statistics after the pass."""
        for name, array in statistics:
            theirs = self.board.get(("tensor", name))
            if theirs is not None:
                self.add(("tensor", name), array, theirs)

    def add_loss(self, more: float, own: float | None = None) -> None:
        """Compare the loss, to which the model itself adds `more`. own: what this side makes of the teacher's outputs,
        where that is not a plain sum.
        """
        theirs = self.board.get(("tensor", "loss"))
        if theirs is not None and not self.lowered:
            self.add(("tensor", "loss"), (theirs if own is None else np.array([own])) + more, theirs)

    def add(self, name: Name, array: Array | None, theirs: Array) -> None:
        """Compare one array with the teacher's of that name."""
        mine = np.zeros_like(theirs) if array is None else array
        error = (rounded if self.lowered else judged)(name, mine, theirs, self.board.sizes.get(name))
        if not self.lowered and not structure_ok(error):
            self.doubt(name, mine)
        low = self.board.get((f"low {name[0]}", name[1])) if self.lowered else None
        absent = _absent(mine, theirs) if name[0] != "output" else ""
        kept = np.array(mine) if self._keeps(name, error) else None
        self.found[name] = Measured(error, Difference() if low is None else difference(mine, low), absent, kept)

    def _keeps(self, name: Name, error: Difference) -> bool:
        """Whether an explanation may need the array: a running statistic, or what is at fault, if not too much is."""
        if self.lowered or is_statistic(name[1]):
            return not self.lowered
        self._kept += not structure_ok(error)
        return not structure_ok(error) and self._kept <= KEPT


def _absent(mine: Array, theirs: Array) -> str:
    if bool(mine.any()) == bool(theirs.any()):
        return ""
    return "keras" if theirs.any() else "torch"


def cotangent(shape: tuple[int, ...], seed: int) -> Array:
    """The gradient of the loss at the output (N, C, ...): fixed, random, so that the loss is linear and hides nothing.

    The loss is sum(output * cotangent).
    """
    draw = np.random.default_rng([seed, 20151210])
    return np.asarray(draw.standard_normal(shape) / max(1, int(np.prod(shape))) ** 0.5)


def loss_of(outputs: Iterable[Array], seed: int) -> tuple[Array, Array]:
    """The loss of a model's outputs as (1,), and the size of its terms as (1,). Raises ParityError for none."""
    products = [(output.astype(np.float64) * cotangent(output.shape, seed)).reshape(-1) for output in outputs]
    if not products:
        raise ParityError(
            "gradients need an output that is a tensor of floating-point numbers, and the model gives none; compare "
            "without --gradients, or a model around it that gives what it is trained by"
        )
    terms = np.concatenate(products)
    return terms.sum().reshape(1), np.abs(terms).sum().reshape(1)


class SideGradients:
    """What all frameworks' gradients share. `side` stays as it was after every run. A pupil need not teach."""

    def __init__(self, side: Any) -> None:
        self.side = side
        self.aim: Aim | None = None  # the loss, if it is not the weighted sum

    def steps(self, x: Given, look: Look) -> list[StepInfo]:
        """The steps of a run in training mode, in order of execution."""
        raise NotImplementedError

    def teach(self, board: Board, x: Given, seed: int, look: Look) -> None:
        """Run forward and backward in float64 and leave what every step made, and what came back to it."""
        raise NotImplementedError("torch teaches")

    def teach_rounding(self, board: Board, x: Given, dtype: str, look: Look) -> dict[Name, Measured]:
        """The forced run in `dtype` on what this very side has taught: leaves its numbers, returns its rounding."""
        raise NotImplementedError("torch teaches")

    def teach_losses(self, board: Board, names: list[Name]) -> None:
        """Leave, as "lost ...", how far off a right number of each name may be, where that is known."""
        raise NotImplementedError("torch teaches")

    def lost_in_evaluation(
        self, steps: dict[str, StepInfo], key: str, made: Callable[[str], Array | None]
    ) -> Array | None:
        """How far off a right output of step `key` may be in float64; None where nothing is known but the line.

        made: what the run in evaluation mode has made, by key, inputs included.
        """
        return None

    def free(self, emit: Callable[[tuple[str, Array]], None], x: Given, seed: int, look: Look) -> None:
        """Run forward and backward in float64; emit loss, input gradient, every tensor's gradient or statistic."""
        raise NotImplementedError

    def forced(
        self, board: Board, x: Given, dtype: str, look: Look, doubt: Callable[[Name, Array], None]
    ) -> dict[Name, Measured]:
        """Run every step on the teacher's numbers in `dtype` and return what differs; see `Lesson` for `doubt`."""
        lesson = Lesson(board, dtype, doubt)
        self.run_forced(lesson, x, dtype, look)
        return lesson.found

    def run_forced(self, lesson: Lesson, x: Given, dtype: str, look: Look) -> None:
        raise NotImplementedError
