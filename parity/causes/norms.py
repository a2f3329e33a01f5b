"""What people get wrong in a batch norm: its statistics, scale and shift, epsilon and momentum."""

import numpy as np

from parity.models.arrays import Array
from parity.verdict.difference import difference

from . import reference as ref
from .cause import Cause
from .evidence import Changes, Config, Evidence


def momentum_cause(path: str, torch: float, keras: float, running: Array, x: Array) -> Cause:
    """A momentum that differs, proven on the running mean that one training step on x (N, C, ...) would leave."""
    batch, _ = ref.batch_statistics(x)
    after = [(1 - m) * running + m * batch for m in (torch, keras)]
    gap = difference(after[1], after[0]).error
    what = f"one training step would leave running means {gap:.1e} apart with {torch:g} in torch and {keras:g} in Keras"
    return Cause("BN momentum", path, f"{what}, and 0 apart with the same")


def norm_changes(evidence: Evidence, config: Config) -> Changes:
    weights, x = config.weights, evidence.inputs[0]
    mean, variance = ref.batch_statistics(x)
    yield (
        "BN train/eval mode",
        {"running_mean": mean, "running_var": variance},
        "normalises with the batch's own statistics",
    )
    swapped = {"running_mean": weights["running_var"], "running_var": np.abs(weights["running_mean"])}
    yield "mean and variance swapped", swapped, "takes the running mean for the variance (its magnitude) and back"
    swapped = {"running_mean": weights["running_var"], "running_var": weights["running_mean"]}
    yield "mean and variance swapped", swapped, "takes the running mean for the variance and back"
    if "weight" in weights and "bias" in weights:
        yield (
            "gamma and beta swapped",
            {"weight": weights["bias"], "bias": weights["weight"]},
            "takes gamma for beta and back",
        )
    for eps in (1e-3, 1e-5, 1.001e-5, 1e-6, 1e-8, 0.0):
        yield "BN eps", {"eps": eps}, f"uses an epsilon of {eps}"
    n = x.size // x.shape[1]
    yield "biased variance", {"running_var": weights["running_var"] * (n - 1) / n}, "uses the biased variance"
