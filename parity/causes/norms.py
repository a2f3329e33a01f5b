"""What people get wrong in a batch norm, a row a cause: statistics, scale and shift, epsilon -> the changes to try."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from parity.models.arrays import Array
from parity.models.kinds.formulas import batch_statistics, channels
from parity.verdict import rounding
from parity.verdict.cause import Cause
from parity.verdict.difference import difference
from parity.verdict.rounding import Norm

from .evidence import Changes, Config, Evidence, Guess, Row

EPSILONS = (1e-3, 1e-5, 1.001e-5, 1e-6, 1e-8, 0.0, 1e-2, 1e-4, 1e-7)
ONE_PASS = "one-pass variance"


def momentum_cause(path: str, torch: float, keras: float, running: Array, x: Array) -> Cause:
    """A momentum that differs, proven on the running mean that one training step on x (N, C, ...) would leave."""
    batch, _ = batch_statistics(x)
    after = [(1 - m) * running + m * batch for m in (torch, keras)]
    gap = difference(after[1], after[0]).error
    what = f"one training step would leave running means {gap:.1e} apart with {torch:g} in torch and {keras:g} in Keras"
    return Cause("BN momentum", path, f"{what}, and 0 apart with the same")


def _of_batches(config: Config) -> bool:
    return "eps" in config.static and config.kind.normalises == "batch" and "running_mean" in config.weights


def _of_this_batch(evidence: Evidence, config: Config) -> Changes:
    mean, variance = batch_statistics(evidence.inputs[0])
    yield {"running_mean": mean, "running_var": variance}, "normalises with the batch's own statistics"


def _statistics_swapped(evidence: Evidence, config: Config) -> Changes:
    mean, variance = config.weights["running_mean"], config.weights["running_var"]
    magnitude = {"running_mean": variance, "running_var": np.abs(mean)}
    yield magnitude, "takes the running mean for the variance (its magnitude) and back"
    yield {"running_mean": variance, "running_var": mean}, "takes the running mean for the variance and back"


def _scale_swapped(evidence: Evidence, config: Config) -> Changes:
    weights = config.weights
    if "weight" in weights and "bias" in weights:
        yield {"weight": weights["bias"], "bias": weights["weight"]}, "takes gamma for beta and back"


def _other_epsilon(evidence: Evidence, config: Config) -> Changes:
    for eps in EPSILONS:
        yield {"eps": eps}, f"uses an epsilon of {eps}"


def _biased(evidence: Evidence, config: Config) -> Changes:
    x = evidence.inputs[0]
    n = x.size // x.shape[1]
    yield {"running_var": config.weights["running_var"] * (n - 1) / n}, "uses the biased variance"


def _of_itself(config: Config) -> bool:
    """Whether a norm has no statistics but those of its input."""
    return "eps" in config.static and bool(config.kind.normalises) and not _of_batches(config)


def _unbiased(evidence: Evidence, config: Config) -> Changes:
    yield {"unbiased": True}, "divides by the unbiased variance"


NORMS = (
    Row("BN train/eval mode", _of_batches, _of_this_batch),
    Row("mean and variance swapped", _of_batches, _statistics_swapped),
    Row("gamma and beta swapped", _of_batches, _scale_swapped),
    Row("BN eps", _of_batches, _other_epsilon),
    Row("biased variance", _of_batches, _biased),
    Row("BN eps", _of_itself, _other_epsilon),
    Row("biased variance", _of_itself, _unbiased),
    Row("gamma and beta swapped", _of_itself, _scale_swapped),
)


def _normalised(x: Array, config: Config) -> Norm | None:
    """What a norm of its input's own statistics normalises; None where its axes are not known."""
    gamma, eps = config.weights.get("weight"), config.static["eps"]
    if config.kind.normalises == "batch":
        return rounding.batch_norm(x, gamma, eps)
    if config.kind.normalises == "groups":
        groups = int(config.static["norm_groups"])
        return rounding.group_norm(x, gamma, eps, groups) if x.ndim > 2 and x.shape[1] % groups == 0 else None
    return None if gamma is None else rounding.layer_norm(x, gamma, eps, gamma.ndim)


def one_pass_guesses(evidence: Evidence) -> Iterator[Guess]:
    """Keras's variances are what one pass makes of the input (see `one_pass`)."""
    config = evidence.configs[0]
    norm = _normalised(evidence.inputs[0], config) if evidence.inputs and _of_itself(config) else None
    found = None if norm is None else one_pass(norm, config.weights.get("bias"), evidence.torch, evidence.keras)
    if found is not None:
        yield ONE_PASS, found.output, found.told


def one_pass(norm: Norm, beta: Array | None, ours: Array, theirs: Array) -> "OnePass | None":
    """torch's output with Keras's variances, where these are off as a variance is that was summed in one pass.

    mean(x^2) - mean^2 takes the rounding of a sum of squares for a part of the variance: share(n) of mean(x^2), and
    twice that of the mean's square (Chan, Golub and LeVeque 1983). Keras's torch and NumPy backends compute it so.
    """
    if not ours.shape == theirs.shape == norm.x.shape:
        return None
    shift = np.zeros(()) if beta is None else beta if norm.x.ndim == beta.ndim + 1 else channels(beta, norm.x)
    one, other = ((side - shift).reshape(norm.view) for side in (ours, theirs))
    x, _, variance = norm.moments()
    square = (one * one).sum(norm.axes, keepdims=True)
    ratio = (one * other).sum(norm.axes, keepdims=True) / np.where(square > 0, square, 1.0)
    ratio = np.where(square > 0, ratio, 1.0)
    off = (variance + norm.eps) / np.where(ratio > 0, ratio, np.nan) ** 2 - norm.eps - variance
    may = 3 * rounding.share(norm.count) * np.square(x).mean(norm.axes, keepdims=True)
    by_chance = off.size == 1 or np.ptp(off) > 0.1 * np.abs(off).max()  # another epsilon moves all alike
    if not (np.abs(off) <= may).all() or not by_chance:
        return None
    far = float(np.max(np.abs(off) / np.maximum(variance, np.finfo(float).tiny)))
    large = float(np.max(np.square(x).mean(norm.axes, keepdims=True) / variance))
    told = (
        f"Keras's variances are off by up to {far:.1e} of themselves, as a sum in one pass is, mean(x^2) - mean^2, "
        f"which subtracts squares {large:.1e} times as large"
    )
    return OnePass((one * ratio).reshape(ours.shape) + shift, told)


class OnePass(NamedTuple):
    """output: torch's, with Keras's variances in place of its own. told: how far these are off."""

    output: Array
    told: str


def moved_twice(ratio: float, momentum: float) -> Iterator[tuple[str, str]]:
    """Running statistics that move `ratio` times as far in Keras as in torch: as by two passes, on one side.

    Two move them by 1 - (1 - m)^2 = m (2 - m).
    """
    for side, times in (("torch", 1 / ratio), ("Keras", ratio)):
        if np.isclose(times, 2 - momentum, rtol=1e-9):
            told = (
                f"{side}'s running statistics move {times:.6g} times as far, as by two passes of momentum {momentum:g}"
            )
            how = "its forward is run again for the backward pass (torch.utils.checkpoint, keras.RematScope)"
            yield "run twice", f"{told}: {how}, or the layer is called twice"
