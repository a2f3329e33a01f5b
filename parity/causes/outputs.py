"""What is done to an output on one side alone: an activation, a bias, a shortcut."""

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from parity.models.arrays import Array
from parity.models.kinds import KINDS

from .casts import cast_guesses
from .evidence import Evidence, Guess
from .inputs import misread
from .rerun import applied, run

ACTIVATIONS = [kind for kind in KINDS if kind.activation]


def output_guesses(evidence: Evidence, base: Array, target: Array) -> Iterator[Guess]:
    """One side's output made from the other's: an activation, a slope, a shortcut more."""
    own = evidence.configs[0].kind  # of an activation, another bound is the nearer answer
    for kind in ACTIVATIONS:
        if own.activation and kind.idempotent and kind is not own:
            continue
        predicted = applied(evidence.rerun, kind, (base,))
        if predicted is not None:
            yield kind.alone, predicted, f"applies {kind.name}, the other side does not"
    yield from misread(base)
    for name, made, told in cast_guesses(base):
        yield name, made, f"gives what the other side does, {told}"
    for name, shortcut in evidence.nearby.items():
        if shortcut.shape == base.shape and not np.array_equal(shortcut, base):  # a sum with itself is a factor of 2
            yield "shortcut missing", base + shortcut, f"adds the shortcut {name}, the other side does not"
    if target.shape == base.shape and base.ndim:
        yield from _other_shortcuts(evidence.nearby, base, target)


def _other_shortcuts(nearby: dict[str, Array], base: Array, target: Array) -> Iterator[Guess]:
    """Another tensor added; of many pairs only those that agree at a few places are worth the whole arrays."""
    spots = np.unravel_index(np.linspace(0, base.size - 1, 32).astype(int), base.shape)
    few = {name: array[spots] for name, array in nearby.items() if array.shape == base.shape}
    whole = {name for name in few if np.array_equal(nearby[name], base)}  # instead of all there is, anything can stand
    for (one, a), (other, b) in permutations(few.items(), 2):
        if one not in whole and np.allclose(base[spots] - a + b, target[spots]):
            what = f"adds {other} as the shortcut instead of {one}"
            yield "shortcut projected", base - nearby[one] + nearby[other], what


def activation_guesses(evidence: Evidence, target: Array) -> Iterator[Guess]:
    """An activation layer that does nothing, or has another slope below zero, or is another one."""
    config = evidence.configs[0]
    declared = run(config, evidence.inputs)
    if not config.kind.activation or declared is None or evidence.same(declared, target):
        return  # this side does what it declares
    x = evidence.inputs[0]
    yield "missing or extra activation", x, "passes its input on, the other side does not"
    at = np.unravel_index(int(x.argmin()), x.shape)
    if target.shape == x.shape and x[at] < 0:
        slope = float(target[at] / x[at])
        if slope:  # without one it is another function
            yield "activation slope", np.where(x > 0, x, slope * x), f"has a slope of {slope:.6g} below zero"
    for kind in ACTIVATIONS:
        predicted = applied(evidence.rerun, kind, (x,))
        if kind is not config.kind and predicted is not None:
            yield "another activation", predicted, f"applies {kind.name}"
