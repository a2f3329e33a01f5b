"""What is known of one faulty step: its input, both outputs, and what the layer is on either side, as plain data."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity.models.arrays import Array
from parity.models.calls import Call, Edit
from parity.models.edits import Mend
from parity.models.kinds import by_formula
from parity.models.kinds.kind import Kind, Static, Weights
from parity.verdict.difference import FLOAT32_LINE, STRUCTURE_LINE, difference
from parity.verdict.rounding import within

Rerun = Callable[[str, tuple[Array, ...], Weights, Static], Array | None]  # a kind's name, its data -> its output


# A side (0: torch), a tensor's name and its shape -> the paths of its other layers with such a tensor, and that.
Elsewhere = Callable[[int, str, tuple[int, ...]], Iterator[tuple[str, Array]]]


@dataclass(frozen=True)
class Config:
    """What a layer is on one side: its weights (torch's names and layout) and settings (torch's terms).

    rerun: how it is run again, as itself or as any other kind.
    """

    kind: Kind
    weights: Weights
    static: Static
    rerun: Rerun = by_formula


@dataclass(frozen=True)
class User:
    """The layer that takes a step's output, on either side (without weights), and torch's output of it in float64."""

    configs: tuple[Config, Config]
    torch: Array


@dataclass(frozen=True)
class Evidence:
    """One faulty step, run on both sides from the same input x (torch's own). Outputs are float64, (N, C, ...).

    `nearby` are outputs of torch's steps just before, of the same shape: what a shortcut could carry. `before` are
    those of any shape and the model's inputs, the likeliest first, where the step's own inputs are not known; `user` is
    then the layer that takes what it gives. `low` are both outputs in the asked dtype where arithmetic is at fault.
    `wide` is Keras's in that dtype with JAX's 64-bit types, where its process has none. lost: how far
    off right outputs may be, where that is more than the line. elsewhere: other layers' tensors.
    calls: torch's that made the step's output where no layer did; edited: it with changes of them. others: of an
    input that other steps feed in Keras than in torch, what torch's steps around it gave; behind: those of them that
    torch computes from it. given: what could be joined to a layer's input, by path. narrow:
    whether a part of it was computed in float32.
    """

    path: str
    torch: Array
    keras: Array
    inputs: tuple[Array, ...]
    configs: tuple[Config, Config]
    nearby: dict[str, Array] = field(default_factory=dict)
    before: dict[str, Array] = field(default_factory=dict)
    user: User | None = None
    low: tuple[Array, Array] | None = None
    wide: Array | None = None
    lost: Array | None = None
    others: dict[str, Array] = field(default_factory=dict)
    behind: frozenset[str] = frozenset()
    given: dict[str, Array] = field(default_factory=dict)
    narrow: bool = False
    calls: tuple[Call, ...] = ()
    edited: Callable[[tuple[Edit, ...]], Array | None] = lambda edits: None
    elsewhere: Elsewhere = lambda side, name, shape: iter(())

    @property
    def rerun(self) -> Rerun:
        """How any kind is run again."""
        return self.configs[0].rerun

    def left(self, predicted: Array, target: Array) -> float:
        """How far a prediction is from an output, beside what float64 can lose there."""
        near = None if self.lost is None else within(predicted, target, self.lost)
        return (near or difference(*without_infinity(predicted, target))).error

    def same(self, predicted: Array, target: Array) -> bool:
        """Whether two float64 outputs agree as the results of equal programs do."""
        return self.left(predicted, target) <= self.line  # NaN does not

    @property
    def line(self) -> float:
        """How far equal programs may be apart: where they compute in float32, as far as that rounds."""
        return FLOAT32_LINE if self.narrow else STRUCTURE_LINE

    @property
    def gap(self) -> float:
        return difference(*without_infinity(self.keras, self.torch)).error


def without_infinity(one: Array, other: Array) -> tuple[Array, Array]:
    """Two arrays without the infinite numbers that both have at the same places, as a mask puts them there."""
    if one.shape != other.shape or not np.isinf(other).any():
        return one, other
    same = np.isinf(other) & (one == other)
    return np.where(same, 0.0, one), np.where(same, 0.0, other)


Plain = tuple[str, Array, str]  # the cause, the output that it predicts, what was done
Guess = Plain | tuple[str, Array, str, Mend]  # and perhaps what undoes it
Changes = Iterator[tuple[dict[str, Any], str]]


@dataclass(frozen=True)
class Row:
    """A cause that is a layer changed as people get it wrong.

    fits: whether a layer can be got wrong so. changes: to its weights and settings, each with what was then done.
    """

    name: str
    fits: Callable[[Config], bool]
    changes: Callable[[Evidence, Config], Changes]
