"""What people get wrong in a batch norm, a row a cause: statistics, scale and shift, epsilon -> the changes to try."""

import numpy as np

from parity.models.arrays import Array
from parity.models.kinds.formulas import batch_statistics
from parity.verdict.cause import Cause
from parity.verdict.difference import difference

from .evidence import Changes, Config, Evidence, Row

EPSILONS = (1e-3, 1e-5, 1.001e-5, 1e-6, 1e-8, 0.0)


def momentum_cause(path: str, torch: float, keras: float, running: Array, x: Array) -> Cause:
    """A momentum that differs, proven on the running mean that one training step on x (N, C, ...) would leave."""
    batch, _ = batch_statistics(x)
    after = [(1 - m) * running + m * batch for m in (torch, keras)]
    gap = difference(after[1], after[0]).error
    what = f"one training step would leave running means {gap:.1e} apart with {torch:g} in torch and {keras:g} in Keras"
    return Cause("BN momentum", path, f"{what}, and 0 apart with the same")


def _of_batches(config: Config) -> bool:
    return config.kind.normalises == "batch" and "running_mean" in config.weights


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


NORMS = (
    Row("BN train/eval mode", _of_batches, _of_this_batch),
    Row("mean and variance swapped", _of_batches, _statistics_swapped),
    Row("gamma and beta swapped", _of_batches, _scale_swapped),
    Row("BN eps", _of_batches, _other_epsilon),
    Row("biased variance", _of_batches, _biased),
)
