"""Steps that are paired -> in which order the weights lie along what is flattened, or becomes an image, on one side.

torch flattens (C, H, W), Keras (H, W, C), and of a vector they make the same again.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from parity.models.kinds import named
from parity.models.steps import StepInfo

from .directions import path_of
from .model import Matched

Orders = dict[str, tuple[int, ...]]  # by path


def orders_of(
    ours: Mapping[str, StepInfo], theirs: Mapping[str, StepInfo], found: Matched, equal: Mapping[str, Collection[str]]
) -> Orders:
    """Which of torch's numbers each row of a Dense kernel, or each number of a norm, is for, by torch's path.

    Known where both sides' numbers have the same origin: steps that are paired, or `equal`, torch's by Keras's.
    """
    orders = {}
    for t, k in found.items():
        one, other = ours[t].order if t in ours else None, theirs[k].order if k in theirs else None
        if one is None or other is None or sorted(one[1]) != sorted(other[1]) or named(ours[t].kind).ends:
            continue
        if not (_same_origin(one[0], other[0], found) or one[0] in equal.get(other[0], ())):
            continue
        column = {position: i for i, position in enumerate(one[1])}
        order = tuple(column[position] for position in other[1])
        if order != tuple(range(len(order))):
            orders[path_of(t)] = order
    return orders


def _same_origin(torch: str, keras: str, found: Matched) -> bool:
    if "<" in torch or "<" in keras:  # glue is known by what it goes into
        ours, theirs = torch.partition("<"), keras.partition("<")
        return found.get(ours[0]) == theirs[0] and ours[2] == theirs[2]
    return found.get(torch, torch) == keras


def columns_of(ours: Mapping[str, StepInfo], theirs: Mapping[str, StepInfo], found: Matched) -> Orders:
    """Which of torch's numbers each number of a vector is that becomes an image, by Keras's paths of what gives it.

    torch makes (C, H, W) of a vector, Keras (H, W, C): a Dense layer's columns, and the weights of a norm behind it,
    lie otherwise for it. Known where both images are of one shape and made of the outputs of partners.
    """
    images = [
        {
            step.order[0]: step
            for step in side.values()
            if named(step.kind).ends == "image" and step.order is not None and not _is_matrix(step, side)
        }
        for side in (ours, theirs)
    ]
    columns: Orders = {}
    for t, k in found.items():
        one, other = images[0].get(t), images[1].get(k)
        places = None if one is None or other is None else _places(one, other)
        if one is None or one.order is None or places is None or places == one.order[1]:
            continue
        order = dict(zip(places, one.order[1], strict=True))
        behind = (step for step in theirs.values() if named(step.kind).along and step.order and step.order[0] == k)
        numbers = tuple(order[place] for place in sorted(order))
        columns |= dict.fromkeys(map(path_of, [k, *(step.path for step in behind)]), numbers)
    return columns


def _is_matrix(image: StepInfo, steps: Mapping[str, StepInfo]) -> bool:
    """Whether what a vector became is square, and nothing that works on it has channels: its axes may be any."""
    square = len(image.shape) == 3 and image.shape[1] == image.shape[2]
    users = (step for step in steps.values() if image.key in step.sources)
    return square and not any(named(user.kind).layout == "channels" for user in users)


def renumbered(steps: Mapping[str, StepInfo], columns: Orders) -> dict[str, StepInfo]:
    """Keras's steps with where their inputs' numbers came from as torch counts them."""
    return {key: _renumbered(step, columns) for key, step in steps.items()}


def _renumbered(step: StepInfo, columns: Orders) -> StepInfo:
    numbers = None if step.order is None else columns.get(path_of(step.order[0]))
    if step.order is None or numbers is None:
        return step
    return replace(step, order=(step.order[0], tuple(numbers[place] for place in step.order[1])))


def _places(ours: StepInfo, theirs: StepInfo) -> tuple[int, ...] | None:
    """Where Keras's image, in torch's axes, has its numbers from; None if it is not torch's, with channels last or not.

    A model whose input is a vector does not say what its images' axes mean.
    """
    if theirs.order is None or len(ours.shape) < 3:
        return None
    if ours.shape == theirs.shape:
        return theirs.order[1]
    batch, channels, *space = ours.shape
    if theirs.shape != (batch, *space, channels):
        return None
    return tuple(np.moveaxis(np.reshape(theirs.order[1], theirs.shape[1:]), -1, 0).reshape(-1).tolist())
