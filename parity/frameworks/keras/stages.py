"""A part of a layer that Keras runs fused, and its input -> what that part alone computes."""

from collections.abc import Callable
from typing import Any

from keras import ops


def _depthwise(layer: Any, x: Any) -> Any:
    settings = layer.strides, layer.padding, layer.data_format, layer.dilation_rate
    return ops.depthwise_conv(x, layer.depthwise_kernel, *settings)


def _pointwise(layer: Any, x: Any) -> Any:
    x = ops.conv(x, layer.pointwise_kernel, 1, "valid", layer.data_format)
    if not layer.use_bias:
        return x
    last = layer.data_format == "channels_last"
    return ops.add(x, ops.reshape(layer.bias, (1, *(1,) * layer.rank, -1) if last else (1, -1, *(1,) * layer.rank)))


STAGES: dict[str, Callable[..., Any]] = {
    "depthwise": _depthwise,
    "pointwise": _pointwise,
    "activation": lambda layer, x: layer.activation(x),
}


def linear(layer: Any, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a layer without its activation."""
    activation = layer.__dict__["activation"]
    layer.__dict__["activation"] = None
    try:
        return call(*args, **kwargs)
    finally:
        layer.__dict__["activation"] = activation
