"""Pads and crops that no setting states -> candidates for a reading: how many pixels, on which side, of what."""

from collections.abc import Iterator
from functools import partial
from itertools import product
from math import prod

import numpy as np

from parity.models.arrays import Array
from parity.models.kinds.formulas import MODES, Pads, pad

from .evidence import Evidence
from .readings import ONE_CHANNEL, ONE_SAMPLE, Candidate, Family, Inputs

TRIED = 4096  # ways to split the pixels of all axes; of more, those that are alike on all
SHIFT = 2  # pixels that an image may be moved by
MODE, MARGINS, OFFSET = "padding mode", "pixels", "offset"
ZEROS = "constant 0"


def pads(evidence: Evidence, inputs: Inputs, out: Array) -> Iterator[Candidate]:
    """Pads of an image that give one of this shape."""
    shape = out.shape
    totals = _totals(inputs, shape)
    if not totals or min(totals) < 0:
        return
    value = float(out.reshape(-1)[0]) if np.isfinite(out.reshape(-1)[0]) else 0.0
    moved = [range(-SHIFT, SHIFT + 1) if total == 0 else range(total + 1) for total in totals]
    for margins in _splits(totals, moved):
        for mode in (*MODES, "constant"):
            for filled in dict.fromkeys((0.0, value)) if mode == "constant" else (0.0,):
                told = {MODE: mode if mode != "constant" else f"constant {filled:g}", MARGINS: _listed(margins)}
                yield told, partial(pad, pads=margins, value=filled, mode=mode)


def crops(evidence: Evidence, inputs: Inputs, out: Array) -> Iterator[Candidate]:
    """Crops of an image that give one of this shape."""
    shape = out.shape
    totals = _totals(inputs, shape)
    if not totals or max(totals) > 0 or not any(totals):
        return
    for margins in _splits(totals, [range(total, 1) for total in totals]):
        yield {OFFSET: [-before for before, _ in margins]}, partial(pad, pads=margins)


def _totals(inputs: Inputs, shape: tuple[int, ...]) -> list[int]:
    x = inputs[0]
    if len(inputs) > 1 or x.ndim < 3 or len(shape) != x.ndim or x.shape[:2] != shape[:2]:
        return []
    return [after - before for before, after in zip(x.shape[2:], shape[2:], strict=True)]


def _splits(totals: list[int], firsts: list[range]) -> Iterator[Pads]:
    alike = prod(map(len, firsts)) > TRIED
    ways = ([first] * len(totals) for first in range(min(map(min, firsts)), max(map(max, firsts)) + 1))
    for before in ways if alike else product(*firsts):
        yield [(first, total - first) for first, total in zip(before, totals, strict=True)]


def _listed(margins: Pads) -> list[list[int]]:
    return [list(pair) for pair in margins]


def channel_pads(evidence: Evidence, inputs: Inputs, out: Array) -> Iterator[Candidate]:
    """Channels of zeros, before and behind: what a shortcut has more (He et al. 2016, option A)."""
    x = inputs[0]
    if (
        len(inputs) > 1
        or x.ndim < 2
        or x.ndim != out.ndim
        or x.shape[:1] + x.shape[2:] != out.shape[:1] + out.shape[2:]
    ):
        return
    more = out.shape[1] - x.shape[1]
    for before in range(more + 1) if more > 0 else ():
        widths = [(0, 0), (before, more - before), *[(0, 0)] * (x.ndim - 2)]
        yield {MARGINS: [before, more - before]}, partial(np.pad, pad_width=widths)


CHANNEL_PAD = Family(
    "a pad of channels", {MARGINS: "zeros padded on other sides of the channels"}, channel_pads, ONE_SAMPLE
)
PAD = Family("a pad", {MODE: "padding mode", MARGINS: "asymmetric padding"}, pads, ONE_CHANNEL)
CROP = Family("a crop", {OFFSET: "crop at another offset"}, crops, ONE_CHANNEL)
