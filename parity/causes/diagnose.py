"""A layer that differs -> the named cause, proven: the layer is run again under each hypothesis until the gap closes.

A hypothesis says what one side does otherwise ("the kernel is transposed") and predicts that side's output from the
other side's settings and weights. It holds if prediction and output agree as equal programs do (STRUCTURE_LINE). A
name is only given to a fault that this has reproduced; anything else is "unknown", with its numbers.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from parity.models.arrays import Array
from parity.models.attempts import attempt, words
from parity.models.edits import Mend
from parity.verdict.cause import CLOSES, Cause
from parity.verdict.difference import STRUCTURE_LINE, difference, structure_ok

from .evidence import Evidence
from .hypotheses import FROM_NUMBERS, predictions
from .precision import precision_cause
from .rerun import run
from .settings import NO_SETTINGS
from .uncopied import exchanged
from .where import error_map

MOST = 1e4  # times smaller is a gap by a cause that is most of it


def diagnose(evidence: Evidence) -> Cause:
    """The cause of one step's fault: the first hypothesis that closes the gap, or "unknown"; and where the error is."""
    cause = attempt(partial(_diagnose, evidence), partial(unsought, evidence.path))
    return replace(cause, where=attempt(partial(_where, evidence), lambda _: None))


def unsought(path: str, error: Exception) -> Cause:
    """What is said of a fault whose cause could not be looked for: the verdict stands without it."""
    return Cause("unknown", path, f"the search for the cause itself failed, not the models: {words(error)}")


def _where(evidence: Evidence) -> dict[str, Any] | None:
    same = structure_ok(difference(evidence.keras, evidence.torch))
    return None if same else error_map(evidence.torch, evidence.keras)


def _diagnose(evidence: Evidence) -> Cause:
    if not difference(evidence.keras, evidence.torch).finite:
        sides = evidence.torch, evidence.keras
        masked = not any(np.isnan(side).any() or np.isinf(side).all() for side in sides)
        found = _exchanged(evidence) or (_searched(evidence)[0] if masked else None)
        return found or Cause("NaN or infinity", evidence.path, _not_finite(evidence))
    if evidence.low is not None:
        narrow = _narrow_types(evidence)
        if narrow is not None:
            return narrow
        broken = [np.count_nonzero(~np.isfinite(low)) for low in evidence.low]
        if any(broken):
            counts = f"{broken[0]} such numbers in torch and {broken[1]} in Keras of {evidence.torch.size}"
            what = f"float64 is finite; the run in the asked dtype has {counts}"
            return Cause("NaN or infinity", evidence.path, what)
        return precision_cause(evidence)
    found, (left, name, what, mend) = _searched(evidence)
    if found is not None:
        return found
    gap = evidence.gap
    if left * MOST <= gap < np.inf:
        told = f"{what}: most of it, the gap shrinks from {gap:.1e} to {left:.1e}, and nothing tried explains that rest"
        return Cause(name, evidence.path, told, mend=mend)
    return _stated(evidence) or Cause("unknown", evidence.path, _unexplained(evidence))


Most = tuple[float, str, str, Mend | None]  # what is left, the cause's name, what was done, and what undoes it


def _searched(evidence: Evidence) -> tuple[Cause | None, Most]:
    """The first hypothesis that closes the gap, if one does, and the one that comes nearest."""
    gap = evidence.gap
    most: Most = (np.inf, "", "", None)
    with np.errstate(all="ignore"):  # a wrong hypothesis may well divide by zero
        for name, predicted, target, what, mend in predictions(evidence):
            left = attempt(partial(evidence.left, predicted, target), lambda _: np.inf)
            if left <= evidence.line and (left <= STRUCTURE_LINE or left * CLOSES <= gap):
                apart = "other shapes" if evidence.torch.shape != evidence.keras.shape else "other infinite numbers"
                before = f"{gap:.1e}" if np.isfinite(gap) else apart
                told = f"{what}: the gap closes from {before} to {left:.1e}"
                return Cause(name, evidence.path, told, mend=mend), most
            if left < most[0] and name not in FROM_NUMBERS:
                most = left, name, what, mend
    return None, most


def _stated(evidence: Evidence) -> Cause | None:
    """Settings that differ as both sides state them are told, also where they are not all that is wrong."""
    ours, theirs = (config.static for config in evidence.configs)
    differing = [name for name in ours if name in theirs and ours[name] != theirs[name] and name not in NO_SETTINGS]
    if not differing:
        return None
    stated = ", ".join(f"{name} {ours[name]} in torch and {theirs[name]} in Keras" for name in differing)
    told = f"{stated}: with these equal a gap is left, so something else differs too; {_unexplained(evidence)}"
    return Cause("settings differ", evidence.path, told)


def _exchanged(evidence: Evidence) -> Cause | None:
    """Tensors that have one another's place, where the layer, run so, is as little finite as Keras's output is."""
    ours, theirs = evidence.configs
    with np.errstate(all="ignore"):
        found, made = exchanged(ours, theirs), run(theirs, evidence.inputs)
    if found is None or made is None or made.shape != evidence.keras.shape:
        return None
    finite = np.isfinite(made)
    if not np.array_equal(finite, np.isfinite(evidence.keras)):
        return None
    left = evidence.left(np.where(finite, made, 0.0), np.where(finite, evidence.keras, 0.0))
    told = f"{np.count_nonzero(~finite)} numbers of the output are then NaN or infinity, as they are in Keras"
    return Cause(found[0], evidence.path, f"{found[1]}: {told}") if left <= STRUCTURE_LINE else None


def _not_finite(evidence: Evidence) -> str:
    """Where the first number that is none stands: in a weight, in the input, or made by the layer itself."""
    for side, config in zip(("torch", "Keras"), evidence.configs, strict=True):
        for name, weight in config.weights.items():
            bad = np.argwhere(~np.isfinite(weight))
            if len(bad):
                return f"{side}'s {name} has {len(bad)} such numbers of {weight.size}, the first at {bad[0].tolist()}"
    for x in evidence.inputs:
        if not np.isfinite(x).all():
            return f"the input of the layer has {np.count_nonzero(~np.isfinite(x))} such numbers of {x.size}"
    counts = [np.count_nonzero(~np.isfinite(out)) for out in (evidence.torch, evidence.keras)]
    return f"weights and input are finite; the output has {counts[0]} such numbers in torch and {counts[1]} in Keras"


def _unexplained(evidence: Evidence) -> str:
    found = difference(evidence.keras, evidence.torch)
    if evidence.keras.shape != evidence.torch.shape:
        shapes = f"{list(evidence.torch.shape)} in torch and {list(evidence.keras.shape)} in Keras"
        return f"the shapes are {shapes} (N, C, ...); nothing tried explains it"
    wrong = np.abs(evidence.keras - evidence.torch) > STRUCTURE_LINE * found.scale
    axes = [axis for axis in range(wrong.ndim) if axis != 1]
    by_channel = wrong.any(tuple(axes)) if wrong.ndim > 1 else wrong.reshape(-1)  # one number a sample, or in all
    hit, of = np.flatnonzero(by_channel), "channels" if wrong.ndim > 1 else "samples"
    channels = "all" if len(hit) == by_channel.size else f"{len(hit)} of {by_channel.size} ({_few(hit)})"
    values = f"{evidence.torch[found.where]:.6g} in torch, {evidence.keras[found.where]:.6g} in Keras"
    return (
        f"nothing tried closes the gap of {found.error:.1e}; {wrong.mean():.1%} of the numbers differ, in {of} "
        f"{channels}, most at {list(found.where or ())}: {values}"
    )


def _few(hit: Array) -> str:
    return ", ".join(map(str, hit[:6])) + (", ..." if len(hit) > 6 else "")


def _narrow_types(evidence: Evidence) -> Cause | None:
    """Whether Keras's layer needs JAX's 64-bit types, which its process has off: with them its error is gone."""
    if evidence.low is None or evidence.wide is None:
        return None
    before, after = (difference(low, evidence.keras).rms for low in (evidence.low[1], evidence.wide))
    if not after * CLOSES <= (before if np.isfinite(before) else np.inf):
        return None
    broken = np.count_nonzero(~np.isfinite(evidence.low[1]))
    found = f"gives {broken} NaN or infinity of {evidence.keras.size}" if broken else f"errs by {before:.1e}"
    told = f"while JAX's 64-bit types (jax_enable_x64) are off Keras {found}, and with them it errs by {after:.1e}"
    return Cause("64-bit types missing", evidence.path, told)
