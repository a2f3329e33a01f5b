"""What float64 can lose in a layer's numbers: how far apart two right training steps may be.

Equal programs agree to the structure line of a number's own scale, unless the number is what is left of greater ones: a
bias's gradient in front of a batch norm is zero, a sum of terms that cancel; a norm subtracts a mean from numbers near
it. What rounding can do to such a number follows from its terms.

- A sum of n terms is off by at most (n - 1) u sum |terms|, u = 2^-53 (Higham 2002, section 4.2). Added one by one the
  roundings are a random walk of about sqrt(n) / 3 steps of u sum |terms|; six sigma of it, and a few roundings more for
  making the terms, are `share(n)`.
- A mean is such a sum: off by share(n) mean |x|. So x - mean, and the output (x - mean) / deviation, are off by that
  part of (|x| + |mean|) / deviation, which grows with the mean, not with its square.
- A variance summed from (x - mean)^2, in two passes or by updating, is off by share(n) (variance + 2 |mean| deviation)
  and the square of the mean's error (Chan, Golub & LeVeque 1983, table 1: n u kappa, with kappa^2 = 1 + mean^2 /
  variance). The textbook's one pass, mean(x^2) - mean^2, loses n u kappa^2: Keras's torch backend takes it, and is
  told to be so much worse.
- A running statistic is (1 - m) before + m statistic: three roundings of `before` a side, and m times the above. What a
  step does to it is m times the statistic; that is its scale, however large `before` is.
- The gradient into a norm is gamma / deviation (g - mean(g) - x' mean(g x')), x' the normalised input, whose loss is
  as the output's: sum the sizes, with (|x| + |mean|) / deviation for one x' at a time.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from parity.models import keys
from parity.models.arrays import Array

from .difference import ROUNDING, Difference, Size, difference, size_of, sized, structure_ok
from .measured import Name

UNIT = ROUNDING["float64"]


def share(count: int) -> float:
    """The part of sum |terms| that adding `count` terms in float64 may lose."""
    return (8.0 + 2.0 * math.sqrt(count)) * UNIT


@dataclass(frozen=True)
class Norm:
    """What a norm has normalised. x: its input; view: x's shape for which each mean is over `axes`; gamma: as x's.

    scaled: the axes of x over which the gradient of gamma and beta is summed.
    """

    x: Array
    gamma: Array
    eps: float
    view: tuple[int, ...]
    axes: tuple[int, ...]
    scaled: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many numbers share a mean."""
        return math.prod(self.view[axis] for axis in self.axes)

    def moments(self) -> tuple[Array, Array, Array]:
        """The input in its view, its means and its variances."""
        x = self.x.reshape(self.view)
        return x, x.mean(self.axes, keepdims=True), x.var(self.axes, keepdims=True)

    def lost(self) -> Array:
        """How far off a right output may be, as x: it is gamma (x - mean) / deviation."""
        x, mean, variance = self.moments()
        normal = (np.abs(x) + np.abs(mean)) / np.sqrt(variance + self.eps)
        return share(self.count) * normal.reshape(self.x.shape) * np.abs(self.gamma)

    def terms(self, gradient: Array) -> dict[str, Array]:
        """The sizes of the terms whose sums its output and gradients are; `gradient`: at the output, as x."""
        x, mean, variance = self.moments()
        deviation = np.sqrt(variance + self.eps)
        centred, normal = np.abs(x - mean) / deviation, (np.abs(x) + np.abs(mean)) / deviation
        size = (np.abs(gradient) * np.abs(self.gamma)).reshape(self.view)
        one, other = ((size * part).mean(self.axes, keepdims=True) for part in (centred, normal))
        into = (size + size.mean(self.axes, keepdims=True) + normal * one + centred * other) / deviation
        normal = normal.reshape(self.x.shape)
        return {
            "output": normal * np.abs(self.gamma),
            "input": into.reshape(self.x.shape),
            "weight": (np.abs(gradient) * normal).sum(self.scaled),
            "bias": np.abs(gradient).sum(self.scaled),
        }

    def statistic(self, name: str) -> tuple[Array, Array]:
        """(size, what it may lose) of the batch's mean or variance, (C,), of a batch norm."""
        x, mean, variance = self.moments()
        lost = share(self.count) * np.abs(x).mean(self.axes, keepdims=True)
        if name == "running_mean":
            return np.abs(x).mean(self.axes), lost.reshape(-1)
        unbiased = self.count / max(1, self.count - 1)
        lost = share(self.count) * (variance + 2 * np.abs(mean) * np.sqrt(variance)) + lost**2
        return variance.reshape(-1) * unbiased, lost.reshape(-1) * unbiased


def after(before: Array, then: Array, lost: Array) -> Array:
    """What a running statistic may lose that a step took from `before` to `then`; `lost` is its part of that."""
    return 8.0 * UNIT * np.maximum(np.abs(before), np.abs(then)) + lost


def batch_norm(x: Array, gamma: Array | None, eps: float) -> Norm:
    """Of x (N, C, ...), gamma (C,)."""
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    return Norm(x, _by_channel(gamma, x), eps, x.shape, axes, axes)


def lost_to_given(x: Array, gamma: Array | None, eps: float, mean: Array, variance: Array) -> Array:
    """How far off a right output of a norm may be whose statistics (C,) are given, as x (N, C, ...)."""
    sizes = np.abs(x) + np.abs(_by_channel(mean, x))
    return share(1) * sizes * np.abs(_by_channel(gamma, x)) / np.sqrt(_by_channel(variance, x) + eps)


def group_norm(x: Array, gamma: Array | None, eps: float, groups: int) -> Norm:
    """Of x (N, C, ...), gamma (C,); an instance norm has as many groups as channels."""
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    return Norm(x, _by_channel(gamma, x), eps, (len(x), groups, x[0].size // groups), (2,), axes)


def layer_norm(x: Array, gamma: Array | None, eps: float, rank: int) -> Norm:
    """Of x (N, ...), over its last `rank` axes, which gamma has too."""
    last = tuple(range(x.ndim - rank, x.ndim))
    return Norm(x, np.ones(()) if gamma is None else gamma, eps, x.shape, last, tuple(range(x.ndim - rank)))


def _by_channel(gamma: Array | None, x: Array) -> Array:
    return np.ones(()) if gamma is None else gamma.reshape(1, -1, *[1] * (x.ndim - 2))


def is_statistic(name: Name) -> bool:
    """Whether a running statistic is meant."""
    return name[0] == "tensor" and keys.is_statistic(name[1])


def lost_one_by_one(x: Array) -> float:
    """The rms, over the channels of x (N, C, ...), of what their variance loses where float32 adds number by number.

    As a share of the variance; the mean, which loses less, is taken off in float32 first.
    """
    rows = np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])
    narrow = rows.astype(np.float32)
    mean = np.add.accumulate(narrow, 0)[-1] / np.float32(len(rows))
    summed = np.add.accumulate((narrow - mean) ** 2, 0)[-1].astype(np.float64)
    exact = ((rows - rows.mean(0)) ** 2).sum(0)
    share = np.divide(summed - exact, exact, out=np.zeros_like(exact), where=exact > 0)
    return float(np.sqrt(np.mean(share**2)))


def rounded(name: Name, mine: Array, theirs: Array, size: Size | None) -> Difference:
    """How two arrays of a name differ, beside the sizes of what was added up."""
    found = difference(mine, theirs)
    return found if is_statistic(name) else sized(found, size)


def judged(name: Name, mine: Array, theirs: Array, size: Size | None, lost: Array | None = None) -> Difference:
    """How two float64 arrays of a name differ: beside their own scale, unless float64 can lose as much.

    A running statistic's scale is what the step has added to it. lost: how far off each number may be, which need be
    known only of what is not equal without it.
    """
    found = difference(mine, theirs)
    if is_statistic(name) and size is not None:
        found = replace(found, scale=size.greatest)
    if structure_ok(found):
        return found if is_statistic(name) else sized(found, size)
    return found if lost is None else within(mine, theirs, lost) or found


def within(mine: Array, theirs: Array, lost: Array) -> Difference | None:
    """How two float64 arrays differ beside the sizes of what was added up; None if by more than a number may lose."""
    if not np.isfinite(mine).all() or mine.shape != theirs.shape:
        return None
    lost = lost if lost.shape == theirs.shape else np.full(theirs.shape, lost.max(initial=0.0))
    right = bool((np.abs(mine - theirs) <= lost).all())
    return sized(difference(mine, theirs), size_of(lost / share(1))) if right else None
