"""The settings of layers: a layer of either framework -> what it states of a setting, in torch's terms.

Sizes are lists with a number for every spatial axis; padding is in pixels on both sides of an axis, or "same" where
TensorFlow's rule cannot be said so.
"""

from collections.abc import Callable
from typing import Any

from .kind import Setting

ABSENT = "absent"  # what a layer has no such setting for: it cannot differ

Getter = Callable[[Any], Any]


def rank_of(layer: Any) -> int:
    """The number of spatial axes: the digit in a class's name, `MaxPool3d`."""
    digits = (cls.__name__[-2] for cls in type(layer).__mro__ if cls.__name__[-2:-1].isdigit())
    return int(next(digits, 2))


def listed(value: Any, rank: int) -> list[Any]:
    return list(value) if isinstance(value, tuple | list) else [value] * rank


def same_padding(kernel: list[int], stride: list[int], dilation: list[int]) -> Any:
    """Padding "same" in pixels where that is one number a side; with a stride it depends on the input."""
    reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    if (set(stride) == {1} and all(r % 2 == 0 for r in reach)) or not any(reach):
        return [r // 2 for r in reach]
    return "same"


def function_of(activation: Any) -> tuple[str, dict[str, Any]]:
    """The name of an activation function, through functools.partial, and the arguments that this gives it."""
    arguments: dict[str, Any] = {}
    while hasattr(activation, "func"):
        arguments = activation.keywords | arguments
        activation = activation.func
    return getattr(activation, "__name__", type(activation).__name__.lower()), arguments


def _torch_list(name: str) -> Getter:
    return lambda layer: listed(getattr(layer, name), rank_of(layer))


def _torch_padding(layer: Any) -> Any:
    kernel, stride = listed(layer.kernel_size, rank_of(layer)), listed(layer.stride, rank_of(layer))
    if "Same" in type(layer).__name__ or layer.padding == "same":
        return same_padding(kernel, stride, listed(getattr(layer, "dilation", 1), len(kernel)))
    return [0] * len(kernel) if layer.padding == "valid" else listed(layer.padding, len(kernel))


def _pixels(layer: Any) -> list[Any]:
    """torch's padding, a number an axis, or a word in place of all."""
    return [layer.padding == "same"] if isinstance(layer.padding, str) else listed(layer.padding, 1)


def _torch_transposed_padding(layer: Any) -> Any:
    """(cut before, cut after) on every axis of a transposed convolution's full output."""
    return [[p, p - extra] for p, extra in zip(layer.padding, layer.output_padding, strict=True)]


def _torch_interpolation(layer: Any) -> str:
    mode = {"bilinear": "linear", "trilinear": "linear"}.get(layer.mode, layer.mode)
    return f"{mode}, corners aligned" if layer.align_corners else str(mode)


def _scales(factor: Any) -> list[float]:
    """By what a resize multiplies each axis; one number where all are alike."""
    factors = [float(each) for each in listed(factor, 1)]
    return factors[:1] if len(set(factors)) == 1 else factors


def _torch_margins(layer: Any) -> list[list[int]]:
    """(before, after) for every spatial axis; torch counts from the last."""
    padding = list(layer.padding)
    return [padding[i : i + 2] for i in range(len(padding) - 2, -1, -2)]


def _torch_eps(layer: Any) -> float:
    """None stands for the distance from 1 to the next number, in what a model computes in."""
    return 2.0**-23 if layer.eps is None else float(layer.eps)


def _torch_groups_normed(layer: Any) -> int:
    return int(layer.num_groups if hasattr(layer, "num_groups") else layer.num_features)


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


def _has_bias(layer: Any) -> bool:
    return getattr(layer, "bias", None) is not None


def _of_function(name: str, default: Any) -> Getter:
    """A setting of a Keras activation, which may be a layer, or a function with or without arguments of its own."""

    def getter(layer: Any) -> Any:
        activation = getattr(layer, "activation", None)
        if activation is not None and not hasattr(activation, name):
            return function_of(activation)[1].get(name, default)
        return getattr(layer if activation is None else activation, name, default)

    return getter


def _keras_function(name: str) -> Getter:
    """The name of a function that a recurrent layer, or its cell, is given."""
    return lambda layer: function_of(getattr(getattr(layer, "cell", layer), name))[0]


def _number(getter: Getter) -> Getter:
    return lambda layer: float(getter(layer))


KERNEL_SIZE = Setting("kernel_size", _torch_list("kernel_size"), _kernel)
STRIDE = Setting("stride", _torch_list("stride"), _strides)
PADDING = Setting("padding", _torch_padding, _keras_padding)
TRANSPOSED_PADDING = Setting("transposed_padding", _torch_transposed_padding, _keras_transposed_padding)
# Of a mean: whether its padding counts. Keras's never does.
COUNTED = Setting(
    "count_include_pad",
    lambda layer: layer.count_include_pad if any(listed(layer.padding, 1)) else ABSENT,
    lambda layer: False if layer.padding == "same" else ABSENT,
)
CEILED = Setting("ceil_mode", lambda layer: bool(layer.ceil_mode), lambda layer: False)
# Of a convolution: what it pads with, where it does.
PADDING_MODE = Setting(
    "padding_mode", lambda layer: layer.padding_mode if any(_pixels(layer)) else "zeros", lambda layer: "zeros"
)
MARGINS = Setting("margins", _torch_margins, _keras_margins)
DILATION = Setting("dilation", _torch_list("dilation"), lambda layer: listed(layer.dilation_rate, len(_kernel(layer))))
GROUPS = Setting("groups", lambda layer: layer.groups, _keras_groups)
# Keras's transposed convolutions have no groups.
TRANSPOSED_GROUPS = Setting("groups", lambda layer: layer.groups, lambda layer: int(getattr(layer, "groups", 1)))
NORM_GROUPS = Setting("norm_groups", _torch_groups_normed, _keras_groups_normed)
BIAS = Setting("bias", _has_bias, _has_bias)
EPS = Setting("eps", _torch_eps, lambda layer: layer.epsilon, by_effect=False)
MOMENTUM = Setting(
    "momentum",
    lambda layer: getattr(layer, "momentum", ABSENT),  # a frozen one has none
    lambda layer: round(1 - layer.momentum, 12),  # 1 - 0.9 is not 0.1 in binary
    by_effect=False,
)
# Ioffe 2017, "Batch Renormalization": the same in evaluation, trained otherwise.
RENORM = Setting("renorm", lambda layer: False, lambda layer: bool(getattr(layer, "renorm", False)), by_effect=False)
INTERPOLATION = Setting("interpolation", _torch_interpolation, _keras_interpolation)
SCALE = Setting(
    "scale",
    lambda layer: ABSENT if layer.scale_factor is None else _scales(layer.scale_factor),  # of one to a given size
    lambda layer: _scales(layer.size),
)
SLOPE = Setting("slope", lambda layer: layer.negative_slope, _number(_of_function("negative_slope", 0.2)))
ALPHA = Setting("alpha", lambda layer: float(layer.alpha), _number(_of_function("alpha", 1.0)))
APPROXIMATE = Setting("approximate", lambda layer: layer.approximate == "tanh", _of_function("approximate", False))
# Of what goes over a sequence. torch has no choice but for a plain recurrent net.
LOOP_ACTIVATION = Setting(
    "activation", lambda layer: str(getattr(layer, "nonlinearity", "tanh")), _keras_function("activation")
)
RECURRENT_ACTIVATION = Setting("recurrent_activation", lambda layer: "sigmoid", _keras_function("recurrent_activation"))
RESET_AFTER = Setting("reset_after", lambda layer: True, lambda layer: bool(getattr(layer, "cell", layer).reset_after))
REVERSE = Setting("reverse", lambda layer: layer.reverse, lambda layer: bool(layer.go_backwards))
