"""Functions of every number by itself, and of two numbers -> candidates for a reading."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from parity.models.arrays import Array
from parity.models.edits import Mend
from parity.models.kinds import KINDS, Kind

from .evidence import Evidence, Rerun
from .readings import FEW_PLACES, Candidate, Family, Inputs, Settings
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
ONE_ALONE: dict[str, Callable[[Array, Array], Any]] = {"a alone": lambda a, b: a, "b alone": lambda a, b: b}
LONE = {  # the cause where one side joins two tensors so, and the other takes one of them
    "a + b": "shortcut missing",
    "a * b": "gate missing or extra",
}
ACTIVATIONS = [kind for kind in KINDS if kind.activation]
APPROXIMATE = {"approximate": True}
FITTED = 8  # numbers, at least, that a function with two of its own gives by no chance
SLOPE = "slope below zero"


def functions(rerun: Rerun) -> dict[str, Callable[[Array], Any]]:
    """Functions of every number by itself, and of a sample's channels, by name."""

    def of(kind: Kind, static: dict[str, Any], x: Array) -> Array | None:
        return applied(rerun, kind, (x,), static=static)

    found = {kind.name: partial(of, kind, {}) for kind in ACTIVATIONS}
    approximate = (kind for kind in ACTIVATIONS if any(setting.name in APPROXIMATE for setting in kind.settings))
    return PLAIN | found | {f"{kind.name}, approximate": partial(of, kind, APPROXIMATE) for kind in approximate}


def of_one(evidence: Evidence, inputs: Inputs, out: Array) -> Iterator[Candidate]:
    """Functions of one tensor."""
    shape = out.shape
    if len(inputs) == 1 and inputs[0].shape == shape:
        for name, function in functions(evidence.rerun).items():
            yield {"function": name}, function
        yield from _fitted(inputs[0], out)


def _fitted(x: Array, out: Array) -> Iterator[Candidate]:
    """Functions with a number of their own, which one place of the output gives."""
    if x.size < FITTED:
        return
    at = np.unravel_index(int(x.argmin()), x.shape)
    low, high = float(out.min()), float(out.max())
    if x[at] < 0:
        slope, alpha = float(out[at] / x[at]), float(out[at] / np.expm1(x[at]))
        if slope != 1:
            yield {"function": "x above zero", SLOPE: f"{slope:.6g}"}, lambda x: np.where(x > 0, x, slope * x)
        told = {"function": "x above zero, exponential below", "alpha": f"{alpha:.6g}"}
        yield told, lambda x: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))
    yield {"function": "x within bounds", "bounds": f"{low:.6g} and {high:.6g}"}, lambda x: np.clip(x, low, high)


def affine(evidence: Evidence, inputs: Inputs, out: Array) -> Iterator[Candidate]:
    """x times a number, and one added: the same for all, or for each channel."""
    x = inputs[0]
    if len(inputs) > 1 or x.shape != out.shape:
        return
    of_channels = tuple(axis for axis in range(x.ndim) if axis != 1)
    for axes, names in ((None, ("scale", "offset")), (of_channels, ("scales", "offsets"))):
        if x.size < FITTED * (1 if axes is None else x.shape[1] if x.ndim > 1 else x.size):
            continue
        centred, moved = (array - array.mean(axes, keepdims=True) for array in (x, out))
        square = np.square(centred).sum(axes, keepdims=True)
        scale = (centred * moved).sum(axes, keepdims=True) / np.where(square > 0, square, 1.0)
        offset = out.mean(axes, keepdims=True) - scale * x.mean(axes, keepdims=True)
        told = dict(zip(names, (_few(scale), _few(offset)), strict=True))
        yield told, partial(_scaled, scale, offset)


def _scaled(scale: Array, offset: Array, x: Array) -> Array:
    return np.asarray(scale * x + offset)


def affine_mend(evidence: Evidence) -> Mend | None:
    """By what Keras's output is torch's multiplied, and what is added, if that is the same for all."""
    x, y = (side.reshape(-1) for side in (evidence.torch, evidence.keras))
    if x.size != y.size or x.size < FITTED or not np.ptp(x):
        return None
    scale = float(np.dot(x - x.mean(), y - y.mean()) / np.square(x - x.mean()).sum())
    offset = float(y.mean() - scale * x.mean())
    made = scale * evidence.torch + offset
    return Mend("affine", value=(scale, offset)) if scale and evidence.same(made, evidence.keras) else None


def _few(numbers: Array) -> str:
    """So many digits that rounding makes no difference of them."""
    found = [f"{0.0 if abs(number) < 1e-9 else number:.6g}" for number in numbers.reshape(-1)]
    return f"[{', '.join(found[:4])}{', ...' if len(found) > 4 else ''}]" if len(found) > 1 else found[0]


def of_two(evidence: Evidence, inputs: Inputs, out: Array) -> Iterator[Candidate]:
    """Functions of what two tensors are joined to."""
    shape = out.shape
    if len(inputs) == 2 and all(_spreads(x.shape, shape) for x in inputs):
        for (name, join), (outer, function) in product((JOINED | ONE_ALONE).items(), functions(evidence.rerun).items()):
            yield {"function": outer, "of x =": name}, partial(_joined, join, function)


def _spreads(small: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether an array of one shape can be joined to one of another, number to number."""
    return len(small) == len(shape) and all(n in (1, size) for n, size in zip(small, shape, strict=True))


def _joined(join: Callable[[Array, Array], Any], function: Callable[[Array], Any], a: Array, b: Array) -> Array:
    return np.asarray(function(join(a, b)))


ONE = {
    "function": "another function",
    SLOPE: "activation slope",
    "alpha": "activation slope",
    "bounds": "another bound",
}
OF_ONE = Family("a function", ONE, of_one, FEW_PLACES, {"function": "x"})
AFFINE = Family(
    "a scale and offset",
    {
        "scale": "constant factor",
        "offset": "another offset",
        "scales": "another scale of each channel",
        "offsets": "another offset of each channel",
    },
    affine,
    FEW_PLACES,
    mend=affine_mend,
)


class _OfTwo(Family):
    """Functions of two tensors, or of one of them."""

    def cause(self, one: Settings, other: Settings, differing: tuple[str, ...]) -> str:
        joins = {one["of x ="], other["of x ="]}
        lone = next((LONE.get(join) for join in joins - ONE_ALONE.keys() if joins & ONE_ALONE.keys()), None)
        return lone or super().cause(one, other, differing)


OF_TWO = _OfTwo("a function", {"of x =": "another operation", "function": "another function"}, of_two, FEW_PLACES)
