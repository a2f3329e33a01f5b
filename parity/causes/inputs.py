"""An input that was read otherwise: other channels first, or axes taken for others."""

from collections.abc import Iterator

import numpy as np

from parity.models.arrays import Array

from .casts import cast_guesses
from .evidence import Evidence, Guess


def input_guesses(evidence: Evidence) -> Iterator[Guess]:
    """The layer's input, read wrongly."""
    for x in evidence.inputs[:1]:
        yield from misread(x)
        for name, made, told in cast_guesses(x):
            yield name, made, f"computes on an input that was {told}"


def misread(x: Array) -> Iterator[Guess]:
    if x.ndim < 3:
        return
    if x.shape[1] == 3:
        yield "channel order of the input", x[:, ::-1], "takes the channels in reverse (RGB as BGR)"
    last = np.moveaxis(x, 1, -1)
    yield "layout read as the other", np.moveaxis(x.reshape(last.shape), -1, 1), "reads NCHW memory as NHWC"
    yield "layout read as the other", np.ascontiguousarray(last).reshape(x.shape), "reads NHWC memory as NCHW"
