"""One parameter's step on one side, beside the step that the rule makes of the same gradient."""

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from parity.models.arrays import Array
from parity.models.keys import Key, slots
from parity.models.recipe import Recipe

from .optimizers import Before, update


class Answer(Protocol):
    """An array that may still be on its way."""

    def result(self) -> Array:
        """Wait for it."""


class Waiting(Protocol):
    """A side that waits after a step; see keys.py for what a key names."""

    def read(self, key: Key) -> Answer:
        """What a key names, after the step."""

    def before(self, key: Key) -> Answer:
        """A weight, statistic or state before the step."""


@dataclass(frozen=True)
class Tensor:
    """A parameter's step: what it started from and what it became."""

    name: str
    before: Before
    weight: Array
    state: dict[str, Array]

    def gap(self, recipe: Recipe, **changes: Any) -> float:
        """How far the step is from the recipe's, as a share of each number's scale."""
        weight, state = update(recipe, replace(self.before, **changes))
        pairs = [(weight, self.weight), *((state[slot], self.state[slot]) for slot in state)]
        return max(_gap(wanted, found) for wanted, found in pairs)


def _gap(wanted: Array, found: Array) -> float:
    # A state that is nothing but a cancelled gradient's rounding has no scale of its own.
    scale = max(float(np.abs(found).max(initial=0.0)), 1e-30)
    return float(np.abs(wanted - found).max(initial=0.0)) / scale


def tensor_of(process: Waiting, recipe: Recipe, name: str, shape: tuple[int, ...], rate: float, step: int) -> Tensor:
    """The step that a side, which waits after it, has made of a parameter of this (torch) shape."""
    kept = {slot: process.before((slot, name)).result() for slot in slots(recipe)}
    after = {slot: process.read((slot, name)).result() for slot in kept}
    weight, gradient = process.before(("weight", name)).result(), process.read(("applied", name)).result()
    updates, left = divmod(step, recipe.accumulate)
    before = Before(weight, gradient, kept, rate, updates, recipe.decays(shape), waits=left > 0)
    return Tensor(name, before, process.read(("weight", name)).result(), after)


__all__ = ["Tensor", "Waiting", "tensor_of"]
