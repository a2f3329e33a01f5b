"""The settings of a Keras layer in torch's terms, and what its weights were drawn from."""

import math
from typing import Any

from parity.models.kinds import function_of
from parity.models.layers import Found
from parity.models.settings import Getter, has_bias, listed, rank_of, same_padding

from .dtypes import real_dtype

TRUNCATED = 0.87962566103423978  # the standard deviation of a normal cut at two of its own


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


def keras_static(found: Found) -> dict[str, Any]:
    """The settings named by the layer's kind, read off a Keras layer, in torch's terms."""
    settings = {name: KERAS[name](found.layer) for name in found.kind.static}
    layer = getattr(found.layer, "owner", found.layer)
    return settings | {"dtype": real_dtype(layer.compute_dtype)} if found.kind.weights else settings


def _keras_padding(layer: Any) -> Any:
    kernel = _kernel(layer)
    pixels = getattr(layer, "pixels", 0)
    if layer.padding == "same" and not pixels:
        return same_padding(kernel, _strides(layer), listed(getattr(layer, "dilation_rate", 1), len(kernel)))
    if layer.padding == "causal":
        return [[layer.dilation_rate[0] * (kernel[0] - 1), 0]]
    return listed(pixels, len(kernel))


def _keras_transposed_padding(layer: Any) -> Any:
    kernel = _kernel(layer)
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, listed(layer.dilation_rate, len(kernel)), strict=True)]
    extra = layer.output_padding
    if extra is None:
        over = [r - s for r, s in zip(reach, _strides(layer), strict=True)]
        same = layer.padding == "same"
        return [[o // 2, o - o // 2] if same and o > 0 else [0, min(o, 0)] for o in over]
    if layer.padding == "valid":
        return [[0, -e] for e in listed(extra, len(kernel))]
    over = [2 * (r // 2) - e for r, e in zip(reach, listed(extra, len(kernel)), strict=True)]
    return [[o // 2, o - o // 2] for o in over]


def _kernel(layer: Any) -> list[int]:
    if hasattr(layer, "pool_size"):
        return listed(layer.pool_size, rank_of(layer))
    return list(layer.kernel_size)


def _strides(layer: Any) -> list[int]:
    return listed(layer.strides if hasattr(layer, "strides") else layer.stride, rank_of(layer))


def _keras_groups(layer: Any) -> int:
    """A depthwise convolution's groups are its input channels, kernel (..., in, multiplier)."""
    return int(layer.groups if isinstance(getattr(layer, "groups", None), int) else layer.kernel.shape[-2])


def _keras_interpolation(layer: Any) -> str:
    mode = getattr(layer, "interpolation", "nearest")
    return "linear" if mode == "bilinear" else str(mode)


def _keras_margins(layer: Any) -> list[list[int]]:
    padding = layer.padding if isinstance(layer.padding[0], tuple | list) else (layer.padding,)
    return [list(pair) for pair in padding]


def _keras_groups_normed(layer: Any) -> int:
    return int(layer.groups) if layer.groups != -1 else int(layer.gamma.shape[0])


def _of_function(name: str, attribute: str, default: Any) -> Getter:
    """A setting of a Keras activation, which may be a layer, or a function with or without arguments of its own."""

    def getter(layer: Any) -> Any:
        activation = getattr(layer, "activation", None)
        if activation is not None and not hasattr(activation, attribute):
            return function_of(activation)[1].get(name, default)
        return getattr(layer if activation is None else activation, attribute, default)

    return getter


def _number(getter: Getter) -> Getter:
    return lambda layer: float(getter(layer))


KERAS: dict[str, Getter] = {
    "kernel_size": _kernel,
    "stride": _strides,
    "padding": _keras_padding,
    "transposed_padding": _keras_transposed_padding,
    "margins": _keras_margins,
    "dilation": lambda layer: listed(layer.dilation_rate, len(_kernel(layer))),
    "groups": _keras_groups,
    "norm_groups": _keras_groups_normed,
    "bias": has_bias,
    "eps": lambda layer: layer.epsilon,
    "momentum": lambda layer: round(1 - layer.momentum, 12),  # 1 - 0.9 is not 0.1 in binary
    "interpolation": _keras_interpolation,
    "slope": _number(_of_function("negative_slope", "negative_slope", 0.2)),
    "alpha": _number(_of_function("alpha", "alpha", 1.0)),
    "approximate": _of_function("approximate", "approximate", False),
}
