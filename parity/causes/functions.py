"""Functions of every number by itself, and of two numbers -> candidates for a reading."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from parity.models.arrays import Array
from parity.models.kinds import KINDS

from .evidence import Evidence
from .readings import ONE_SAMPLE, Candidate, Family, Inputs
from .rerun import applied

PLAIN: dict[str, Callable[[Array], Any]] = {
    "x": lambda x: x,
    "-x": np.negative,
    "|x|": np.abs,
    "x squared": np.square,
    "x cubed": lambda x: x**3,
    "square root": np.sqrt,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sign": np.sign,
    "1/x": np.reciprocal,
    "1/square root": lambda x: 1 / np.sqrt(x),
    "1 - x": lambda x: 1 - x,
    "sine": np.sin,
    "cosine": np.cos,
    "log(1 + exp x)": lambda x: np.logaddexp(0, x),
    "round": np.round,
    "floor": np.floor,
    "ceil": np.ceil,
}
JOINED: dict[str, Callable[[Array, Array], Any]] = {
    "a + b": np.add,
    "a - b": np.subtract,
    "b - a": lambda a, b: b - a,
    "a * b": np.multiply,
    "a / b": np.divide,
    "b / a": lambda a, b: b / a,
    "max(a, b)": np.maximum,
    "min(a, b)": np.minimum,
    "mean of a and b": lambda a, b: (a + b) / 2,
}
ACTIVATIONS = {kind.name: partial(applied, kind) for kind in KINDS if kind.activation and kind.formula}
FUNCTIONS: dict[str, Callable[[Array], Any]] = PLAIN | ACTIVATIONS


def of_one(evidence: Evidence, inputs: Inputs, shape: tuple[int, ...]) -> Iterator[Candidate]:
    """Functions of one tensor."""
    if len(inputs) == 1 and inputs[0].shape == shape:
        for name, function in FUNCTIONS.items():
            yield {"function": name}, function


def of_two(evidence: Evidence, inputs: Inputs, shape: tuple[int, ...]) -> Iterator[Candidate]:
    """Functions of what two tensors are joined to."""
    if len(inputs) == 2 and all(_spreads(x.shape, shape) for x in inputs):
        for (name, join), (outer, function) in product(JOINED.items(), FUNCTIONS.items()):
            yield {"function": outer, "of x =": name}, partial(_joined, join, function)


def _spreads(small: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether an array of one shape can be joined to one of another, number to number."""
    return len(small) == len(shape) and all(n in (1, size) for n, size in zip(small, shape, strict=True))


def _joined(join: Callable[[Array, Array], Any], function: Callable[[Array], Any], a: Array, b: Array) -> Array:
    return np.asarray(function(join(a, b)))


OF_ONE = Family("a function", {"function": "another function"}, of_one, ONE_SAMPLE)
OF_TWO = Family("a function", {"of x =": "another operation", "function": "another function"}, of_two, ONE_SAMPLE)
