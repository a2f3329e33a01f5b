"""Numbers that were rounded, or cut to whole ones, where float64 is computed in -> candidates for a reading."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from parity.models.arrays import Array

from .evidence import Evidence, Plain
from .readings import FEW_PLACES, Candidate, Family, Inputs
from .rerun import rounded

WHOLE, DTYPE, LEFT = "whole numbers", "rounded to", "no"
PRECISION = "reduced precision"
CASTS: dict[str, tuple[str, str, Callable[[Array], Any]]] = {  # by what was done: the name, the setting, and how
    "float16": (PRECISION, DTYPE, lambda x: rounded(x, "float16")),
    "bfloat16": (PRECISION, DTYPE, lambda x: rounded(x, "bfloat16")),
    "tf32": (PRECISION, DTYPE, lambda x: rounded(x, "tf32")),
    "float32": (PRECISION, DTYPE, lambda x: x.astype(np.float32).astype(np.float64)),
    "by cutting": ("cast to whole numbers", WHOLE, np.trunc),
    "to the nearest": ("cast to whole numbers", WHOLE, np.round),
}


def cast_guesses(x: Array) -> Iterator[Plain]:
    """What a cast makes of x, where it changes it."""
    for how, (name, setting, function) in CASTS.items():
        made = function(x)
        if not np.array_equal(made, x):
            told = f"rounded to {how}" if setting == DTYPE else f"made whole {how}"
            yield name, made, told


def casts(evidence: Evidence, inputs: Inputs, out: Array) -> Iterator[Candidate]:
    """Casts of one tensor."""
    if len(inputs) == 1 and inputs[0].shape == out.shape:
        kept = {WHOLE: LEFT, DTYPE: LEFT}
        yield kept, lambda x: x
        for how, (_, setting, function) in CASTS.items():
            yield kept | {setting: how}, function


CAST = Family("what goes in", {WHOLE: "cast to whole numbers", DTYPE: PRECISION}, casts, FEW_PLACES)
