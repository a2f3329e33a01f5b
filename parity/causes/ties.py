"""torch's layers -> which tensors are one under several names, and what of a gradient that explains."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import numpy as np

from parity.models.arrays import Array
from parity.models.layers import LayerInfo
from parity.verdict.difference import STRUCTURE_LINE, difference
from parity.verdict.measured import Measured, Name

Ties = Mapping[str, frozenset[str]]  # by each of its names, all names of a tensor


def ties_of(layers: Iterable[LayerInfo]) -> Ties:
    """The tensors that have more than one name."""
    groups: dict[str, set[str]] = {}
    for layer in layers:
        for tensor, first in layer.tied.items():
            groups.setdefault(first, {first}).add(f"{layer.path}.{tensor}")
    return {name: frozenset(names) for names in groups.values() for name in names}


def untied(
    name: str, names: Collection[str], added: Mapping[Name, Measured], kept: Callable[[str, str], Array | None]
) -> Iterator[str]:
    """That Keras has a tensor for each of the names, whose gradients sum up to the one of torch's."""
    theirs = [found.array for each in sorted(names) if (found := added.get(("tensor", each))) is not None]
    ours = kept("tensor", name)
    if len(theirs) < 2 or ours is None or any(array is None or array.shape != ours.shape for array in theirs):
        return
    left = difference(np.sum(np.stack([array for array in theirs if array is not None]), 0), ours).error
    if left <= STRUCTURE_LINE:
        yield (
            f"{' and '.join(sorted(names))} are one tensor in torch, trained by the sum of both gradients, and "
            f"{len(theirs)} in Keras: these sum up to torch's ({left:.1e} left); tie them, or untie torch's"
        )
