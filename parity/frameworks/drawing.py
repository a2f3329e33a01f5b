"""What a step draws in training, and its input -> the same numbers on both sides, in each one's own axes.

A framework's own numbers no other one can draw. These are drawn in NumPy by the name that both sides have for the step,
by each side's own rate and shape (`models/noise.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from parity.models.arrays import Array
from parity.models.kinds.noise import Noise

from .known import Known, Run
from .side import Codec

SEED = 0


@dataclass(frozen=True)
class Draw:
    """One call of what draws. key: what both sides call it. noise: in torch's axes. codec: of its input.

    paired: whether the other side has it. shape: of its input, in its own axes; sample: of one sample, in torch's.
    """

    key: str
    noise: Noise
    codec: Codec
    paired: bool
    shape: tuple[int, ...]
    sample: tuple[int, ...]

    def of(self, x: Any, step: int = 0) -> tuple[Any, Any]:
        """(factor, shift) for x, as tensors like it."""
        shape = prod(x.shape) // prod(self.sample), *self.sample
        made = self.noise.drawn(shape, self.key, SEED, step)
        factor, shift = (self.codec.like(np.broadcast_to(each, shape).copy(), x) for each in made)
        return factor, shift

    def applied(self, x: Any, *_: Any, step: int = 0, **__: Any) -> Any:
        """What the layer gives for x."""
        factor, shift = self.of(x, step)
        return x * factor + shift


def in_torchs_axes(noise: Noise, shape: tuple[int, ...], array: Callable[[Array], Array]) -> Noise:
    """A Noise of a tensor's own axes in those of its array, which `array` makes of a tensor's numbers."""
    if not noise.shared or noise.shared[:1] == (0,) or len(noise.shared) == len(shape) - 1:
        return noise
    size = [1 if axis in noise.shared else count for axis, count in enumerate(shape)]
    places = array(np.broadcast_to(np.arange(prod(size)).reshape(size), shape).copy())
    alike = (a for a in range(places.ndim) if places.shape[a] > 1 and bool((places == places.take([0], a)).all()))
    return replace(noise, shared=tuple(alike))


def unchanged(x: Any, *_: Any, **__: Any) -> Any:
    """What a layer gives that draws nothing."""
    return x


class Drawing(Known):
    """A run that knows what its steps draw."""

    side: str  # the framework's name
    tape: Any

    def __init__(self) -> None:
        super().__init__()
        self.noise: Noise | None = None  # what the step that runs next draws in training, in its input's own axes
        self.drawn: dict[str, Draw] = {}  # what steps draw, by their own names

    def _drawing(self, raw: str, tensors: list[Any], run: Run) -> tuple[Noise | None, Run]:
        """What a step draws, in torch's axes; and what it runs: in training, what the other side draws too."""
        noise, self.noise = self.noise, None
        if noise is None or not tensors:
            return None, run
        x, codec = tensors[0], self._codec(self.of(tensors[0]))
        shape, key = tuple(x.shape), self.names.draw(raw)
        noise = in_torchs_axes(noise, shape, lambda places: codec.array(self.of_positions(places)))
        sample = codec.array(x).shape[1:]
        draw = Draw(key or f"{self.side}:{raw}", noise, codec, key is not None, shape, sample)
        self.drawn[raw] = draw
        if self.tape is None:
            return noise, run
        return noise, draw.applied if draw.paired else unchanged
