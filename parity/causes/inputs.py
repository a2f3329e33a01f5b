"""An input that was read otherwise: other channels first, or axes taken for others."""

from collections.abc import Iterator

import numpy as np

from parity.models.arrays import Array

from .casts import cast_guesses
from .evidence import Config, Evidence, Guess, Plain
from .rerun import run


def input_guesses(evidence: Evidence) -> Iterator[Plain]:
    """The layer's input, read wrongly."""
    for x in evidence.inputs[:1]:
        yield from misread(x)
        yield from _shuffled(x)
        for name, made, told in cast_guesses(x):
            yield name, made, f"computes on an input that was {told}"


def input_sum_guesses(evidence: Evidence, config: Config, other: Config) -> Iterator[Guess]:
    """The layer on an input to which one side alone adds, or by which it multiplies, what another step gave."""
    if not evidence.inputs:
        return
    x, rest = evidence.inputs[0], evidence.inputs[1:]
    for name, array in evidence.given.items():
        if array.shape != x.shape or np.array_equal(array, x):
            continue
        ways = (
            ("shortcut missing", x + array, f"Keras adds the shortcut {name} to what goes in, the other side does not"),
            ("shortcut missing", x - array, f"torch adds the shortcut {name} to what goes in, the other side does not"),
            ("gate missing or extra", x * array, f"Keras multiplies what goes in by {name}, the other side does not"),
            ("fed from another tensor", array, f"Keras takes the output of {name} here, and torch another tensor"),
        )
        for cause, taken, what in ways:
            made = run(config, (taken, *rest))
            if made is not None:
                yield cause, made, what


def _shuffled(x: Array) -> Iterator[Plain]:
    """Channels dealt to groups in turn, and back (Zhang et al. 2018)."""
    for groups in range(2, x.shape[1] if x.ndim > 2 else 0):
        if x.shape[1] % groups == 0:
            dealt = x.reshape(len(x), groups, -1, *x.shape[2:]).swapaxes(1, 2).reshape(x.shape)
            yield "channel order of the shuffle", dealt, f"takes its channels of {groups} groups in turn, or back"


def misread(x: Array) -> Iterator[Plain]:
    if x.ndim < 3:
        return
    if x.shape[1] == 3:
        yield "channel order of the input", x[:, ::-1], "takes the channels in reverse (RGB as BGR)"
    last = np.moveaxis(x, 1, -1)
    yield "layout read as the other", np.moveaxis(x.reshape(last.shape), -1, 1), "reads NCHW memory as NHWC"
    yield "layout read as the other", np.ascontiguousarray(last).reshape(x.shape), "reads NHWC memory as NCHW"
