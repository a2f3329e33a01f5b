"""Where the numbers of a flattened tensor came from: torch flattens (C, H, W), Keras (H, W, C).

An Order follows one sample's numbers through whatever only moves them (flatten, reshape, permute), by running the same
operation on their positions. So a flattened tensor can be compared with the other framework's, and a Dense kernel that
is fed by one copied, without a guess about axes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from parity.models.arrays import Array


@dataclass(frozen=True)
class Order:
    """For every number of one sample, its position in torch's axes of the step that computed it, `origin`.

    shape: that step's, in torch's axes, without the batch.
    """

    origin: str
    index: Array
    shape: tuple[int, ...]

    def compact(self) -> tuple[str, tuple[int, ...]]:
        """As plain data."""
        return self.origin, tuple(self.index.reshape(-1).tolist())

    @property
    def trivial(self) -> bool:
        """Whether the numbers lie as torch's axes have them."""
        flat = self.index.reshape(-1)
        return bool((flat[1:] > flat[:-1]).all())


def fresh(origin: str, sample: tuple[int, ...], channels: int | None) -> Order:
    """The Order of a tensor that nothing has moved; `sample` is its shape without the batch.

    channels: the axis in torch of what is here the last axis; None where all axes are where they are in torch.
    """
    size = int(np.prod(sample))
    if channels is None or len(sample) < 2 + channels:
        return Order(origin, np.arange(size).reshape(sample), sample)
    shape = (*sample[:channels], sample[-1], *sample[channels:-1])
    return Order(origin, np.moveaxis(np.arange(size).reshape(shape), channels, -1), shape)


def in_columns(origin: str, numbers: tuple[int, ...]) -> Order:
    """The Order of a vector whose number i is number `numbers[i]` of torch's."""
    return Order(origin, np.array(numbers), (len(numbers),))


def moved(order: Order, batch: int, run: Callable[[Array], Any]) -> Order | None:
    """The Order after an operation, `run` on an array (N, ...) of positions; None where it mixes or drops numbers."""
    # Contiguous, as what the model has moved and copied is: torch's `view` takes no other.
    positions = np.broadcast_to(order.index, (batch, *order.index.shape)).astype(np.int32, order="C")
    result = np.asarray(run(positions))
    if result.ndim < 2 or result.shape[0] != batch or result[0].size != order.index.size:
        return None
    same = bool((result == result[:1]).all()) and np.unique(result[0]).size == result[0].size
    return replace(order, index=result[0]) if same else None


def canonical(array: Array, order: Order | None) -> Array:
    """A flattened (N, F) in torch's order of its origin; anything else as it is."""
    if order is None or array.ndim != 2 or order.trivial:
        return array
    return array[:, np.argsort(order.index.reshape(-1))]


def restored(array: Array, order: Order | None) -> Array:
    """`canonical` undone."""
    if order is None or array.ndim != 2 or order.trivial:
        return array
    return array[:, np.argsort(np.argsort(order.index.reshape(-1)))]


def settled(array: Array, order: Order) -> Array:
    """A moved (N, ...), its axes as `order` has them, in the axes of its origin: (N, *order.shape)."""
    flat = array.reshape(len(array), -1)
    return flat[:, np.argsort(order.index.reshape(-1))].reshape(len(array), *order.shape)


def unsettled(array: Array, order: Order) -> Array:
    """`settled` undone."""
    flat = array.reshape(len(array), -1)
    return flat[:, order.index.reshape(-1)].reshape(len(array), *order.index.shape)


def is_vector(sample: tuple[int, ...]) -> bool:
    """Whether one sample has at most one axis longer than 1: flattening it moves nothing."""
    return sum(size > 1 for size in sample) <= 1
