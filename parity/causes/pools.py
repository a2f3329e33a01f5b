"""Pools over windows that no setting states -> candidates for a reading: what is taken, of which pixels.

The windows are square but where a side states them. What is padded is what counts: pixels at the end that no window
reaches are none, so torch's one pixel on both sides of an even size, with a stride of 2, is one before.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from parity.models.arrays import Array
from parity.models.edits import Mend
from parity.models.kinds import Kind
from parity.models.kinds.formulas import Pads, pool

from .evidence import Evidence, Guess, User
from .margins import MARGINS, MODE, PAD, ZEROS
from .readings import ONE_CHANNEL, Candidate, Family, Inputs, Settings, read

SIDES = ("torch", "Keras")
WIDTHS = range(2, 8)  # pixels of a window's side
PADS = "padding"
VALUE, COUNTED = "pad value", "padding counted"
MAXIMUM, MEAN = pool(np.max, -np.inf), pool(np.mean, 0.0)


def candidates(evidence: Evidence, inputs: Inputs, out: Array) -> Iterator[Candidate]:
    """Max and average pools of one image that give one of this shape."""
    shape = out.shape
    x = inputs[0]
    if len(inputs) > 1 or x.ndim < 3 or x.shape[:2] != shape[:2] or len(shape) != x.ndim:
        return
    for size, stride in dict.fromkeys((*_stated(evidence, x.ndim - 2), *_square(x.ndim - 2))):
        for pads in _pads(list(map(_splits, x.shape[2:], shape[2:], size, stride))):
            padding = [[max(0, pixels) for pixels in pair] for pair in pads]
            settings = {"window": list(size), "stride": list(stride), PADS: padding}
            for border, run in _borders(pads):
                yield border | settings, partial(run, size, stride, pads)


def _stated(evidence: Evidence, rank: int) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    for config in evidence.configs:
        size, stride = (tuple(config.static.get(name, ())) for name in ("kernel_size", "stride"))
        if len(size) == len(stride) == rank:
            yield size, stride


def _square(rank: int) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    for size, stride in product(WIDTHS, range(1, max(WIDTHS) + 1)):
        yield (size,) * rank, (stride,) * rank
    for stride in range(2, max(WIDTHS) + 1):
        yield (1,) * rank, (stride,) * rank  # a slice, which takes one pixel of so many


def _splits(before: int, after: int, size: int, stride: int) -> list[tuple[int, int]]:
    """The ways to pad one axis. A number below zero is of pixels at the end that no window reaches."""
    total = (after - 1) * stride + size - before
    if not -stride < total < 2 * size:
        return []
    return [(first, total - first) for first in range(min(size, max(total, 0) + 1)) if total - first < size]


def _pads(splits: list[list[tuple[int, int]]]) -> Iterator[Pads]:
    """What to try of the ways to pad each axis: of volumes only those that begin alike on all axes."""
    if len(splits) < 3:
        yield from product(*splits)
    else:
        yield from (pads for pads in zip(*splits, strict=False))


def _borders(pads: Pads) -> Iterator[tuple[dict[str, str], Any]]:
    """What is taken of a window, and what of it the padding is."""
    most, average = {"function": "max"}, {"function": "mean"}
    yield most | {VALUE: "minus infinity"}, partial(_pooled, MAXIMUM, -np.inf)
    if any(pixels > 0 for pair in pads for pixels in pair):
        yield most | {VALUE: "0"}, partial(_pooled, MAXIMUM, 0.0)
        yield average | {COUNTED: "yes"}, partial(_pooled, MEAN, 0.0)
    yield average | {COUNTED: "no"}, _of_existing


def _pooled(formula: Any, value: float, size: Any, stride: Any, pads: Pads, x: Array) -> Array:
    settings = {"kernel_size": size, "stride": stride, "padding": pads, "pad_value": value}
    return np.asarray(formula(x, {}, settings))


def _of_existing(size: Any, stride: Any, pads: Pads, x: Array) -> Array:
    share = _pooled(MEAN, 0.0, size, stride, pads, np.ones_like(x))  # of each window that is no padding
    return _pooled(MEAN, 0.0, size, stride, pads, x) / share


class _Pool(Family):
    """Pools; one over a single pixel is a slice."""

    def cause(self, one: Settings, other: Settings, differing: tuple[str, ...]) -> str:
        widths = [set(settings["window"]) == {1} for settings in (one, other)]
        return "a slice against a pool" if widths[0] != widths[1] else super().cause(one, other, differing)


POOL = _Pool(
    "a pool",
    {
        "function": "another kind of pool",
        VALUE: "max-pool pad value",
        COUNTED: "padding counted in the average",
        PADS: "asymmetric padding",
        "window": "another window",
        "stride": "another stride",
    },
    candidates,
    ONE_CHANNEL,
)


def padded_before_guesses(evidence: Evidence) -> Iterator[Guess]:
    """What a max pool takes as padded with 0 by a step of one side, where the other side's pool pads itself."""
    user, outputs = evidence.user, (evidence.torch, evidence.keras)
    if user is None or not all(_takes_most(config.kind) for config in user.configs):
        return
    for x, padded, pads_itself in ((*outputs, 0), (*outputs[::-1], 1)):
        for margins in read(evidence, PAD, (x,), padded):
            if x.min() < 0 and margins.settings[MODE] == ZEROS and _pads_itself(evidence, user, x, pads_itself):
                told = f"{SIDES[1 - pads_itself]} pads with 0 ({margins.settings[MARGINS]}) in front of its max pool"
                what = f"{told}, and {SIDES[pads_itself]}'s pads itself, with minus infinity"
                yield POOL.causes[VALUE], margins.made if pads_itself == 0 else x, what


def mode_before_guesses(evidence: Evidence) -> Iterator[Guess]:
    """What a convolution takes as padded otherwise than with zeros by one side, where the other's pads itself."""
    user, outputs = evidence.user, (evidence.torch, evidence.keras)
    if user is None or not all(config.kind.padded == 0.0 for config in user.configs):
        return
    for x, padded, pads_itself in ((*outputs, 0), (*outputs[::-1], 1)):
        stated = user.configs[pads_itself].static.get("padding")
        own = [[p, p] if isinstance(p, int) else list(p) for p in stated] if isinstance(stated, list) else None
        for margins in read(evidence, PAD, (x,), padded):
            if margins.settings[MODE] != ZEROS and margins.settings[MARGINS] == own:
                told = f"{SIDES[1 - pads_itself]} pads by {margins.settings[MODE]} ({own})"
                what = f"{told} in front of its convolution, and {SIDES[pads_itself]}'s pads itself, with zeros"
                mode = margins.settings[MODE] if pads_itself == 1 else "constant"
                yield PAD.causes[MODE], margins.made if pads_itself == 0 else x, what, Mend("padding mode", mode)


def _takes_most(kind: Kind) -> bool:
    return kind.padded == -np.inf and not kind.weights


def _pads_itself(evidence: Evidence, user: User, x: Array, side: int) -> bool:
    """Whether a side's max pool pads what it takes by itself: as it states or, of torch's, as its output shows."""
    stated = user.configs[side].static.get("padding")
    if stated is not None:
        return stated == "same" or any(np.ravel(stated))
    readings = read(replace(evidence, lost=None), POOL, (x,), user.torch) if side == 0 else ()
    found = (reading.settings for reading in readings)
    return any(settings.get(VALUE) == "minus infinity" and np.max(settings[PADS]) > 0 for settings in found)
