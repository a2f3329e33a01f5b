"""A weight that the other side's layer has no place for -> the layer's other weights, which do the same without it.

Each is exact for the numbers that it is given: batch norm in evaluation mode is (x - mean) * scale / sqrt(variance +
eps) + bias on every channel, an affine map in which mean and bias, and variance and scale, say the same twice. None:
there are no such weights.
"""

import numpy as np

from .kind import Static, Weights


def second_bias(weights: Weights, static: Static, name: str) -> Weights | None:
    """Without the second of two biases that are added to one another."""
    first = weights.get("bias_ih")
    if name != "bias_hh" or first is None:
        return None
    return {"bias_ih": first.astype(np.float64) + weights[name]}


def batch_norm(weights: Weights, static: Static, name: str) -> Weights | None:
    """Without its bias, or without its scale."""
    known = {key: array.astype(np.float64) for key, array in weights.items()}
    deviation = np.sqrt(known["running_var"] + static["eps"])
    scale = known.get("weight", np.ones_like(deviation))
    rest = {key: array for key, array in known.items() if key != name}
    if name == "bias" and (scale != 0).all():
        return rest | {"running_mean": known["running_mean"] - known["bias"] * deviation / scale}
    variance = (deviation / np.where(scale > 0, scale, 1.0)) ** 2 - static["eps"]
    if name == "weight" and (scale > 0).all() and (variance >= 0).all():
        return rest | {"running_var": variance}
    return None
