"""A loss that one model adds by itself: its gradient beside the other side's -> which penalty of which array it is.

Keras adds `kernel_regularizer` and its like to every loss; l2(c) of a weight is c * sum(w^2), whose gradient is 2 c w:
it decays as by a coupled weight decay of 2 c (Loshchilov and Hutter 2019, section 2). torch's modules add none.
"""

from typing import NamedTuple

import numpy as np

from parity.models.arrays import Array
from parity.verdict.difference import STRUCTURE_LINE, difference


class Penalty(NamedTuple):
    """c * sum(x^2) and c * sum(|x|) of an array x; left: the gap once both are taken for granted."""

    l2: float
    l1: float
    left: float

    def __str__(self) -> str:
        parts = [f"{name}({value:.4g})" for name, value in (("l2", self.l2), ("l1", self.l1)) if value]
        return " and ".join(parts)


def penalty(x: Array, without: Array, gradient: Array) -> Penalty | None:
    """The penalty of x whose gradient is all that `gradient` has more than the one `without`; None if there is none.

    A penalty is positive: what is less on one side is more on the other.
    """
    if not x.shape == without.shape == gradient.shape or difference(without, gradient).error <= STRUCTURE_LINE:
        return None
    more = (gradient - without).reshape(-1)
    columns = np.stack([2.0 * x.reshape(-1), np.sign(x.reshape(-1))], 1)
    for used in ((0,), (1,), (0, 1)):
        if len(used) >= more.size:
            break  # as many unknowns as numbers fit anything
        found = np.zeros(2)
        found[list(used)] = np.linalg.lstsq(columns[:, used], more, rcond=None)[0]
        left = difference(without + (columns @ found).reshape(x.shape), gradient).error
        if left <= STRUCTURE_LINE and found.min() >= 0:
            return Penalty(float(found[0]), float(found[1]), left)
    return None
