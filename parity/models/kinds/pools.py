"""Kinds that pool: over windows, over the whole image, to a given size."""

from collections.abc import Callable
from typing import Any

import numpy as np

from . import exact, formulas, reruns, settings as of
from .kind import Kind, ranked

SIDES = (("max", "Max", "Max"), ("avg", "Avg", "Average"))  # how the kinds, torch's and Keras's classes are called
REDUCE: tuple[Callable[..., Any], ...] = (np.max, np.mean)
SETTINGS = (of.KERNEL_SIZE, of.STRIDE, of.PADDING)
MORE = ((of.CEILED,), (of.CEILED, of.COUNTED))
RERUN = reruns.max_pool, reruns.avg_pool


def is_global(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Whether an operation that gave `after` for a tensor `before` left one number a channel."""
    return len(before) > 2 and (len(after) == 2 or set(after[2:]) == {1} or set(after[1:-1]) == {1})


def _to_one(layer: Any) -> bool:
    """Whether a pool leaves one number a channel: a global one, or an adaptive one of that size."""
    size = getattr(layer, "output_size", 1)
    return set(size if isinstance(size, tuple) else (size,)) == {1}


POOLS = (
    *(
        Kind(
            f"{name}_pool",
            ranked(f"{torch}Pool{{}}d"),
            ranked(f"{keras}Pooling{{}}D"),
            (),
            (*SETTINGS, *more),
            "channels",
            ranked(f"{name}_pool{{}}d"),
            (stand_in.operation,),
            (stand_in,),
            rerun,
            formulas.pool(reduce, value),
            padded=value,
        )
        for (name, torch, keras), stand_in, reduce, value, more, rerun in zip(
            SIDES, (exact.MAX_POOL, exact.AVERAGE_POOL), REDUCE, (-np.inf, 0.0), MORE, RERUN, strict=True
        )
    ),
    *(
        Kind(
            f"global_{name}_pool",
            ranked(f"Adaptive{torch}Pool{{}}d"),
            ranked(f"Global{keras}Pooling{{}}D") + ranked(f"Adaptive{keras}Pooling{{}}D"),
            layout="channels",
            functions=(function,),
            operations=(f"numpy.{operation}",),
            test=_to_one,
            rerun=reruns.to_one(function),
            squeezed=True,
        )
        for (name, torch, keras), function, operation in zip(SIDES, ("amax", "mean"), ("max", "mean"), strict=True)
    ),
    *(
        Kind(
            f"adaptive_{name}_pool",
            ranked(f"Adaptive{torch}Pool{{}}d"),
            ranked(f"Adaptive{keras}Pooling{{}}D"),
            layout="channels",
            functions=ranked(f"adaptive_{name}_pool{{}}d"),
            operations=(stand_in.operation,),
            exact=(stand_in,),
            to_one=f"global_{name}_pool",
        )
        for (name, torch, keras), stand_in in zip(
            SIDES, (exact.ADAPTIVE_MAX_POOL, exact.ADAPTIVE_AVERAGE_POOL), strict=True
        )
    ),
)
