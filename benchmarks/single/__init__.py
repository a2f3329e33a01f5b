"""Single-layer pairs, family by family -> `ROWS`: what `benchmarks.layers` checks."""

from . import attention, free, functions, images, norms, recurrent

ROWS = [row for family in (recurrent, attention, free, images, norms, functions) for row in family.ROWS]
