"""Functions along an axis, and tensors joined along one -> candidates for a reading."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations, permutations, product
from typing import Any

import numpy as np

from parity.models.arrays import Array

from .evidence import Evidence
from .functions import JOINED
from .norms import EPSILONS
from .readings import ONE_SAMPLE, Candidate, Family, Inputs

REDUCED: dict[str, Callable[..., Any]] = {
    "sum": np.sum,
    "mean": np.mean,
    "max": np.max,
    "min": np.min,
    "product": np.prod,
    "standard deviation": np.std,
    "unbiased standard deviation": partial(np.std, ddof=1),
    "variance": np.var,
    "unbiased variance": partial(np.var, ddof=1),
    "norm": lambda x, axis: np.sqrt(np.square(x).sum(axis)),
}
INNER: dict[str, Callable[[Array], Any]] = {"x": lambda x: x, "|x|": np.abs, "x squared": np.square}
FOUND: dict[str, Callable[..., Any]] = {"argmax": np.argmax, "argmin": np.argmin}


def _softmax(x: Array, axis: Any) -> Array:
    powers = np.exp(x - x.max(axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis, keepdims=True))


def _standard(x: Array, axis: Any, eps: float) -> Array:
    return np.asarray((x - x.mean(axis, keepdims=True)) / np.sqrt(x.var(axis, keepdims=True) + eps))


ALONG: dict[str, Callable[..., Any]] = {
    "a softmax": _softmax,
    "log of a softmax": lambda x, axis: np.log(_softmax(x, axis)),
    "unit length": lambda x, axis: x / np.sqrt(np.square(x).sum(axis, keepdims=True)),
    "running sum": np.cumsum,
    "reversed": np.flip,
    "sorted": np.sort,
}


def along(evidence: Evidence, inputs: Inputs, out: Array) -> Iterator[Candidate]:
    """Functions that leave the shape as it is."""
    shape = out.shape
    x = inputs[0]
    if len(inputs) > 1 or x.shape != shape:
        return
    for (name, function), axis in product(ALONG.items(), range(x.ndim)):
        yield {"function": name, "axis": [axis]}, partial(function, axis=axis)


def norms(evidence: Evidence, inputs: Inputs, out: Array) -> Iterator[Candidate]:
    """Norms without weights, of every sample by itself."""
    shape = out.shape
    x = inputs[0]
    if len(inputs) == 1 and x.shape == shape:
        for axes, eps in product(_of_samples(x.ndim), EPSILONS):
            yield {"axis": list(axes), "epsilon": eps}, partial(_standard, axis=axes, eps=eps)


def reductions(evidence: Evidence, inputs: Inputs, out: Array) -> Iterator[Candidate]:
    """Functions that leave one number of an axis, or of several, of a tensor or of what two are joined to."""
    shape, x = out.shape, inputs[0]
    if not 1 <= len(inputs) <= 2 or x.size <= out.size or any(other.shape != x.shape for other in inputs):
        return
    joins = {"x": _first} if len(inputs) == 1 else {f"x = {name}": join for name, join in JOINED.items()}
    for (of, join), (inner, first) in product(joins.items(), INNER.items()):
        for (name, function), axes in product(REDUCED.items(), _of_samples(x.ndim)):
            if _fits(x.shape, axes, shape):
                told = {"function": name, "axis": list(axes), "of": inner, "where": of}
                yield told, partial(_reduced, partial(function, axis=axes), first, join, shape)
    for (name, function), axis in product(FOUND.items(), range(1, x.ndim)):
        if len(inputs) == 1 and _fits(x.shape, (axis,), shape):
            told = {"function": name, "axis": [axis], "of": "x", "where": "x"}
            yield told, partial(_reduced, partial(function, axis=axis), _first, _first, shape)


def _first(x: Array) -> Array:
    return x


def _fits(before: tuple[int, ...], axes: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    left = tuple(size for axis, size in enumerate(before) if axis not in axes)
    return left == shape or left == tuple(size for size in shape if size != 1)


def _reduced(function: Any, first: Any, join: Any, shape: tuple[int, ...], *inputs: Array) -> Array:
    return np.asarray(function(first(join(*inputs))), float).reshape(-1, *shape[1:])


def _of_samples(ndim: int) -> list[tuple[int, ...]]:
    """Axes, one or several, but the batch's."""
    return [axes for count in range(1, ndim) for axes in combinations(range(1, ndim), count)]


def joins(evidence: Evidence, inputs: Inputs, out: Array) -> Iterator[Candidate]:
    """Tensors laid behind or over one another."""
    shape = out.shape
    if not 2 <= len(inputs) <= 4 or any(x.ndim != len(shape) for x in inputs):
        return
    for axis, order in product(range(len(shape)), permutations(range(len(inputs)))):
        yield {"axis": axis, "order": list(order)}, partial(_laid, axis, order)


def _laid(axis: int, order: tuple[int, ...], *inputs: Array) -> Array:
    return np.concatenate([inputs[i] for i in order], axis)


ALONG_AXIS = Family("a function along an axis", {"function": "another function", "axis": "another axis"}, along)
NORM = Family("a norm without weights", {"axis": "another axis", "epsilon": "BN eps"}, norms, ONE_SAMPLE)
REDUCTION = Family(
    "a reduction",
    {"where": "another operation", "of": "another function", "function": "another function", "axis": "another axis"},
    reductions,
    ONE_SAMPLE,
)
JOIN = Family("a concatenation", {"axis": "another axis", "order": "order of what is concatenated"}, joins)
