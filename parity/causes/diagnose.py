"""A layer that differs -> the named cause, proven: the layer is run again under each hypothesis until the gap closes.

A hypothesis says what one side does otherwise ("the kernel is transposed") and predicts that side's output from the
other side's settings and weights. It holds if prediction and output agree as equal programs do (STRUCTURE_LINE). A
name is only given to a fault that this has reproduced; anything else is "unknown", with its numbers.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from parity.compare import STRUCTURE_LINE, Array, difference, structure_ok
from parity.report import Cause

from . import reference as ref
from .evidence import Config, Evidence
from .hypotheses import predictions, run
from .where import error_map


def diagnose(evidence: Evidence) -> Cause:
    """The cause of one step's fault: the first hypothesis that closes the gap, or "unknown"; and where the error is."""
    same = structure_ok(difference(evidence.keras, evidence.torch))
    return replace(_diagnose(evidence), where=None if same else error_map(evidence.torch, evidence.keras))


def _diagnose(evidence: Evidence) -> Cause:
    if not difference(evidence.keras, evidence.torch).finite:
        return Cause("NaN or infinity", evidence.path, _not_finite(evidence))
    if evidence.low is not None:
        broken = [np.count_nonzero(~np.isfinite(low)) for low in evidence.low]
        if any(broken):
            counts = f"{broken[0]} such numbers in torch and {broken[1]} in Keras of {evidence.torch.size}"
            what = f"float64 is finite; the run in the asked dtype has {counts}"
            return Cause("NaN or infinity", evidence.path, what)
        return _precision(evidence)
    with np.errstate(all="ignore"):  # a wrong hypothesis may well divide by zero
        for name, predicted, target, what in predictions(evidence):
            left = difference(predicted, target)
            if structure_ok(left):
                gap = "other shapes" if np.isinf(evidence.gap) else f"{evidence.gap:.1e}"
                return Cause(name, evidence.path, f"{what}: the gap closes from {gap} to {left.error:.1e}")
    return Cause("unknown", evidence.path, _unexplained(evidence))


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
    hit = np.flatnonzero(wrong.any(tuple(axes))) if wrong.ndim > 1 else np.flatnonzero(wrong)
    channels = (
        "all" if len(hit) == evidence.torch.shape[1] else f"{len(hit)} of {evidence.torch.shape[1]} ({_few(hit)})"
    )
    values = f"{evidence.torch[found.where]:.6g} in torch, {evidence.keras[found.where]:.6g} in Keras"
    return (
        f"nothing tried closes the gap of {found.error:.1e}; {wrong.mean():.1%} of the numbers differ, in channels "
        f"{channels}, most at {list(found.where or ())}: {values}"
    )


def _few(hit: Array) -> str:
    return ", ".join(map(str, hit[:6])) + (", ..." if len(hit) > 6 else "")


def _precision(evidence: Evidence) -> Cause:
    """Which reduced format explains the coarser side's error: the layer with rounded input, weights and output."""
    assert evidence.low is not None
    errors = [difference(low, out).rms for low, out in zip(evidence.low, (evidence.torch, evidence.keras), strict=True)]
    worse = int(errors[1] > errors[0])
    side, low, config = ("torch", "Keras")[worse], evidence.low[worse], evidence.configs[worse]
    left = {}
    for dtype in ("tf32", "bfloat16", "float16"):
        outputs = _in_dtype(config, evidence.inputs, dtype)
        left[dtype] = min((difference(low, out).rms for out in outputs), default=float("inf"))
    best = min(left, key=lambda dtype: left[dtype])
    found = f"{side} errs by {errors[worse]:.1e} where the other side errs by {errors[1 - worse]:.1e}"
    if left[best] <= errors[worse] / 3:
        return Cause(
            "reduced precision",
            evidence.path,
            f"{found}; computed on numbers rounded to {best}, {left[best]:.1e} of that is left",
        )
    return Cause("unknown", evidence.path, f"{found}, and no reduced format explains it")


def _in_dtype(config: Config, inputs: tuple[Array, ...], dtype: str) -> Iterator[Array]:
    """A layer's output from rounded numbers: itself not rounded, rounded, or rounded before its bias is added."""
    weights = {k: ref.rounded(v, dtype) for k, v in config.weights.items() if k in ("weight", "bias")}
    rounded = tuple(ref.rounded(x, dtype) for x in inputs)
    out = run(config, rounded, **weights)
    if out is None:
        return
    yield out
    yield ref.rounded(out, dtype)
    product = run(config, rounded, **weights | {"bias": None}) if "bias" in weights else None
    if product is not None:
        yield ref.rounded(product, dtype) + ref.channels(config.weights["bias"], product)


def dtype_cause(path: str, torch: str, keras: str, evidence: Evidence) -> Cause:
    """Two dtypes that differ: how far the coarser one's rounding moves the layer's output."""
    coarse, side = (keras, "Keras") if keras in COARSE else (torch, "torch")
    what = f"it computes in {torch} in torch and in {keras} in Keras"
    if coarse in COARSE:
        config = evidence.configs[0]
        weights = {name: ref.rounded(value, coarse) for name, value in config.weights.items()}
        out = run(config, tuple(ref.rounded(x, coarse) for x in evidence.inputs), **weights)
        if out is not None:
            moved = difference(ref.rounded(out, coarse), evidence.torch).error
            what += f"; rounded as {side} does, its input, weights and output move by {moved:.1e} of its scale"
    return Cause("reduced precision", path, what)


COARSE = ("bfloat16", "float16")


def momentum_cause(path: str, torch: float, keras: float, running: Array, x: Array) -> Cause:
    """A momentum that differs, proven on the running mean that one training step on x (N, C, ...) would leave."""
    batch, _ = ref.batch_statistics(x)
    after = [(1 - m) * running + m * batch for m in (torch, keras)]
    gap = difference(after[1], after[0]).error
    what = f"one training step would leave running means {gap:.1e} apart with {torch:g} in torch and {keras:g} in Keras"
    return Cause("BN momentum", path, f"{what}, and 0 apart with the same")
