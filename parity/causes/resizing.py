"""Resizes that no setting states -> candidates for a reading: method, where pixels lie, antialias filter, rounding.

A resize is linear and one axis at a time, so each is a matrix from the old pixels to the new.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import product

import numpy as np

from parity.models.arrays import Array

from .evidence import Evidence
from .readings import ONE_CHANNEL, Candidate, Family, Inputs, Settings

METHOD, PLACES, FILTER, ROUNDS = "method", "pixel centres", "antialias filter", "rounding"
HALF, CORNERS, CORNER = "half a pixel in (align_corners=False)", "corners aligned (align_corners=True)", "asymmetric"


def _linear(t: Array) -> Array:
    return np.asarray(np.maximum(0, 1 - np.abs(t)))


def _cubic(t: Array, a: float) -> Array:
    """Keys 1981."""
    t = np.abs(t)
    near, far = ((a + 2) * t - (a + 3)) * t**2 + 1, ((t - 5) * t + 8) * t * a - 4 * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))


def _lanczos(t: Array, lobes: int) -> Array:
    return np.asarray(np.where(np.abs(t) < lobes, np.sinc(t) * np.sinc(t / lobes), 0.0))


TABLED, STEPS = "cubic, a = -0.5, of a table (TensorFlow without the filter)", 1024
KERNELS: dict[str, tuple[Callable[[Array], Array], int]] = {  # and how far each reaches
    "linear": (_linear, 1),
    "cubic, a = -0.75 (torch)": (partial(_cubic, a=-0.75), 2),
    "cubic, a = -0.5 (Keys; TensorFlow)": (partial(_cubic, a=-0.5), 2),
    TABLED: (partial(_cubic, a=-0.5), 2),
    "lanczos3": (partial(_lanczos, lobes=3), 3),
    "lanczos5": (partial(_lanczos, lobes=5), 5),
}
ROUNDED: dict[str, Callable[[Array], Array]] = {
    "down": np.floor,
    "to the nearest, half up": lambda t: np.floor(t + 0.5),
    "to the nearest, half down": lambda t: np.ceil(t - 0.5),
    "to the nearest, half to even": np.round,
    "up": np.ceil,
}


def _places(before: int, after: int, places: str) -> Array:
    """Where each new pixel lies among the old, of which the first is 0."""
    at = np.arange(after, dtype=float)
    if places == CORNERS:
        return at * ((before - 1) / max(1, after - 1))
    scale = before / after
    return (at + 0.5) * scale - 0.5 if places == HALF else at * scale


@cache
def _weights(before: int, after: int, method: str, places: str, filtered: bool, cut: bool) -> Array:
    """The matrix of one axis, (after, before). cut: weights beyond the image are left out, not the border's again."""
    kernel, reach = KERNELS[method]
    at = _places(before, after, places)
    if method == TABLED:
        at = np.floor(at) + np.round((at - np.floor(at)) * STEPS) / STEPS
    wide = max(1.0, before / after) if filtered else 1.0
    matrix = np.zeros((after, before))
    span = int(np.ceil(reach * wide)) + 1
    for step in range(-span, span + 1):
        pixel = np.floor(at).astype(int) + step
        inside = (pixel >= 0) & (pixel < before)
        share = kernel((pixel - at) / wide) * (inside if cut else 1.0)
        np.add.at(matrix, (np.arange(after), pixel.clip(0, before - 1)), share)
    return np.asarray(matrix / matrix.sum(1, keepdims=True) if cut else matrix)


@cache
def _nearest(before: int, after: int, places: str, rounds: str) -> Array:
    at = ROUNDED[rounds](_places(before, after, places)).astype(int).clip(0, before - 1)
    return np.asarray(np.eye(before)[at])


@cache
def _area(before: int, after: int) -> Array:
    """Each new pixel is the mean of the old ones that it touches, as an adaptive pool's."""
    first, last = np.arange(after) * before // after, -(-(np.arange(after) + 1) * before // after)
    pixel = np.arange(before)
    touched = (pixel >= first[:, None]) & (pixel < last[:, None])
    return np.asarray(touched / touched.sum(1, keepdims=True))


def candidates(evidence: Evidence, inputs: Inputs, out: Array) -> Iterator[Candidate]:
    """Resizes of one image that give one of this shape."""
    shape = out.shape
    x = inputs[0]
    if len(inputs) > 1 or not 3 <= x.ndim == len(shape) or x.shape[:2] != shape[:2] or x.shape == shape:
        return
    for told, matrix in _matrices():
        yield told, partial(_resized, matrix, shape[2:])


def _matrices() -> Iterator[tuple[dict[str, str], Callable[[int, int], Array]]]:
    for method, places in product(KERNELS, (HALF, CORNERS, CORNER)):
        for filtered, cut in ((False, False), (False, True), (True, True)):
            told = {METHOD: method, PLACES: places, FILTER: "yes" if filtered else "no"}
            told |= {"beyond the border": "nothing"} if cut else {"beyond the border": "the border's pixel"}
            yield told, partial(_weights, method=method, places=places, filtered=filtered, cut=cut)
    for places, rounds in product((HALF, CORNERS, CORNER), ROUNDED):
        yield {METHOD: "nearest", PLACES: places, ROUNDS: rounds}, partial(_nearest, places=places, rounds=rounds)
    yield {METHOD: "area"}, _area


def _resized(matrix: Callable[[int, int], Array], size: tuple[int, ...], x: Array) -> Array:
    for axis, after in enumerate(size, 2):
        if x.shape[axis] != after:
            x = np.moveaxis(np.tensordot(matrix(x.shape[axis], after), x, (1, axis)), 0, axis)
    return x


class _Resize(Family):
    """Resizes; where both take the nearest pixel, which one that is is a matter of rounding alone."""

    def cause(self, one: Settings, other: Settings, differing: tuple[str, ...]) -> str:
        nearest = one[METHOD] == other[METHOD] == "nearest"
        return self.causes[ROUNDS] if nearest else super().cause(one, other, differing)


RESIZE = _Resize(
    "a resize",
    {
        METHOD: "interpolation of the resize",
        FILTER: "antialias filter of the resize",
        PLACES: "pixel centres of the resize (align_corners)",
        ROUNDS: "rounding of the nearest pixel (nearest against nearest-exact)",
        "beyond the border": "border of the resize",
    },
    candidates,
    ONE_CHANNEL,
    last=True,
)
