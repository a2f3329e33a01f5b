"""The settings of a layer as plain data, in torch's terms, so that both sides can be compared without running.

Inference cannot show a batch norm's momentum, and a wrong padding may hide on one input size.
"""

from collections.abc import Callable
from typing import Any

from .paths import Found, function_of

Getter = Callable[[Any], Any]


def torch_static(found: Found) -> dict[str, Any]:
    """The settings named by the layer's kind, read off a torch layer; of a layer with weights, its dtype too."""
    settings = {name: TORCH[name](found.layer) for name in found.kind.static}
    tensors = (getattr(found.layer, name, None) for name, _, _ in found.kind.weights)
    dtype = next((str(x.dtype).removeprefix("torch.") for x in tensors if x is not None), None)
    return settings if dtype is None else settings | {"dtype": dtype}


def keras_static(found: Found) -> dict[str, Any]:
    """The settings named by the layer's kind, read off a Keras layer, in torch's terms."""
    settings = {name: KERAS[name](found.layer) for name in found.kind.static}
    layer = getattr(found.layer, "owner", found.layer)
    return settings | {"dtype": layer.compute_dtype} if found.kind.weights else settings


def _rank(layer: Any) -> int:
    """The number of spatial axes: the digit in a class's name, `MaxPool3d`."""
    digits = (cls.__name__[-2] for cls in type(layer).__mro__ if cls.__name__[-2:-1].isdigit())
    return int(next(digits, 2))


def _list(value: Any, rank: int) -> list[Any]:
    return list(value) if isinstance(value, tuple | list) else [value] * rank


def _torch_list(name: str, default: Any = None) -> Getter:
    return lambda layer: _list(getattr(layer, name) if default is None else getattr(layer, name, default), _rank(layer))


def _torch_padding(layer: Any) -> Any:
    kernel, stride = _list(layer.kernel_size, _rank(layer)), _list(layer.stride, _rank(layer))
    if "Same" in type(layer).__name__ or layer.padding == "same":
        return _same(kernel, stride, _list(getattr(layer, "dilation", 1), len(kernel)))
    return [0] * len(kernel) if layer.padding == "valid" else _list(layer.padding, len(kernel))


def _keras_padding(layer: Any) -> Any:
    kernel = _kernel(layer)
    pixels = getattr(layer, "pixels", 0)
    if layer.padding == "same" and not pixels:
        return _same(kernel, _strides(layer), _list(getattr(layer, "dilation_rate", 1), len(kernel)))
    if layer.padding == "causal":
        return [[layer.dilation_rate[0] * (kernel[0] - 1), 0]]
    return _list(pixels, len(kernel))


def _same(kernel: list[int], stride: list[int], dilation: list[int]) -> Any:
    """Padding "same" in pixels where that is one number a side; with a stride it depends on the input."""
    reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    if (set(stride) == {1} and all(r % 2 == 0 for r in reach)) or not any(reach):
        return [r // 2 for r in reach]
    return "same"


def _torch_transposed_padding(layer: Any) -> Any:
    """(cut before, cut after) on every axis of a transposed convolution's full output."""
    return [[p, p - extra] for p, extra in zip(layer.padding, layer.output_padding, strict=True)]


def _keras_transposed_padding(layer: Any) -> Any:
    kernel = _kernel(layer)
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, _list(layer.dilation_rate, len(kernel)), strict=True)]
    extra = layer.output_padding
    if extra is None:
        over = [r - s for r, s in zip(reach, _strides(layer), strict=True)]
        same = layer.padding == "same"
        return [[o // 2, o - o // 2] if same and o > 0 else [0, min(o, 0)] for o in over]
    if layer.padding == "valid":
        return [[0, -e] for e in _list(extra, len(kernel))]
    over = [2 * (r // 2) - e for r, e in zip(reach, _list(extra, len(kernel)), strict=True)]
    return [[o // 2, o - o // 2] for o in over]


def _kernel(layer: Any) -> list[int]:
    if hasattr(layer, "pool_size"):
        return _list(layer.pool_size, _rank(layer))
    return list(layer.kernel_size)


def _strides(layer: Any) -> list[int]:
    return _list(layer.strides if hasattr(layer, "strides") else layer.stride, _rank(layer))


def _keras_groups(layer: Any) -> int:
    """A depthwise convolution's groups are its input channels, kernel (..., in, multiplier)."""
    return int(layer.groups if isinstance(getattr(layer, "groups", None), int) else layer.kernel.shape[-2])


def _bias(layer: Any) -> bool:
    return getattr(layer, "bias", None) is not None


def _torch_interpolation(layer: Any) -> str:
    mode = {"bilinear": "linear", "trilinear": "linear"}.get(layer.mode, layer.mode)
    return f"{mode}, corners aligned" if layer.align_corners else str(mode)


def _keras_interpolation(layer: Any) -> str:
    mode = getattr(layer, "interpolation", "nearest")
    return "linear" if mode == "bilinear" else str(mode)


def _torch_margins(layer: Any) -> list[list[int]]:
    """(before, after) for every spatial axis; torch counts from the last."""
    padding = list(layer.padding)
    return [padding[i : i + 2] for i in range(len(padding) - 2, -1, -2)]


def _keras_margins(layer: Any) -> list[list[int]]:
    padding = layer.padding if isinstance(layer.padding[0], tuple | list) else (layer.padding,)
    return [list(pair) for pair in padding]


def _torch_groups_normed(layer: Any) -> int:
    return int(layer.num_groups if hasattr(layer, "num_groups") else layer.num_features)


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


TORCH: dict[str, Getter] = {
    "kernel_size": _torch_list("kernel_size"),
    "stride": _torch_list("stride"),
    "padding": _torch_padding,
    "transposed_padding": _torch_transposed_padding,
    "margins": _torch_margins,
    "dilation": _torch_list("dilation"),
    "groups": lambda layer: layer.groups,
    "norm_groups": _torch_groups_normed,
    "bias": _bias,
    "eps": lambda layer: layer.eps,
    "momentum": lambda layer: layer.momentum,
    "interpolation": _torch_interpolation,
    "slope": lambda layer: layer.negative_slope,
    "alpha": lambda layer: float(layer.alpha),
    "approximate": lambda layer: layer.approximate == "tanh",
}

KERAS: dict[str, Getter] = {
    "kernel_size": _kernel,
    "stride": _strides,
    "padding": _keras_padding,
    "transposed_padding": _keras_transposed_padding,
    "margins": _keras_margins,
    "dilation": lambda layer: _list(layer.dilation_rate, len(_kernel(layer))),
    "groups": _keras_groups,
    "norm_groups": _keras_groups_normed,
    "bias": _bias,
    "eps": lambda layer: layer.epsilon,
    "momentum": lambda layer: round(1 - layer.momentum, 12),  # 1 - 0.9 is not 0.1 in binary
    "interpolation": _keras_interpolation,
    "slope": _number(_of_function("negative_slope", "negative_slope", 0.2)),
    "alpha": _number(_of_function("alpha", "alpha", 1.0)),
    "approximate": _of_function("approximate", "approximate", False),
}
