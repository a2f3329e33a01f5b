"""Operations that Keras on TensorFlow does not compute in float64, though their tensors are, with exact equivalents.

TensorFlow keeps LeakyReLU's slope and GELU's constants in float32 (errors of 2e-9), resizes images in float32 (1e-7),
and has no float64 kernel of a 3-D pool, nor of what works channels first, on a CPU. In the float64 run these stand in;
each is a sum of what Keras does exactly, differentiable, and takes `keras.ops` and the arguments of the backend's
function that it replaces. None: nothing to replace. NotImplemented: it is computed in float32, and nothing stands in.
"""

import inspect
import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from .kind import Exact


def _leaky_relu(ops: Any, x: Any, negative_slope: float = 0.2) -> Any:
    return ops.where(x > 0, x, x * negative_slope)


def _gelu(ops: Any, x: Any, approximate: bool = True) -> Any:
    if approximate:
        return 0.5 * x * (1 + ops.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    return 0.5 * x * (1 + ops.erf(x / math.sqrt(2)))


def _max_pool(
    ops: Any, inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: str | None = None
) -> Any:
    if len(inputs.shape) != 5 or data_format == "channels_first":
        return None
    result = None
    for window in _windows(ops, inputs, pool_size, strides, padding, float("-inf")):
        result = window if result is None else ops.maximum(result, window)
    return result


def _average_pool(
    ops: Any, inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: str | None = None
) -> Any:
    if len(inputs.shape) != 5 or data_format == "channels_first":
        return None
    total = sum(_windows(ops, inputs, pool_size, strides, padding, 0.0))
    counts = sum(_windows(ops, ops.ones_like(inputs), pool_size, strides, padding, 0.0))
    return total / counts  # the padding does not count


def _adaptive(reduce: str) -> Callable[..., Any]:
    """Each output number of the inputs between its two bounds, axis by axis; of images with three axes alone."""

    def run(ops: Any, inputs: Any, output_size: Any, data_format: str | None = None) -> Any:
        if len(inputs.shape) != 5:
            return None
        first = 2 if data_format == "channels_first" else 1
        sizes = (output_size,) * 3 if isinstance(output_size, int) else tuple(output_size)
        for axis, size in enumerate(sizes, first):
            length = inputs.shape[axis]
            bounds = [(i * length // size, -(-(i + 1) * length // size)) for i in range(size)]
            parts = [ops.take(inputs, np.arange(*ends), axis=axis) for ends in bounds]
            inputs = ops.concatenate([getattr(ops, reduce)(part, axis=axis, keepdims=True) for part in parts], axis)
        return inputs

    return run


def _windows(ops: Any, x: Any, size: Any, strides: Any, padding: str, value: float) -> Any:
    """The input shifted by every offset in the pool, one (N, ..., C) array after another."""
    size = (size,) * 3 if isinstance(size, int) else tuple(size)
    strides = size if strides is None else (strides,) * 3 if isinstance(strides, int) else tuple(strides)
    if padding.lower() == "same":
        totals = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(x.shape[1:-1], size, strides, strict=True)]
        x = ops.pad(x, [(0, 0), *((t // 2, t - t // 2) for t in totals), (0, 0)], constant_values=value)
    ends = [n - k + 1 for n, k in zip(x.shape[1:-1], size, strict=True)]
    for offset in product(*map(range, size)):
        picked = (slice(o, o + end, s) for o, end, s in zip(offset, ends, strides, strict=True))
        yield x[(slice(None), *picked)]


def _resize(ops: Any, images: Any, size: Any, interpolation: str = "bilinear", **settings: Any) -> Any:
    if interpolation == "nearest":
        return None
    plain = not any(settings.get(name) for name in ("crop_to_aspect_ratio", "pad_to_aspect_ratio"))
    if interpolation not in KERNELS or not plain or settings.get("data_format") == "channels_first":
        return NotImplemented
    smooth = bool(settings.get("antialias"))
    rows, columns = (
        _weights(old, int(new), KERNELS[interpolation], smooth)
        for old, new in zip(images.shape[-3:-1], size, strict=True)
    )
    halfway = ops.einsum("ij,...jkc->...ikc", ops.convert_to_tensor(rows, dtype=images.dtype), images)
    return ops.einsum("lk,...ikc->...ilc", ops.convert_to_tensor(columns, dtype=images.dtype), halfway)


def _weights(old: int, new: int, kernel: Callable[[Any], Any], smooth: bool) -> Any:
    """(new, old) weights of interpolation between half-pixel centres; smooth: by a filter as wide as a new pixel."""
    centres, pixels = (np.arange(new) + 0.5) * old / new, np.arange(old) + 0.5
    if not smooth:
        centres = np.clip(centres, 0.5, old - 0.5) if kernel is _linear else centres
    distances = (pixels - centres[:, None]) / (max(old / new, 1.0) if smooth else 1.0)
    weights = kernel(np.abs(distances))
    return weights / weights.sum(1, keepdims=True)


def _linear(x: Any) -> Any:
    return np.maximum(1 - x, 0)


def _cubic(x: Any) -> Any:
    """Keys 1981, "Cubic convolution interpolation for digital image processing", equation 15."""
    return np.where(x <= 1, (1.5 * x - 2.5) * x * x + 1, np.where(x < 2, ((-0.5 * x + 2.5) * x - 4) * x + 2, 0))


KERNELS = {"bilinear": _linear, "bicubic": _cubic}


def _as_last(name: str, other: Any = None) -> Any:
    """An operation on (N, C, ...), done on (N, ..., C): of most there is no kernel of the former but in float32.

    other: what is done on (N, ..., C).
    """

    def run(ops: Any, *args: Any, **kwargs: Any) -> Any:
        operation = getattr(ops, name)
        given = inspect.signature(operation).bind(*args, **kwargs).arguments
        if given.pop("data_format", None) != "channels_first":
            return None if other is None else other(ops, *args, **kwargs)
        last = operation(ops.moveaxis(given.pop("inputs"), 1, -1), data_format="channels_last", **given)
        return ops.moveaxis(last, -1, 1)

    return run


NO_POOL = "has no float64 kernel of a 3-D or channels-first pool"
LEAKY_RELU = Exact("nn.leaky_relu", _leaky_relu, "rounds the slope to float32")
GELU = Exact("nn.gelu", _gelu, "rounds its constants to float32")
MAX_POOL = Exact("nn.max_pool", _as_last("max_pool", _max_pool), NO_POOL)
AVERAGE_POOL = Exact("nn.average_pool", _as_last("average_pool", _average_pool), NO_POOL)
ADAPTIVE_MAX_POOL = Exact("nn.adaptive_max_pool", _adaptive("max"), NO_POOL)
ADAPTIVE_AVERAGE_POOL = Exact("nn.adaptive_average_pool", _adaptive("mean"), NO_POOL)
RESIZE = Exact("image.resize", _resize, "interpolates in float32")
# Operations of layers, which are no steps by themselves.
WITHIN = tuple(
    Exact(f"nn.{name}", _as_last(name), "has no float64 kernel of a channels-first convolution")
    for name in ("conv", "depthwise_conv", "separable_conv", "conv_transpose")
)
