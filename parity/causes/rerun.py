"""A layer as data, and changes to it -> its output, as a framework's own operations make it: what is tried of it."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from parity.models.arrays import Array
from parity.models.kinds import KINDS, Kind
from parity.models.kinds.formulas import Pads

from .evidence import Config, Rerun

WEIGHTS = {name for kind in KINDS for name, _, _ in kind.weights}


def run(config: Config, inputs: tuple[Array, ...], **changes: Any) -> Array | None:
    """The layer's output from its data alone, with `changes` to its weights or settings.

    None for a kind that cannot be run from its data, and for changes that do not fit the layer.
    """
    if not inputs:
        return None
    changes = {"inputs": inputs[1:]} | changes
    weights = config.weights | {k: v for k, v in changes.items() if k in WEIGHTS}
    static = config.static | {k: v for k, v in changes.items() if k not in WEIGHTS}
    given = {k: v for k, v in weights.items() if v is not None}
    return applied(config.rerun, config.kind, (inputs[0], *changes["inputs"]), given, static)


def applied(
    rerun: Rerun,
    kind: Kind,
    inputs: tuple[Array, ...],
    weights: dict[str, Array] | None = None,
    static: Any = None,
) -> Array | None:
    """What a kind makes of its inputs; None where it asks for what is not given."""
    try:
        return rerun(kind.name, inputs, weights or {}, static or {})
    except (ValueError, KeyError, IndexError, RuntimeError):  # no prediction
        return None


def rounded(x: Array, dtype: str) -> Array:
    """x rounded to the mantissa of TF32, bfloat16 or float16 and back to float64."""
    if dtype == "float16":
        return x.astype(np.float16).astype(np.float64)
    drop = {"tf32": 13, "bfloat16": 16}[dtype]
    bits = x.astype(np.float32).view(np.uint32).astype(np.uint64)
    bits = (
        (bits + (1 << (drop - 1)) - 1 + ((bits >> np.uint64(drop)) & np.uint64(1)))
        >> np.uint64(drop)
        << np.uint64(drop)
    )
    return bits.astype(np.uint32).view(np.float32).astype(np.float64)


def all_pads(total: Sequence[int]) -> list[Pads]:
    """Every way to split a number of padding pixels per axis into before and after."""
    return [list(choice) for choice in product(*([(b, t - b) for b in range(t + 1)] for t in total))]


def factor(ours: Array, theirs: Array) -> float | None:
    """By how much `ours` must be multiplied to come nearest to `theirs`; None where that says nothing."""
    a, b = ours.reshape(-1), theirs.reshape(-1)
    square = float(np.dot(a, a))
    return float(np.dot(a, b)) / square if a.size == b.size > 1 and 0 < square < np.inf else None
