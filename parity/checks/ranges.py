"""Activations that are another function on each side, and equal on the numbers of this run -> settings that differ.

A ReLU whose bound no number has reached is as one without: what the run does not show, torch's process is asked for.
"""

from collections.abc import Iterator

import numpy as np

from parity.models.arrays import Array
from parity.models.kinds import named
from parity.models.steps import StepInfo
from parity.runners.runner import Runner
from parity.verdict.cause import Cause
from parity.verdict.difference import STRUCTURE_LINE, difference
from parity.verdict.results import StaticDifference

from .comparing import Compared
from .sources import Programs

WIDE = np.linspace(-40.0, 40.0, 401).reshape(1, 1, -1)


def unreached(found: Compared, programs: Programs, torch: Runner) -> Iterator[tuple[StaticDifference, Cause]]:
    """Of the steps that agree, those of two kinds of activations that do not on all numbers, and what to say of it.

    What a function was told is not known: only kinds that can be told nothing are judged.
    """
    theirs = {step.key: step for step in found.keras_steps}
    for step in found.steps:
        other = theirs.get(step.key)
        if other is None or step.key in found.faults or other.kind == step.kind or not _are_fixed(step, other):
            continue
        ours, made = (_made(torch, programs, side, each) for side, each in (("torch", step), ("keras", other)))
        if ours is None or made is None or difference(made, ours).error <= STRUCTURE_LINE:
            continue
        at = np.unravel_index(int(np.abs(made - ours).argmax()), ours.shape)
        values = f"at {WIDE[at]:g} the one gives {ours[at]:.6g} and the other {made[at]:.6g}"
        told = f"{step.kind} in torch and {other.kind} in Keras, which no number of this run tells apart: {values}"
        entry = StaticDifference(step.path, "activation", step.kind, other.kind)
        yield entry, Cause("another activation", step.path, told, key=step.key)


def _are_fixed(*steps: StepInfo) -> bool:
    return all(named(step.kind).fixed for step in steps)


def _made(torch: Runner, programs: Programs, side: str, step: StepInfo) -> Array | None:
    return torch.rerun(step.kind, (WIDE,), {}, programs.static(side, step)).result()
