"""Two arrays -> whether one is the other with its axes moved, and how: fingerprints to find, numbers to prove it.

A fingerprint is what no order of a tensor's axes changes; equal programs' tensors have it in common up to rounding.
"""

import math
from collections.abc import Iterator
from itertools import permutations
from typing import NamedTuple

import numpy as np

from parity.models.arrays import Array, View

from .difference import difference, structure_ok

NEAR = 1e-8  # of a fingerprint's sums: wide enough to miss nothing that the numbers would confirm
COARSE = 1e-4  # the same for tensors of which one was computed in float32
MOST_AXES = 6  # of a tensor whose axes are tried in every order
VALUES = 4  # different numbers that a tensor must hold at least to be told from another by them


class Fingerprint(NamedTuple):
    """length, and five numbers that no order of an array changes, each with the size of its terms."""

    length: int
    numbers: tuple[float, ...]
    sizes: tuple[float, ...]

    def near(self, other: "Fingerprint", line: float = NEAR) -> bool:
        """Whether both may be one tensor's."""
        return self.length == other.length and all(
            abs(a - b) <= line * max(size, least) or a == b
            for a, b, size, least in zip(self.numbers, other.numbers, self.sizes, other.sizes, strict=True)
        )


def fingerprint(array: Array) -> Fingerprint | None:
    """None of a tensor that says nothing: not finite, not of numbers, or of hardly any different ones."""
    if not array.size or array.dtype.kind not in "fiu":
        return None
    flat = array.reshape(-1) if array.flags.c_contiguous else array.ravel(order="K")
    flat = flat.astype(np.float64, copy=False)
    low, high = float(flat.min()), float(flat.max())
    if not (math.isfinite(low) and math.isfinite(high)) or low == high or _poor(flat):
        return None
    scale = max(abs(low), abs(high))
    square = float(np.einsum("i,i->", flat, flat))
    sines = float(np.sin(flat * (3.0 / scale)).sum())
    numbers = (low, high, float(flat.sum()), square, sines)
    return Fingerprint(flat.size, numbers, (scale, scale, scale * flat.size, square, float(flat.size)))


def _poor(flat: Array) -> bool:
    few = flat[:: max(1, flat.size // 4096)]
    return len(np.unique(few)) < min(VALUES, flat.size)


def view_of(raw: Array, wanted: Array, last: bool = False) -> View | None:
    """How `raw` must be seen to be `wanted`, within the line; None where no order of its axes is.

    Axes that could be exchanged, as they are of one length, are told apart by the numbers alone. last: of the model's
    own output, whose axes nothing behind it puts in order again: as they are, or channels last for channels first.
    """
    if raw.size != wanted.size or raw.ndim > MOST_AXES or not wanted.ndim or not len(raw.shape):
        return None
    if not np.isfinite(wanted).all():
        return None
    few = _start(wanted)
    scale = float(np.abs(few).max(initial=0.0)) or 1.0
    for axes in _plain_orders(raw.ndim) if last else _orders(raw.shape):
        moved = raw.transpose(axes)
        if np.allclose(_start(moved), few, rtol=0, atol=1e-7 * scale):
            seen = moved.reshape(wanted.shape)
            if structure_ok(difference(seen, wanted)):
                return View(axes, wanted.shape[1:])
    return None


def _orders(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Every order of the axes, the batch's first where it stands first; an axis of one number stays where it is."""
    single = [axis for axis, size in enumerate(shape) if size == 1 and axis]
    moving = [axis for axis in range(1, len(shape)) if axis not in single]
    firsts = [(0, *order, *single) for order in permutations(moving)]
    yield from firsts
    yield from (order for order in permutations(range(len(shape))) if order not in set(firsts))


def _plain_orders(rank: int) -> Iterator[tuple[int, ...]]:
    yield tuple(range(rank))
    if rank > 2:
        yield (0, rank - 1, *range(1, rank - 1))


def _start(array: Array) -> Array:
    """The first numbers of an array in the order of its axes."""
    flat = array
    while flat.ndim > 1 and flat[0].size >= 64:
        flat = flat[0]
    return np.asarray(flat.reshape(-1)[:64] if flat.size <= 1 << 16 else flat.flat[:64])
