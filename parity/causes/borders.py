"""An average pool at its border -> which side counts the padding: found from the numbers, so also of a function's pool.

A function that a model calls itself has no settings that could be read. What it pools is searched for: a window, a
stride and a padding that make one side's output, all of whose windows count the padding, and the other side's with the
pixels that exist alone.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np

from parity.models.arrays import Array
from parity.models.kinds import Kind
from parity.models.kinds.formulas import Pads

from .evidence import Evidence, Guess
from .rerun import applied

WINDOWS = range(2, 8)  # pixels of a window's side
NAME = "padding counted in the average"


def border_guesses(evidence: Evidence, base: Array, other: str) -> Iterator[Guess]:
    """torch's average pool as one that counts the padding or, where it does, as one that does not."""
    kind = evidence.configs[0].kind
    if not (
        _averages(kind) and _averages(evidence.configs[1].kind) and evidence.inputs and evidence.inputs[0].ndim > 2
    ):
        return
    x = evidence.inputs[0]
    ones = np.ones((1, 1, *x.shape[2:]))
    for size, stride, pads in _pools(x.shape[2:], base.shape[2:]):
        rank = x.ndim - 2
        settings = {"kernel_size": [size] * rank, "stride": [stride] * rank, "padding": pads}
        counted = applied(kind, x, static=settings)
        share = applied(kind, ones, static=settings)  # of each window that is no padding
        if counted is None or share is None or counted.shape != base.shape:
            continue
        for made, predicted, what in (
            (counted, counted / share, "divides by the pixels that exist"),
            (counted / share, counted, "counts the padding among the pixels it divides by"),
        ):
            if evidence.same(made, base):
                yield NAME, predicted, f"{what} ({size} wide, padding {list(map(list, pads))}), and {other} does not"


def _averages(kind: Kind) -> bool:
    """Whether it is a window that slides, without weights, over padding of zeros."""
    return kind.padded == 0 and not kind.weights


def _pools(before: tuple[int, ...], after: tuple[int, ...]) -> Iterator[tuple[int, int, Pads]]:
    """Square windows, strides and paddings that give an output of this size."""
    for size, stride in product(WINDOWS, range(1, max(WINDOWS) + 1)):
        total = {max((a - 1) * stride + size - b, 0) for a, b in zip(after, before, strict=True)}
        if len(total) == 1 and 0 < (pixels := total.pop()) < 2 * size:
            for first in {pixels // 2, pixels - pixels // 2}:
                yield size, stride, [(first, pixels - first)] * len(before)
