"""The same numbers in another order: of an output, of a weight -> which order, where one can be found."""

from collections.abc import Iterator
from functools import partial
from itertools import permutations, product
from math import prod

import numpy as np

from parity.models.arrays import Array

from .evidence import Config, Evidence, Guess
from .readings import ONE_SAMPLE, Candidate, Family, Inputs
from .rerun import run

ORDER = "order"
DISTINCT = 6  # different numbers, at least, that an order can be told by
TRIED = 2000  # ways to see a flattened axis as several


def moves(evidence: Evidence, inputs: Inputs, out: Array) -> Iterator[Candidate]:
    """Axes exchanged, and then seen in another shape."""
    shape = out.shape
    x = inputs[0]
    if len(inputs) > 1 or x.size != prod(shape) or x.ndim > 5:
        return
    for axes in permutations(range(1, x.ndim)):
        yield {ORDER: _letters(axes)}, partial(_moved, (0, *axes), shape[1:])


def shuffles(evidence: Evidence, inputs: Inputs, out: Array) -> Iterator[Candidate]:
    """Channels to pixels and back, and channels in groups."""
    shape = out.shape
    x = inputs[0]
    if len(inputs) > 1 or x.ndim != len(shape) or x.ndim < 3 or x.size != prod(shape) or not all(shape):
        return
    up = [after // before for before, after in zip(x.shape[2:], shape[2:], strict=True)]
    down = [before // after for before, after in zip(x.shape[2:], shape[2:], strict=True)]
    for order in permutations(range(x.ndim - 1)):  # of the channel C and the rows and columns that it is split in
        told = {ORDER: ", ".join("C" if i == 0 else f"r{i}" for i in order)}
        if prod(up) > 1 and shape[1] * prod(up) == x.shape[1]:
            yield told, partial(_to_pixels, order, (shape[1], *up), shape)
        if prod(down) > 1 and x.shape[1] * prod(down) == shape[1]:
            yield told, partial(_to_channels, order, down, shape)
    for groups in range(2, x.shape[1]) if x.shape == shape else ():
        if x.shape[1] % groups == 0:
            yield {ORDER: f"{groups} groups, dealt in turn"}, partial(_dealt, groups)


def _letters(axes: tuple[int, ...]) -> str:
    names = {2: "CL", 3: "CHW", 4: "CDHW"}.get(len(axes), "CXXXX")
    return ", ".join(names[axis - 1] for axis in axes)


def _moved(axes: tuple[int, ...], sample: tuple[int, ...], x: Array) -> Array:
    return x.transpose(axes).reshape(len(x), *sample)


def _to_pixels(order: tuple[int, ...], parts: tuple[int, ...], shape: tuple[int, ...], x: Array) -> Array:
    rank = len(parts) - 1
    split = x.reshape(len(x), *(parts[i] for i in order), *x.shape[2:])
    at = [1 + order.index(i) for i in range(rank + 1)]
    axes = [0, at[0], *(axis for i in range(rank) for axis in (rank + 2 + i, at[i + 1]))]
    return split.transpose(axes).reshape(len(x), *shape[1:])


def _to_channels(order: tuple[int, ...], parts: list[int], shape: tuple[int, ...], x: Array) -> Array:
    rank = len(parts)
    split = x.reshape(
        len(x), x.shape[1], *(n for size, r in zip(x.shape[2:], parts, strict=True) for n in (size // r, r))
    )
    own = [1, *(3 + 2 * i for i in range(rank))]
    axes = [0, *(own[i] for i in order), *(2 + 2 * i for i in range(rank))]
    return split.transpose(axes).reshape(len(x), *shape[1:])


def _dealt(groups: int, x: Array) -> Array:
    return x.reshape(len(x), groups, -1, *x.shape[2:]).swapaxes(1, 2).reshape(x.shape)


MOVE = Family("its axes in an order", {ORDER: "order of the axes"}, moves, ONE_SAMPLE)
SHUFFLE = Family("a shuffle of channels", {ORDER: "channel order of the shuffle"}, shuffles, ONE_SAMPLE)


def output_order_guesses(evidence: Evidence) -> Iterator[Guess]:
    """Keras's output as torch's numbers in another order."""
    ours, theirs = evidence.torch, evidence.keras
    if ours.shape == theirs.shape:
        for name, moved in _turned(ours):
            yield "order of the output", moved, f"Keras's output is torch's with {name}"
    if ours.size != theirs.size or len(np.unique(ours)) < max(DISTINCT, ours.size // 4):
        return
    a, b = ours.reshape(-1), theirs.reshape(-1)
    made = np.empty_like(b)
    made[np.argsort(b, kind="stable")] = np.sort(a)
    yield (
        "order of the output",
        made.reshape(theirs.shape),
        f"Keras's output is torch's numbers permuted{_within(ours, theirs)}",
    )


def _turned(x: Array) -> Iterator[tuple[str, Array]]:
    for axis in range(1, x.ndim):
        yield f"axis {axis} of (N, C, ...) reversed", np.flip(x, axis)
    for one, other in ((i, j) for i in range(1, x.ndim) for j in range(i + 1, x.ndim)):
        if x.shape[one] == x.shape[other]:
            yield f"axes {one} and {other} of (N, C, ...) exchanged", x.swapaxes(one, other)


def _within(ours: Array, theirs: Array) -> str:
    """Along which axis the numbers are, if they are along one alone."""
    if ours.shape == theirs.shape:
        for axis in range(ours.ndim):
            if np.allclose(np.sort(ours, axis), np.sort(theirs, axis), rtol=0, atol=1e-9 * np.abs(ours).max()):
                return f" along axis {axis} of (N, C, ...)"
    return ""


def weight_order_guesses(evidence: Evidence, ours: Config, theirs: Config) -> Iterator[Guess]:
    """torch's layer with Keras's weights, where these are torch's numbers in another order: one of them, then all."""
    both = {name: (a, theirs.weights[name]) for name, a in ours.weights.items() if name in theirs.weights}
    found = {name: told for name, (a, b) in both.items() if (told := _order(a, b))}
    for chosen in [[name] for name in found] + ([list(found)] if len(found) > 1 else []):
        made = run(ours, evidence.inputs, **{name: both[name][1] for name in chosen})
        if made is not None:
            held = ", ".join(f"{name} (torch's numbers {found[name]})" for name in chosen)
            yield "order of a weight", made, f"torch's layer run with Keras's {held}"


def _order(a: Array, b: Array) -> str:
    """In which order b holds the numbers of a; "" if it has others, or too few to tell."""
    if a.size != b.size or a.ndim == 0 or np.array_equal(a, b):
        return ""
    if len(np.unique(a)) < max(DISTINCT, a.size // 2) or not np.array_equal(np.sort(a, None), np.sort(b, None)):
        return ""
    if a.shape != b.shape:
        return "in another shape"
    if np.count_nonzero(a != b) < a.size / 2:
        return ""  # a few that have changed places are other numbers there, and no other order of all
    for axis in reversed(range(a.ndim)):
        at = _taken(a, b, axis)
        if at is not None:
            flattened = _flattened(at) if axis == 1 or a.ndim == 1 else ""
            return flattened or f"in another order along axis {axis}, from {list(map(int, at[:4]))} ... on"
    for axes in permutations(range(a.ndim)):
        for flips in product((False, True), repeat=a.ndim):
            turned = np.flip(a.transpose(axes), tuple(i for i, flip in enumerate(flips) if flip))
            if np.array_equal(turned, b):
                turning = ", and turned round along some" if any(flips) else ""
                return f"transposed otherwise, by {list(axes)} of its axes{turning}"
    return "read in another memory order" if _reread(a, b) else "in another order"


def _reread(a: Array, b: Array) -> bool:
    """Whether b is a's memory, transposed, taken for an array of a's shape."""
    return any(np.array_equal(a.transpose(axes).reshape(-1), b.reshape(-1)) for axes in permutations(range(a.ndim)))


def _taken(a: Array, b: Array, axis: int) -> Array | None:
    """The places along one axis of a that b takes its numbers from, each once."""
    one, other = (np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1) for x in (a, b))
    place = {row.tobytes(): i for i, row in enumerate(one)}
    at = [place.get(row.tobytes(), -1) for row in other]
    return np.array(at) if sorted(at) == list(range(len(at))) else None


def _flattened(at: Array) -> str:
    """The flatten order that takes places so: of two axes, or of three."""
    n = len(at)
    sizes: list[tuple[int, ...]] = [(one, n // one) for one in range(2, n) if n % one == 0]
    sizes += [(one, other, rest // other) for one, rest in sizes for other in range(2, rest) if rest % other == 0]
    for shape in sizes[:TRIED]:
        places = np.arange(n).reshape(shape)
        for axes in permutations(range(len(shape))):
            if np.array_equal(places.transpose(axes).reshape(-1), at):
                other = " x ".join(str(shape[axis]) for axis in axes)
                seen = f"those of {' x '.join(map(str, shape))} as those of {other}"
                return f"in another flatten order, {seen} (channels first or last, say)"
    return ""
