"""A training step taken apart: every step of one side, forward and backward, on what the other side computed.

The teacher (torch, float64, free) keeps each step's output and the gradient of the loss at it. A pupil runs on the
same input with every step cut loose: it computes from the teacher's inputs, and its backward pass starts from the
teacher's gradient at its own output. So a number that differs was made wrong right there, forward or backward; nothing
is inherited, nothing magnified by the batch norms behind (1.2 times a layer, Yang et al. 2019), and no ReLU takes the
other branch because an input rounded otherwise: what two sides' rounding errors differ by is again a matter of chance.

What is measured has a name, (what, key): ("output", step), ("into", "conv1<0") the gradient into one input of a step,
("gradient", step) the gradient at a step's output that all its users together send back, ("tensor", "conv1.weight") a
parameter's gradient or a running statistic afterwards.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from parity.capture import Step
from parity.compare import Array, Difference, difference, structure_ok

Name = tuple[str, str]
Teach = Callable[[str, str], Array | None]
STATISTICS = ("running_mean", "running_var")
KEPT = 24  # arrays at fault that a run hands back, for explanations


@dataclass(frozen=True)
class Measured:
    """A pupil's number against the teacher's float64 and against the teacher's own run in the same dtype.

    `absent`: whose gradient is zero or missing while the other side has one: "torch", "keras" or "". `array` is the
    pupil's own value where an explanation may need it.
    """

    error: Difference
    low: Difference
    absent: str = ""
    array: Array | None = None


@dataclass(frozen=True)
class Ask:
    """The teacher, where it is another process: a question sent, an answer received."""

    send: Callable[[Name], None]
    receive: Callable[[], Array | None]

    def __call__(self, what: str, key: str) -> Array | None:
        self.send((what, key))
        return self.receive()


class Lesson:
    """What one forced run in `dtype` measures. The gradients are scaled to 1 where the dtype would lose small ones."""

    def __init__(self, teach: Teach, dtype: str) -> None:
        self.teach = teach
        self.lowered = dtype != "float64"
        self.scale = self._scale() if self.lowered else 1.0
        self.found: dict[Name, Measured] = {}
        self._kept = 0

    def _scale(self) -> float:
        greatest = self.teach("greatest", "")
        size = 0.0 if greatest is None else float(greatest[0])
        # A power of two, so that it changes no digit: loss scaling (Micikevicius et al. 2018, section 3.2).
        return float(2.0 ** -np.floor(np.log2(size))) if 0 < size < np.inf else 1.0

    def visit(self, step: Step) -> Array | None:
        """Compare a step's output in training mode and answer with the teacher's, which the model goes on with."""
        theirs = self.teach("output", step.key)
        if theirs is not None:
            self.add(("output", step.key), step.output, theirs)
        return theirs

    def upstream(self, key: str) -> Array | None:
        """The teacher's gradient at a step's output, to start from."""
        gradient = self.teach("gradient", key)
        return None if gradient is None else gradient * self.scale

    def add_gradients(self, gradients: Iterable[tuple[Name, Array | None]]) -> None:
        """Compare gradients that were made from scaled ones; None is no gradient, which is zero."""
        for name, array in gradients:
            theirs = self.teach(*name)
            if theirs is not None:
                self.add(name, None if array is None else np.divide(array, self.scale, dtype=np.float64), theirs)

    def add_statistics(self, statistics: Iterable[tuple[str, Array]]) -> None:
        """Compare running statistics after the pass."""
        for name, array in statistics:
            theirs = self.teach("tensor", name)
            if theirs is not None:
                self.add(("tensor", name), array, theirs)

    def add(self, name: Name, array: Array | None, theirs: Array) -> None:
        """Compare one array with the teacher's of that name."""
        mine = np.zeros_like(theirs) if array is None else array
        error = sized(difference(mine, theirs), self.teach(f"size {name[0]}", name[1]))
        low = self.teach(f"low {name[0]}", name[1]) if self.lowered else None
        absent = _absent(mine, theirs) if name[0] != "output" else ""
        kept = np.array(mine) if self._keeps(name, error) else None
        self.found[name] = Measured(error, Difference() if low is None else difference(mine, low), absent, kept)

    def _keeps(self, name: Name, error: Difference) -> bool:
        """Whether an explanation may need the array: a running statistic, or what is at fault, if not too much is."""
        if self.lowered or name[1].rpartition(".")[2] in STATISTICS:
            return not self.lowered
        self._kept += not structure_ok(error)
        return not structure_ok(error) and self._kept <= KEPT


def _absent(mine: Array, theirs: Array) -> str:
    if bool(mine.any()) == bool(theirs.any()):
        return ""
    return "keras" if theirs.any() else "torch"


def sized(found: Difference, terms: Array | None) -> Difference:
    """A difference judged by the size of what was added up, where that is greater than the sum; see `terms`."""
    if terms is None or terms.size == 0:
        return found
    square = float(np.square(terms).sum())
    return replace(
        found,
        scale=max(found.scale, float(terms.max())),
        reference_square=max(found.reference_square, square),
    )


def terms(gradient: Array, x: Array | None = None, gamma: Array | None = None, eps: float = 0.0) -> dict[str, Array]:
    """The sizes of the terms whose sums the gradients of a layer are, where the sums may cancel.

    A bias's gradient is the sum of the gradient over a channel; in front of a batch norm that sum is zero, and what is
    computed is the rounding of its terms. A batch norm's own gradients cancel likewise, completely where it normalises
    two values; its output is a difference too, of its input and a mean.
    Such a sum is judged beside sum |terms| (Higham 2002, section 4.2), as any other beside itself.
    gradient: that at the layer's output (N, C, ...). x: a batch norm's input; gamma, (C,), and eps are its own.
    """
    axes = tuple(axis for axis in range(gradient.ndim) if axis != 1)
    sizes = {"bias": np.abs(gradient).sum(axes)}
    if x is not None and x.shape == gradient.shape:
        mean, deviation = x.mean(axes, keepdims=True), np.sqrt(x.var(axes, keepdims=True) + eps)
        normal = (np.abs(x) + np.abs(mean)) / deviation
        factor = 1.0 if gamma is None else np.abs(gamma).reshape(1, -1, *[1] * (x.ndim - 2))
        sizes |= {"weight": (np.abs(gradient) * normal).sum(axes), "output": normal * factor}
        sizes["input"] = np.abs(gradient) * factor / deviation
    return sizes


def cotangent(shape: tuple[int, ...], seed: int) -> Array:
    """The gradient of the loss at the output (N, C, ...): fixed, random, so that the loss is linear and hides nothing.

    The loss is sum(output * cotangent).
    """
    draw = np.random.default_rng([seed, 20151210])
    return np.asarray(draw.standard_normal(shape) / max(1, int(np.prod(shape))) ** 0.5)


def loss_of(outputs: Iterable[Array], seed: int) -> tuple[Array, Array]:
    """The loss of a model's outputs as (1,), and the size of its terms as (1,)."""
    products = [(output.astype(np.float64) * cotangent(output.shape, seed)).reshape(-1) for output in outputs]
    terms = np.concatenate(products)
    return terms.sum().reshape(1), np.abs(terms).sum().reshape(1)


def is_output(key: str) -> bool:
    """Whether a step is one of the model's own outputs."""
    return key.partition("#")[0] == "output"


class SideGradients:
    """What both frameworks' gradients share. `side` stays as it was after every run."""

    def __init__(self, side: Any) -> None:
        self.side = side

    def forced(self, teach: Teach, x: Array, dtype: str, look: Any) -> dict[Name, Measured]:
        """Run every step on the teacher's numbers in `dtype` and return what differs."""
        lesson = Lesson(teach, dtype)
        self.run_forced(lesson, x, dtype, look)
        return lesson.found

    def run_forced(self, lesson: Lesson, x: Array, dtype: str, look: Any) -> None:
        raise NotImplementedError
