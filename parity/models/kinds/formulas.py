"""What kinds of layers compute, in plain NumPy float64: an input, weights and settings -> the output.

Arrays are (N, C, ...) with any number of spatial axes, kernels (out, in / groups, ...): torch's layout. Written for
clarity, not speed; one layer at a time is run here, and only after a check has failed. A formula raises KeyError where
a weight or a setting that it needs is not given, and ValueError where one does not fit.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from parity.models.arrays import Array

from .kind import Formula, Static, Weights

Pads = Sequence[tuple[int, int]]


MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap", "symmetric": "symmetric"}  # NumPy's names


def pad(x: Array, pads: Pads, value: float = 0.0, mode: str = "constant") -> Array:
    """Pad the spatial axes by (before, after) pixels each; a negative number cuts. mode: torch's name of it."""
    cut = tuple(slice(max(0, -before), x.shape[i + 2] - max(0, -after)) for i, (before, after) in enumerate(pads))
    widths = [(0, 0), (0, 0), *((max(0, before), max(0, after)) for before, after in pads)]
    if mode in MODES:
        filled: Array = np.pad(x[(slice(None), slice(None), *cut)], widths, MODES[mode])  # type: ignore[call-overload]
        return filled
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


def channels(values: Array, x: Array, axis: int = 1) -> Array:
    """Per-channel values in a shape that broadcasts over (N, C, ...), or over an x that has its channels elsewhere."""
    return values.reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])


def _pads(x: Array, static: Static) -> Pads:
    if static["padding"] == "same":
        dilation = static.get("dilation", [1] * (x.ndim - 2))
        return same_pads(x.shape[2:], static["kernel_size"], static["stride"], dilation)
    return [tuple(p) if isinstance(p, tuple | list) else (p, p) for p in static["padding"]]


def mode_of(static: Static) -> str:
    """What pads, as a convolution states it; torch calls a constant of zeros "zeros"."""
    mode = str(static.get("padding_mode", "constant"))
    return "constant" if mode == "zeros" else mode


def convolution(x: Array, weights: Weights, static: Static) -> Array:
    """A (grouped) convolution of (N, C, ...) by (out, C / groups, ...).

    static: also "padding_mode", torch's; "bias_axis", along which the bias is added.
    """
    kernel, bias, rank = weights["weight"], weights.get("bias"), x.ndim - 2
    groups = x.shape[1] // kernel.shape[1]
    padded = pad(x, _pads(x, static), mode=mode_of(static))
    cut = windows(padded, kernel.shape[2:], static["stride"], static["dilation"])
    spatial = [1, *range(2 + rank, 2 + 2 * rank)]
    parts = [
        np.tensordot(part, own, axes=(spatial, [1, *range(2, 2 + rank)]))
        for part, own in zip(np.split(cut, groups, 1), np.split(kernel, groups, 0), strict=True)
    ]
    out = np.moveaxis(np.concatenate(parts, -1), -1, 1)
    return out if bias is None else out + channels(bias, out, static.get("bias_axis", 1))


def transposed_convolution(x: Array, weights: Weights, static: Static) -> Array:
    """A transposed convolution of (N, C, ...) by (C, out, ...), one group; cut by "transposed_padding".

    Every number of x adds the kernel times itself to the output, `stride` apart; then (before, after) are cut off on
    each axis. A negative number adds zeros.
    """
    kernel, bias = weights["weight"], weights.get("bias")
    if kernel.shape[0] != x.shape[1]:
        raise ValueError(f"a kernel for {kernel.shape[0]} channels and an input of {x.shape[1]}")
    stride, dilation, size = static["stride"], static["dilation"], kernel.shape[2:]
    reach = [s * (n - 1) + d * (k - 1) + 1 for n, s, d, k in zip(x.shape[2:], stride, dilation, size, strict=True)]
    out = np.zeros((len(x), kernel.shape[1], *reach))
    for at in np.ndindex(*size):
        product = np.moveaxis(np.tensordot(x, kernel[(slice(None), slice(None), *at)], axes=(1, 0)), -1, 1)
        steps = zip(at, dilation, stride, x.shape[2:], strict=True)
        out[(slice(None), slice(None), *(slice(i * d, i * d + s * (n - 1) + 1, s) for i, d, s, n in steps))] += product
    out = pad(out, [(-before, -after) for before, after in static["transposed_padding"]])
    return out if bias is None else out + channels(bias, out, static.get("bias_axis", 1))


def dense(x: Array, weights: Weights, static: Static) -> Array:
    """(N, ..., in) by (out, in)."""
    out = x @ weights["weight"].T
    return out + weights["bias"] if "bias" in weights else out


def normalised(x: Array, gamma: Array, beta: Array, mean: Array, variance: Array, eps: float) -> Array:
    """Ioffe and Szegedy 2015, algorithm 2, with the statistics given."""
    scale = gamma / np.sqrt(variance + eps)
    return (x - channels(mean, x)) * channels(scale, x) + channels(beta, x)


def batch_statistics(x: Array) -> tuple[Array, Array]:
    """Mean and biased variance of every channel."""
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    return x.mean(axes), x.var(axes)


def batch_norm(x: Array, weights: Weights, static: Static) -> Array:
    """In evaluation mode: with the running statistics."""
    names = ("weight", "bias", "running_mean", "running_var")
    neutral = {"weight": np.ones(x.shape[1]), "bias": np.zeros(x.shape[1])}
    gamma, beta, mean, variance = ((neutral | weights)[name] for name in names)
    return normalised(x, gamma, beta, mean, variance, static["eps"])


def group_norm(x: Array, weights: Weights, static: Static) -> Array:
    """Wu and He 2018. static: also "unbiased", to divide by the variance of n - 1."""
    view = x.reshape(len(x), int(static["norm_groups"]), -1)
    out = _standard(view, (2,), static).reshape(x.shape)
    gamma, beta = weights.get("weight", np.ones(x.shape[1])), weights.get("bias", np.zeros(x.shape[1]))
    return out * channels(gamma, x) + channels(beta, x)


def layer_norm(x: Array, weights: Weights, static: Static) -> Array:
    """Ba et al. 2016, over the axes that its weight has."""
    gamma = weights["weight"]
    out = _standard(x, tuple(range(-gamma.ndim, 0)), static)
    return out * gamma + weights.get("bias", np.zeros(()))


def rms_norm(x: Array, weights: Weights, static: Static) -> Array:
    """Zhang and Sennrich 2019, over the axes that its weight has, or the last."""
    gamma = weights.get("weight", np.ones(x.shape[-1]))
    square = np.square(x).mean(tuple(range(-gamma.ndim, 0)), keepdims=True)
    return np.asarray(x / np.sqrt(square + static["eps"]) * gamma)


def _standard(x: Array, axes: tuple[int, ...], static: Static) -> Array:
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    count = x.size // mean.size
    if static.get("unbiased"):
        variance = variance * count / max(1, count - 1)
    return np.asarray((x - mean) / np.sqrt(variance + static["eps"]))


def pool(reduce: Callable[..., Array], value: float) -> Formula:
    """A pool over windows; `value` is what the padding holds, unless `pad_value` says otherwise."""

    def formula(x: Array, weights: Weights, static: Static) -> Array:
        kernel = static["kernel_size"]
        padded = pad(x, _pads(x, static), static.get("pad_value", value))
        cut = windows(padded, kernel, static["stride"], [1] * len(kernel))
        return reduce(cut, axis=tuple(range(x.ndim, 2 * x.ndim - 2)))

    return formula


def of_each(function: Callable[[Array], Any]) -> Formula:
    """Of a function of the input alone."""
    return lambda x, weights, static: np.asarray(function(x))


def softmax(x: Array) -> Array:
    """Over the channels; over all numbers where there is one a sample, or one in all."""
    axis = 1 if x.ndim > 1 else None
    powers = np.exp(x - x.max(axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis, keepdims=True))


def sigmoid(x: Array) -> Array:
    """Written so that it does not overflow."""
    return np.asarray(np.exp(-np.logaddexp(0, -x)))


def leaky_relu(x: Array, weights: Weights, static: Static) -> Array:
    return np.where(x > 0, x, static["slope"] * x)


def elu(x: Array, weights: Weights, static: Static) -> Array:
    return np.where(x > 0, x, static.get("alpha", 1.0) * np.expm1(np.minimum(x, 0)))


def gelu(x: Array, weights: Weights, static: Static) -> Array:
    """Hendrycks and Gimpel 2016: exact, or by the hyperbolic tangent."""
    if static.get("approximate", False):
        return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))
    return np.asarray(x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2))))
