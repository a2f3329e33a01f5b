"""A gradient that differs where a function has no one derivative -> that it does, proven on the numbers of the runs.

At a knee (|x| at 0, a bound that is met) and at a tie (the larger of two equal numbers) frameworks choose otherwise:
one derivative or the other, one winner or a share for each. Everywhere else, or in sum, the gradients agree.
"""

from collections.abc import Iterator

import numpy as np

from parity.models.arrays import Array
from parity.verdict.difference import STRUCTURE_LINE

MOST_POINTS = 3
Seen = tuple[
    str, Array, Array, Array
]  # of a tensor: its name, its numbers, and the gradient at them in torch and Keras


def at_edges(tensors: list[Seen]) -> Iterator[tuple[str, str]]:
    """The cause and its evidence, where all that is wrong is at knees or ties."""
    if tensors and all(ours.shape == theirs.shape == x.shape for _, x, ours, theirs in tensors):
        yield from _knees(tensors)
        yield from _ties(tensors)


def _wrong(ours: Array, theirs: Array) -> Array:
    apart = np.abs(theirs - ours)
    return np.asarray(~(apart <= STRUCTURE_LINE * max(float(np.abs(ours).max(initial=0.0)), 1e-300)))


def _knees(tensors: list[Seen]) -> Iterator[tuple[str, str]]:
    points: set[float] = set()
    count = total = 0
    for _, x, ours, theirs in tensors:
        wrong = _wrong(ours, theirs)
        points |= set(np.unique(x[wrong])[: MOST_POINTS + 1].tolist())
        elsewhere = ~np.isin(x, list(points))
        if len(points) > MOST_POINTS or not elsewhere.any() or bool(wrong[elsewhere].any()):
            return
        count, total = count + int(wrong.sum()), total + wrong.size
    if count >= 2 * len(points) > 0:  # numbers drawn at random are not equal: these were met on purpose
        where = " or ".join(f"{point:.6g}" for point in sorted(points))
        yield (
            "gradient at a knee",
            f"the gradients differ where {tensors[0][0]} is exactly {where} alone ({count} of {total} numbers), where "
            "the function has no one derivative; everywhere else they agree",
        )


def _ties(tensors: list[Seen]) -> Iterator[tuple[str, str]]:
    """Of each sample, the gradients at equal numbers, of one tensor or at one place of several, add up alike."""
    first = tensors[0]
    count = sum(int(_wrong(ours, theirs).sum()) for _, _, ours, theirs in tensors)
    if len(tensors) > 1 and all(x.shape == first[1].shape for _, x, _, _ in tensors):
        wrong = np.any([_wrong(ours, theirs) for _, _, ours, theirs in tensors], axis=0)
        tied = all(np.array_equal(x[wrong], first[1][wrong]) for _, x, _, _ in tensors)
        sums = [
            np.sum([ours for _, _, ours, _ in tensors], axis=0),
            np.sum([theirs for _, _, _, theirs in tensors], axis=0),
        ]
        alike = tied and not _wrong(sums[0], sums[1]).any()
    else:
        alike = all(_add_up_alike(*each[1:]) for each in tensors)
    if alike and count:
        yield (
            "gradient at a tie",
            f"the gradients differ in {count} numbers, and add up alike over those that are equal: of equal numbers "
            "one side takes one, and the other another one or a share of each",
        )


def _add_up_alike(x: Array, ours: Array, theirs: Array) -> bool:
    scale = max(float(np.abs(ours).max(initial=0.0)), 1e-300)
    for values, one, other in zip(x, ours, theirs, strict=True):
        _, places = np.unique(values.reshape(-1), return_inverse=True)
        sums = np.bincount(places.reshape(-1), (other - one).reshape(-1))
        if not bool((np.abs(sums) <= STRUCTURE_LINE * scale * max(1, values.size)).all()):
            return False
    return True
