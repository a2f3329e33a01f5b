"""The error of a tensor made between layers, in a run on the other side's numbers -> what of it an earlier one had.

Where a layer takes such a tensor it is given the other side's, and what the model's own code goes on with is the wrong
one all the same: a sum into which it goes has its error, number for number, and adds none.
"""

import numpy as np

from parity.models.arrays import Array

from .difference import STRUCTURE_LINE, difference, structure_ok

KEPT = 8  # errors, the latest


class Carried:
    """The errors of one run, in order of execution."""

    def __init__(self) -> None:
        self._errors: list[Array] = []

    def without(self, output: Array, right: Array) -> Array:
        """The output without an error that an earlier tensor had, where that is all of it; else as it is."""
        if output.shape != right.shape or structure_ok(difference(output, right)):
            return output
        error = output - right
        bound = STRUCTURE_LINE * float(np.abs(right).max(initial=0.0))
        for one in self._errors:
            if one.shape == error.shape and float(np.abs(error - one).max(initial=0.0)) <= bound:
                return np.asarray(output - one)
        self._errors = [*self._errors, error][-KEPT:]
        return output
