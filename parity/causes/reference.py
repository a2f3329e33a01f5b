"""What each kind of layer computes, in plain NumPy float64: the ground on which a hypothesis about a fault is tried.

Arrays are (N, C, ...) with any number of spatial axes, kernels (out, in / groups, ...): torch's layout. Written for
clarity, not speed; one layer at a time is run here, and only after a check has failed.
"""

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np

from parity.models.arrays import Array

from . import reference as ref
from .evidence import Config, Static, Weights

Pads = Sequence[tuple[int, int]]


def pad(x: Array, pads: Pads, value: float = 0.0) -> Array:
    """Pad the spatial axes by (before, after) pixels each; a negative number cuts."""
    cut = tuple(slice(max(0, -before), x.shape[i + 2] - max(0, -after)) for i, (before, after) in enumerate(pads))
    widths = [(0, 0), (0, 0), *((max(0, before), max(0, after)) for before, after in pads)]
    return np.pad(x[(slice(None), slice(None), *cut)], widths, constant_values=value)


def same_pads(size: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Pads:
    """TensorFlow's "same": ceil(size / stride) outputs, the odd pixel at the end."""
    pads = []
    for n, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        pads.append((total // 2, total - total // 2))
    return pads


def windows(x: Array, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Array:
    """All windows of x: (N, C, *output, *kernel), a view."""
    axes = tuple(range(2, x.ndim))
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    every = np.lib.stride_tricks.sliding_window_view(x, reach, axis=axes)
    steps = tuple(slice(None, None, s) for s in stride)
    holes = tuple(slice(None, None, d) for d in dilation)
    return np.asarray(every[(slice(None), slice(None), *steps, *holes)])


def conv(x: Array, kernel: Array, bias: Array | None, stride: Any, pads: Pads, dilation: Any, groups: int = 1) -> Array:
    """A (grouped) convolution of (N, C, ...) by (out, C / groups, ...)."""
    rank = x.ndim - 2
    cut = windows(pad(x, pads), kernel.shape[2:], stride, dilation)
    spatial = [1, *range(2 + rank, 2 + 2 * rank)]
    parts = [
        np.tensordot(part, weights, axes=(spatial, [1, *range(2, 2 + rank)]))
        for part, weights in zip(np.split(cut, groups, 1), np.split(kernel, groups, 0), strict=True)
    ]
    out = np.moveaxis(np.concatenate(parts, -1), -1, 1)
    return out if bias is None else out + channels(bias, out)


def channels(values: Array, x: Array) -> Array:
    """Per-channel values in a shape that broadcasts over (N, C, ...)."""
    return values.reshape(1, -1, *[1] * (x.ndim - 2))


def batch_norm(x: Array, gamma: Array, beta: Array, mean: Array, variance: Array, eps: float) -> Array:
    """Ioffe and Szegedy 2015, algorithm 2, with the statistics given."""
    scale = gamma / np.sqrt(variance + eps)
    return (x - channels(mean, x)) * channels(scale, x) + channels(beta, x)


def batch_statistics(x: Array) -> tuple[Array, Array]:
    """Mean and biased variance of every channel."""
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    return x.mean(axes), x.var(axes)


def pool(x: Array, reduce: Callable[..., Array], kernel: Any, stride: Any, pads: Pads, value: float) -> Array:
    """A pool over windows; `value` is what the padding holds."""
    cut = windows(pad(x, pads, value), kernel, stride, [1] * len(kernel))
    return reduce(cut, axis=tuple(range(x.ndim, 2 * x.ndim - 2)))


def softmax(x: Array) -> Array:
    """Over the channels."""
    powers = np.exp(x - x.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def _gelu(x: Array) -> Array:
    return np.asarray(x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2))))


def sigmoid(x: Array) -> Array:
    """Written so that it does not overflow."""
    return np.asarray(np.exp(-np.logaddexp(0, -x)))


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "softmax": softmax,
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "silu": lambda x: x * sigmoid(x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "gelu": _gelu,
    "log_softmax": lambda x: np.log(softmax(x)),
}


def rounded(x: Array, dtype: str) -> Array:
    """x rounded to the mantissa of TF32, bfloat16 or float16 and back to float64."""
    if dtype == "float16":
        return x.astype(np.float16).astype(np.float64)
    drop = {"tf32": 13, "bfloat16": 16}[dtype]
    bits = x.astype(np.float32).view(np.uint32).astype(np.uint64)
    bits = (
        (bits + (1 << (drop - 1)) - 1 + ((bits >> np.uint64(drop)) & np.uint64(1)))
        >> np.uint64(drop)
        << np.uint64(drop)
    )
    return bits.astype(np.uint32).view(np.float32).astype(np.float64)


def all_pads(total: Sequence[int]) -> list[Pads]:
    """Every way to split a number of padding pixels per axis into before and after."""
    return [list(choice) for choice in product(*([(b, t - b) for b in range(t + 1)] for t in total))]


def factor(ours: Array, theirs: Array) -> float | None:
    """By how much `ours` must be multiplied to come nearest to `theirs`; None where that says nothing."""
    a, b = ours.reshape(-1), theirs.reshape(-1)
    square = float(np.dot(a, a))
    return float(np.dot(a, b)) / square if a.size == b.size > 1 and 0 < square < np.inf else None


def run(config: Config, inputs: tuple[Array, ...], **changes: Any) -> Array | None:
    """The layer's output from its data alone, with `changes` to its weights or settings; None for other kinds."""
    runner = RUNNERS.get(config.kind)
    if runner is None or not inputs:
        return None
    weights = config.weights | {k: v for k, v in changes.items() if k in WEIGHT_NAMES}
    static = config.static | {k: v for k, v in changes.items() if k not in WEIGHT_NAMES}
    try:
        return runner(inputs[0], {k: v for k, v in weights.items() if v is not None}, static)
    except (ValueError, KeyError):  # the change does not fit this layer: no prediction
        return None


WEIGHT_NAMES = {"weight", "bias", "running_mean", "running_var"}


def _pads(x: Array, static: Static) -> ref.Pads:
    if static["padding"] == "same":
        dilation = static.get("dilation", [1] * (x.ndim - 2))
        return ref.same_pads(x.shape[2:], static["kernel_size"], static["stride"], dilation)
    return [tuple(p) if isinstance(p, tuple | list) else (p, p) for p in static["padding"]]


def _run_conv(x: Array, weights: Weights, static: Static) -> Array:
    groups = x.shape[1] // weights["weight"].shape[1]
    pads = _pads(x, static)
    return ref.conv(x, weights["weight"], weights.get("bias"), static["stride"], pads, static["dilation"], groups)


def _run_norm(x: Array, weights: Weights, static: Static) -> Array:
    names = ("weight", "bias", "running_mean", "running_var")
    neutral = {"weight": np.ones(x.shape[1]), "bias": np.zeros(x.shape[1])}
    gamma, beta, mean, variance = ((neutral | weights)[name] for name in names)
    return ref.batch_norm(x, gamma, beta, mean, variance, static["eps"])


def _run_dense(x: Array, weights: Weights, static: Static) -> Array:
    out = x @ weights["weight"].T
    return out + weights["bias"] if "bias" in weights else out


def _run_leaky_relu(x: Array, weights: Weights, static: Static) -> Array:
    return np.where(x > 0, x, static["slope"] * x)


def _run_max_pool(x: Array, weights: Weights, static: Static) -> Array:
    value = static.get("pad_value", -np.inf)
    return ref.pool(x, np.max, static["kernel_size"], static["stride"], _pads(x, static), value)


def _run_avg_pool(x: Array, weights: Weights, static: Static) -> Array:
    return ref.pool(x, np.mean, static["kernel_size"], static["stride"], _pads(x, static), 0.0)


RUNNERS: dict[str, Callable[[Array, Weights, Static], Array]] = {
    "conv": _run_conv,
    "batch_norm": _run_norm,
    "dense": _run_dense,
    "max_pool": _run_max_pool,
    "avg_pool": _run_avg_pool,
    "leaky_relu": _run_leaky_relu,
}
