"""Inputs as a command line describes them -> their numbers, drawn from a seed."""

import numpy as np

from .arrays import Array
from .inputs import Inputs, Leaf
from .probes import probe_input
from .specs import WHOLE, InputSpec


def drawn(spec: InputSpec, batch: int, seed: int) -> Array:
    """Random numbers of a dtype and range; floats are in float64, and standard normal where no range is given.

    Whole numbers without a range are 0 and 1, which few models refuse. The first of every sample's truth values is
    true, so that no mask leaves nothing over.
    """
    shape, draw = (batch, *spec.shape), np.random.default_rng(seed)
    if spec.dtype == "bool":
        truth = draw.random(shape) < 0.7
        truth.reshape(batch, -1)[:, 0] = True
        return truth
    if spec.dtype in WHOLE:
        low, high = spec.range or (0, 2)
        return np.asarray(draw.integers(int(low), int(high), shape, spec.dtype))
    if spec.range is not None:
        return draw.uniform(*spec.range, shape).astype(np.float32).astype(np.float64)
    return probe_input(shape, seed)


def drawn_inputs(specs: tuple[InputSpec, ...], batch: int, seed: int) -> Inputs:
    """Every input drawn, from a seed of its own: by position where it has no name, else by keyword."""
    arrays = {spec.name: drawn(spec, batch, seed + number) for number, spec in enumerate(specs)}
    plain = len(specs) == 1 or all(spec.name == str(number) for number, spec in enumerate(specs))
    form = tuple(map(Leaf, arrays)) if plain else {name: Leaf(name) for name in arrays}
    words = tuple("" if name.isdigit() else name for name in arrays) if plain else ()
    free = frozenset(spec.name for spec in specs if not spec.dtype and spec.range is None)
    open_ids = free | {spec.name for spec in specs if spec.dtype in WHOLE and spec.range is None}
    return Inputs(arrays, form, words, open=frozenset(open_ids))
