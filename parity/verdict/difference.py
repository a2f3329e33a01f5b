"""Two arrays and their float64 references -> numbers and a verdict. Pure NumPy.

Structure: both frameworks in float64. Equal programs differ by rounding alone, about 1e-14 of a layer's scale (its
greatest magnitude) and 1e-13 after a hundred layers; the smallest real fault we know, an epsilon of 1.001e-5 for 1e-5,
shows at 1e-8. `STRUCTURE_LINE` lies between, with orders of magnitude on both sides. What is at most `ROUNDED` of the
scale is rounding and nothing else.

Arithmetic: each side against its own float64 run, as the root mean square of the error over that of the values. Two
frameworks sum in different orders, so their errors differ, but as random walks of the same length: neither may exceed
`ARITHMETIC_FACTOR` times the other. TF32 or bfloat16 in a float32 run rounds 2^13 or 2^16 times coarser and shows as a
ratio in the hundreds. Where one side happens to be exact (a pool, a copy, a tensor of a few numbers) the ratio says
nothing, so an error below `ARITHMETIC_FLOOR` roundings of the dtype never fails.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from parity.models.arrays import Array

STRUCTURE_LINE = 1e-10
ROUNDED = 1e-13
ARITHMETIC_FACTOR = 32.0
ARITHMETIC_FLOOR = 4.0
ROUNDING = {"float64": 2.0**-53, "float32": 2.0**-24, "bfloat16": 2.0**-8, "float16": 2.0**-11}  # half a unit of 1
FLOAT32_LINE = ARITHMETIC_FACTOR * ROUNDING["float32"]  # of a step that no float64 run can have in float64
CHUNK = 1 << 14  # numbers at a time: differences of a large array then stay in the cache


@dataclass(frozen=True)
class Difference:
    """How an array differs from its reference. Parts of one tensor (slices of a batch) add up with `+`."""

    greatest: float = 0.0  # max |array - reference|
    where: tuple[int, ...] | None = None  # its index
    scale: float = 0.0  # max |reference|
    square: float = 0.0  # sum of (array - reference)^2
    reference_square: float = 0.0
    count: int = 0
    finite: bool = True

    def __add__(self, other: "Difference") -> "Difference":
        larger = self if self.greatest >= other.greatest or not self.finite else other
        return Difference(
            larger.greatest,
            larger.where,
            max(self.scale, other.scale),
            self.square + other.square,
            self.reference_square + other.reference_square,
            self.count + other.count,
            self.finite and other.finite,
        )

    @property
    def error(self) -> float:
        """The greatest difference as a fraction of the reference's scale; NaN where either side is not finite."""
        return _ratio(self.greatest, self.scale) if self.finite else float("nan")

    @property
    def at(self) -> str:
        """Where the greatest difference is, to follow a number in a sentence; nothing where that is not known."""
        return "" if self.where is None else f" at {list(self.where)}"

    @property
    def rms(self) -> float:
        """Root mean square of the difference over that of the reference; NaN where either side is not finite."""
        return _ratio(self.square**0.5, self.reference_square**0.5) if self.finite else float("nan")


def _ratio(part: float, whole: float) -> float:
    if part == 0:
        return 0.0
    return part / whole if whole > 0 else float("inf")


def difference(array: Array, reference: Array) -> Difference:
    """Compare an array with its reference, both (N, C, ...). Where the shapes differ the difference is infinite."""
    if array.shape != reference.shape:
        return Difference(np.inf, None, 1.0, np.inf, 1.0, reference.size)
    order = sorted(range(array.ndim), key=lambda axis: -reference.strides[axis])
    # Both in the memory order of the reference: one pass over contiguous memory where the layouts agree.
    a, r = (np.ascontiguousarray(x.transpose(order)).reshape(-1) for x in (array, reference))
    total = Difference()
    for start in range(0, r.size, CHUNK):
        total = total + _difference(a[start : start + CHUNK], r[start : start + CHUNK], start)
    if total.where is None:
        return total
    shape = [array.shape[axis] for axis in order]
    index = np.unravel_index(total.where[0], shape)
    where = tuple(int(index[order.index(axis)]) for axis in range(array.ndim))
    return Difference(total.greatest, where, *(getattr(total, name) for name in _SUMS))


_SUMS = ("scale", "square", "reference_square", "count", "finite")


def _difference(a: Array, r: Array, start: int) -> Difference:
    a, r = a.astype(np.float64, copy=False), r.astype(np.float64, copy=False)
    with np.errstate(invalid="ignore", over="ignore"):
        error = a - r
        # Not np.dot: a threaded BLAS would take the cores from the frameworks for a sum that memory bounds.
        square, reference_square = (float(np.einsum("i,i->", v, v)) for v in (error, r))
        np.abs(error, out=error)
        at = int(error.argmax())  # argmax finds a NaN first
    scale = max(float(r.max()), -float(r.min()))
    finite = bool(np.isfinite(error[at]) and np.isfinite(scale))
    return Difference(float(error[at]), (start + at,), scale, square, reference_square, r.size, finite)


def structure_ok(found: Difference) -> bool:
    """Whether two float64 results are the same function's: error <= STRUCTURE_LINE. NaN and infinity fail."""
    return found.finite and found.error <= STRUCTURE_LINE


def float32_ok(found: Difference) -> bool:
    """Whether two results are the same function's, of which one was computed in float32."""
    return found.finite and found.error <= FLOAT32_LINE


def eased(found: Difference) -> Difference:
    """A difference judged by the line of float32: sized so that at it the structure line is met."""
    ratio = FLOAT32_LINE / STRUCTURE_LINE
    return replace(found, scale=found.scale * ratio, reference_square=found.reference_square * ratio**2)


def is_rounding(found: Difference) -> bool:
    """Whether two float64 results differ by what rounding makes of any step, and no more. NaN and infinity do not."""
    return found.finite and found.error <= ROUNDED


def arithmetic_ok(torch: Difference, keras: Difference, dtype: str) -> bool:
    """Whether both sides round as `dtype` does: neither error exceeds the other's by more than the factor."""
    return all(worse.finite for worse in (torch, keras)) and all(
        worse.rms <= arithmetic_bound(better, dtype) for worse, better in ((torch, keras), (keras, torch))
    )


def arithmetic_bound(other: Difference, dtype: str) -> float:
    """The greatest rms error allowed beside the other side's: factor * max(its error, floor roundings of the dtype)."""
    return ARITHMETIC_FACTOR * max(other.rms, ARITHMETIC_FLOOR * ROUNDING[dtype])


class Size(NamedTuple):
    """Of an array of numbers, none of them negative: the greatest, and the sum of the squares."""

    greatest: float
    square: float


def size_of(terms: Array) -> Size:
    """How large the terms of a sum are; see rounding.py."""
    terms = np.ascontiguousarray(terms)  # the same sum, digit for digit, whatever its order in memory
    return Size(float(terms.max(initial=0.0)), float(np.square(terms).sum()))


def sized(found: Difference, size: Size | None) -> Difference:
    """A difference judged by the size of what was added up, where that is greater than the sum."""
    if size is None:
        return found
    return replace(
        found, scale=max(found.scale, size.greatest), reference_square=max(found.reference_square, size.square)
    )
