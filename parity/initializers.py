"""What a layer's kernel is drawn from when it is made: compared as data, told, and never a mismatch.

Copied weights hide it, and no run shows it, but training starts from it. Keras's layer says what it will draw; torch's
says nothing, so of a model that has not been trained the standard deviation of what it has drawn is taken.
"""

import math
from typing import Any

from .paths import Found

MOST_SIGMA = 6.0  # of the sampling error of a standard deviation, 1 / sqrt(2 n)
TRUNCATED = 0.87962566103423978  # the standard deviation of a normal cut at two of its own
FEWEST = 32  # numbers in a kernel of which a standard deviation says something


def torch_initial(found: Found) -> dict[str, Any] | None:
    """The standard deviation of a torch layer's kernel, and of how many numbers; None for small ones."""
    weight = getattr(found.layer, "weight", None)
    if weight is None or weight.ndim < 2 or weight.numel() < FEWEST:
        return None
    return {"std": float(weight.detach().double().std()), "count": weight.numel()}


def is_fresh(found: list[Found]) -> bool:
    """Whether a torch model's batch norms have seen no batch; without one, nobody can tell, and it is not."""
    norms = [entry.layer for entry in found if entry.kind.name == "batch_norm" and entry.layer.running_mean is not None]
    return bool(norms) and not any(bool(norm.running_mean.any()) for norm in norms)


def keras_initial(found: Found) -> dict[str, Any] | None:
    """What a Keras layer's kernel initializer draws: its standard deviation and its name; None for one not known."""
    layer = getattr(found.layer, "owner", found.layer)
    names = [name for torch, name, _ in found.kind.weights if torch == "weight"]
    for name in names:
        kernel = getattr(layer, name, None)
        initializer = getattr(layer, f"{name.removesuffix('_kernel')}_initializer", None)
        if kernel is not None and initializer is not None and len(kernel.shape) > 1:
            std = _std(initializer, tuple(kernel.shape))
            return None if std is None else {"std": std, "initializer": type(initializer).__name__}
    return None


def _std(initializer: Any, shape: tuple[int, ...]) -> float | None:
    """The standard deviation of an initializer's numbers, by the class of its family."""
    families = {cls.__name__ for cls in type(initializer).__mro__}
    if "VarianceScaling" in families:
        return math.sqrt(initializer.scale / _fan(shape, initializer.mode))
    if "RandomUniform" in families:
        return float((initializer.maxval - initializer.minval) / math.sqrt(12))
    if "TruncatedNormal" in families:
        return float(initializer.stddev * TRUNCATED)
    if "RandomNormal" in families:
        return float(initializer.stddev)
    if "Orthogonal" in families:
        return float(initializer.gain / math.sqrt(max(math.prod(shape[:-1]), shape[-1])))
    return 0.0 if families & {"Zeros", "Ones", "Constant"} else None


def _fan(shape: tuple[int, ...], mode: str) -> float:
    """He et al. 2015 (a), section 2.2: (..., in, out) in Keras's layout."""
    field = math.prod(shape[:-2])
    fans = field * shape[-2], field * shape[-1]
    return max(1.0, {"fan_in": fans[0], "fan_out": fans[1], "fan_avg": sum(fans) / 2}[mode])


def same_initial(torch: Any, keras: Any) -> bool:
    """Whether both may be of one distribution's scale; if either is not known, nothing is said."""
    if not torch or not keras:
        return True
    if keras["std"] == 0.0:
        return bool(torch["std"] == 0.0)
    return bool(abs(torch["std"] / keras["std"] - 1) <= MOST_SIGMA / math.sqrt(2 * torch["count"]))
