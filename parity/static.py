"""The settings of a layer as plain data, in torch's terms, so that both sides can be compared without running.

Inference cannot show a batch norm's momentum, and a wrong padding may hide on one input size.
"""

from collections.abc import Callable
from typing import Any

from .paths import Found

Getter = Callable[[Any], Any]


def torch_static(found: Found) -> dict[str, Any]:
    """The settings named by the layer's kind, read off a torch layer."""
    return {name: TORCH[name](found.layer) for name in found.kind.static}


def keras_static(found: Found) -> dict[str, Any]:
    """The settings named by the layer's kind, read off a Keras layer, in torch's terms."""
    return {name: KERAS[name](found.layer) for name in found.kind.static}


def _tuple(value: Any) -> Any:
    return value if isinstance(value, tuple) else (value, value)


def _torch_padding(layer: Any) -> Any:
    if "Same" in type(layer).__name__:
        return _same(_tuple(layer.kernel_size), _tuple(layer.stride), _tuple(getattr(layer, "dilation", 1)))
    return list(_tuple(layer.padding))


def _keras_padding(layer: Any) -> Any:
    pixels = getattr(layer, "pixels", 0)
    if layer.padding == "same" and not pixels:
        return _same(_kernel(layer), _tuple(layer.strides), _tuple(getattr(layer, "dilation_rate", 1)))
    return list(_tuple(pixels))


def _same(kernel: Any, stride: Any, dilation: Any) -> Any:
    """Padding "same" in pixels where that is one number a side; with a stride it depends on the input."""
    reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    if (set(stride) == {1} and all(r % 2 == 0 for r in reach)) or not any(reach):
        return [r // 2 for r in reach]
    return "same"


def _kernel(layer: Any) -> Any:
    return tuple(layer.kernel_size if hasattr(layer, "kernel_size") else layer.pool_size)


def _bias(layer: Any) -> bool:
    return getattr(layer, "bias", None) is not None


TORCH: dict[str, Getter] = {
    "kernel_size": lambda layer: list(_tuple(layer.kernel_size)),
    "stride": lambda layer: list(_tuple(layer.stride)),
    "padding": _torch_padding,
    "dilation": lambda layer: list(_tuple(layer.dilation)),
    "groups": lambda layer: layer.groups,
    "bias": _bias,
    "eps": lambda layer: layer.eps,
    "momentum": lambda layer: layer.momentum,
}

KERAS: dict[str, Getter] = {
    "kernel_size": lambda layer: list(_kernel(layer)),
    "stride": lambda layer: list(_tuple(layer.strides if hasattr(layer, "strides") else layer.stride)),
    "padding": _keras_padding,
    "dilation": lambda layer: list(_tuple(layer.dilation_rate)),
    "groups": lambda layer: layer.groups,
    "bias": _bias,
    "eps": lambda layer: layer.epsilon,
    "momentum": lambda layer: round(1 - layer.momentum, 12),  # 1 - 0.9 is not 0.1 in binary
}
