"""How the faults of faults.py are planted: one layer, block or model changed in place, in torch or in Keras."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import torch
from keras import ops
from torch.nn import functional as F


def behave(layer: Any, **methods: Any) -> None:
    """Give one layer other methods, and nothing else: its class becomes a subclass of its own."""
    layer.__class__ = type(type(layer).__name__, (type(layer),), methods)


def torch_conv(layer: Any, weight: Any = lambda w: w, pads: Any = None, dilation: int | None = None) -> None:
    """A torch convolution with another kernel, padding or dilation."""

    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        sides = pads(x) if pads else [self.padding[1]] * 2 + [self.padding[0]] * 2
        apart = dilation or self.dilation
        return F.conv2d(F.pad(x, sides), weight(self.weight), self.bias, self.stride, 0, apart, self.groups)

    behave(layer, forward=forward)


def keras_conv(layer: Any, weight: Any = lambda w: w, pads: Any = None, dilation: int | None = None) -> None:
    """A Keras convolution with another kernel (given and taken in torch's layout), padding or dilation."""

    def call(self: Any, x: Any, training: Any = None) -> Any:
        reach = [self.pixels] * 2 * 2
        left, right, top, bottom = pads(ops.transpose(x, (0, 3, 1, 2))) if pads else reach
        kernel = ops.transpose(weight(ops.transpose(ops.convert_to_tensor(self.kernel), (3, 2, 0, 1))), (2, 3, 1, 0))
        x = ops.pad(x, [[0, 0], [top, bottom], [left, right], [0, 0]])
        if dilation is None:
            out = ops.conv(x, kernel, self.strides, "valid", "channels_last", self.dilation_rate)
        else:  # Keras refuses stride and dilation together
            every, other = self.strides
            out = ops.conv(x, kernel, 1, "valid", "channels_last", dilation)[:, ::every, ::other]
        return out + self.bias if self.bias is not None else out

    behave(layer, call=call)


def same_pads(x: Any) -> list[int]:
    """What TensorFlow's "same" pads for a 3x3 of stride 2: nothing before and one after, on even sizes."""
    return [(1 - s % 2 == 0) * 1 if i == 0 else 1 for s in (x.shape[3], x.shape[2]) for i in (0, 1)]


def torch_norm(layer: Any) -> None:
    """A torch batch norm stuck in training mode."""

    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)

    behave(layer, forward=forward)


def keras_norm(layer: Any) -> None:
    """A Keras batch norm stuck in training mode."""

    def call(self: Any, x: Any, training: Any = None, mask: Any = None) -> Any:
        mean, variance = ops.moments(x, (0, 1, 2))
        return ops.batch_normalization(x, mean, variance, -1, self.beta, self.gamma, self.epsilon)

    behave(layer, call=call)


def swap_torch(one: str, other: str) -> Callable[[Any], None]:
    def plant(layer: Any) -> None:
        a, b = getattr(layer, one).detach().clone(), getattr(layer, other).detach().clone()
        with torch.no_grad():
            getattr(layer, one).copy_(b.abs() if "var" in one else b)
            getattr(layer, other).copy_(a.abs() if "var" in other else a)

    return plant


def swap_keras(one: str, other: str) -> Callable[[Any], None]:
    def plant(layer: Any) -> None:
        a, b = (ops.convert_to_numpy(getattr(layer, name)) for name in (one, other))
        getattr(layer, one).assign(np.abs(b) if "var" in one else b)
        getattr(layer, other).assign(np.abs(a) if "var" in other else a)

    return plant


def after(function: Any, native: str) -> Callable[[Any], None]:
    """An activation too many behind a layer."""

    def plant(layer: Any) -> None:
        original = getattr(type(layer), native)
        behave(layer, **{native: lambda self, *args, **kwargs: function(original(self, *args, **kwargs))})

    return plant


def instead(function: Any, native: str) -> Callable[[Any], None]:
    """Something else computed by a layer of one input."""
    return lambda layer: behave(layer, **{native: lambda self, x, *args, **kwargs: function(x)})


def before(function: Any, native: str) -> Callable[[Any], None]:
    """A layer that reads its input wrongly."""

    def plant(layer: Any) -> None:
        original = getattr(type(layer), native)
        behave(layer, **{native: lambda self, x, *args, **kwargs: original(self, function(x), *args, **kwargs)})

    return plant


def set_attribute(name: str, value: Any) -> Callable[[Any], None]:
    return lambda layer: setattr(layer, name, value)


def rolled(w: Any) -> Any:
    """The second group first: eight groups or more, of the outputs."""
    step = w.shape[0] // 8
    return torch.roll(w, step, 0) if isinstance(w, torch.Tensor) else ops.roll(w, step, 0)


def lowered_torch(dtype: torch.dtype) -> Callable[[Any], None]:
    """A torch convolution that computes in a lower dtype where the model computes in float32."""

    def plant(layer: Any) -> None:
        original = type(layer)._conv_forward

        def convolution(self: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
            if x.dtype != torch.float32:
                return original(self, x, weight, bias)
            low = original(self, x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype))
            return low.float()

        behave(layer, _conv_forward=convolution)

    return plant


def lowered_keras(dtype: str) -> Callable[[Any], None]:
    """A Keras convolution of rounded numbers, whose output is rounded before its bias is added."""

    def plant(layer: Any) -> None:
        original = type(layer).convolution_op

        def convolution_op(self: Any, x: Any, kernel: Any) -> Any:
            if keras.backend.standardize_dtype(x.dtype) != "float32":
                return original(self, x, kernel)
            rounded = original(self, *(ops.cast(ops.cast(t, dtype), "float32") for t in (x, kernel)))
            return ops.cast(ops.cast(rounded, dtype), "float32")

        behave(layer, convolution_op=convolution_op)

    return plant


def off_torch(layer: Any) -> None:
    with torch.no_grad():
        layer.weight.view(-1)[layer.weight.abs().argmax()] *= 1 + 1e-6


def off_keras(layer: Any) -> None:
    kernel = ops.convert_to_numpy(layer.kernel).copy()
    kernel.flat[np.abs(kernel).argmax()] *= 1 + 1e-6
    layer.kernel.assign(kernel)


def permuted_torch(layer: Any) -> None:
    with torch.no_grad():
        layer.weight[[0, 1]] = layer.weight[[1, 0]]


def permuted_keras(layer: Any) -> None:
    kernel = ops.convert_to_numpy(layer.kernel).copy()
    kernel[..., [0, 1]] = kernel[..., [1, 0]]
    layer.kernel.assign(kernel)


def zeroed_torch(layer: Any) -> None:
    torch.nn.init.normal_(layer.weight, std=0.02)


def zeroed_keras(layer: Any) -> None:
    layer.kernel.assign(np.random.default_rng(1).normal(0, 0.02, layer.kernel.shape))


def nan_torch(layer: Any) -> None:
    with torch.no_grad():
        layer.weight.view(-1)[3] = float("nan")


def nan_keras(layer: Any) -> None:
    kernel = ops.convert_to_numpy(layer.kernel).copy()
    kernel.flat[3] = np.nan
    layer.kernel.assign(kernel)


def transposed(w: Any) -> Any:
    return w.swapaxes(-1, -2) if isinstance(w, torch.Tensor) else ops.swapaxes(w, -1, -2)


def in_out(w: Any) -> Any:
    return w.swapaxes(0, 1) if isinstance(w, torch.Tensor) else ops.swapaxes(w, 0, 1)


def reads_nchw_torch(x: torch.Tensor) -> torch.Tensor:
    last = x.contiguous().reshape(x.shape[0], *x.shape[2:], x.shape[1])
    return last.permute(0, 3, 1, 2).contiguous()


def reads_nchw_keras(x: Any) -> Any:
    n, h, w, c = x.shape
    return ops.reshape(ops.transpose(x, (0, 3, 1, 2)), (n, h, w, c))


def shifted_torch(x: torch.Tensor) -> torch.Tensor:
    """Rounded to TF32's and float16's eleven digits, by float32's own rounding (Dekker 1971); float64 stays."""
    if x.dtype != torch.float32:
        return x
    shifted = x * 8193.0
    return shifted - (shifted - x)


def shifted_keras(x: Any) -> Any:
    if keras.backend.standardize_dtype(x.dtype) != "float32":
        return x
    shifted = x * 8193.0
    return shifted - (shifted - x)


def in_tf32_torch(layer: Any) -> None:
    original = type(layer)._conv_forward
    rounded = {"_conv_forward": lambda self, x, w, b: original(self, shifted_torch(x), shifted_torch(w), b)}
    behave(layer, **rounded)


def in_tf32_keras(layer: Any) -> None:
    original = type(layer).convolution_op
    behave(layer, convolution_op=lambda self, x, kernel: original(self, shifted_keras(x), shifted_keras(kernel)))


def biased_torch(layer: Any) -> None:
    """A norm that takes (n - 1) / n of the variance it declares, n numbers a channel."""

    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        n = x.numel() // x.shape[1]
        variance = self.running_var * (n - 1) / n
        return F.batch_norm(x, self.running_mean, variance, self.weight, self.bias, False, 0.0, self.eps)

    behave(layer, forward=forward)


def biased_keras(layer: Any) -> None:
    def call(self: Any, x: Any, training: Any = None, mask: Any = None) -> Any:
        n = int(np.prod(x.shape[:3]))
        variance = ops.cast(self.moving_variance, x.dtype) * (n - 1) / n
        return ops.batch_normalization(x, self.moving_mean, variance, -1, self.beta, self.gamma, self.epsilon)

    behave(layer, call=call)


def without_bias_torch(layer: Any) -> None:
    original = type(layer).forward

    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        bias, self.bias = self.bias, None
        out = original(self, x)
        self.bias = bias
        return out

    behave(layer, forward=forward)


def without_bias_keras(layer: Any) -> None:
    original = type(layer).call

    def call(self: Any, x: Any, training: Any = None) -> Any:
        self.use_bias = False
        out = original(self, x)
        self.use_bias = True
        return out

    behave(layer, call=call)


def with_bias_torch(layer: Any) -> None:
    draw = np.random.default_rng(1).standard_normal(layer.out_channels)
    layer.bias = torch.nn.Parameter(torch.tensor(draw, dtype=torch.float32))


def with_bias_keras(layer: Any) -> None:
    layer.add_bias()
    layer.bias.assign(np.random.default_rng(1).standard_normal(layer.filters))


def branch(block: Any, x: Any) -> Any:
    """All of a block before the addition, in either framework."""
    out = block.bn2(block.conv2(block.relu(block.bn1(block.conv1(x)))))
    return block.bn3(block.conv3(block.relu(out))) if hasattr(block, "conv3") else out


def no_shortcut_torch(block: Any) -> None:
    behave(block, forward=lambda self, x: self.relu(branch(self, x)))


def no_shortcut_keras(block: Any) -> None:
    behave(block, call=lambda self, x: self.relu(branch(self, x)))


def bare_projection_torch(block: Any) -> None:
    behave(block.downsample, forward=lambda self, x: self[0](x))


def bare_projection_keras(block: Any) -> None:
    behave(block.downsample, call=lambda self, x: self.layers[0](x))


def moved_torch(block: Any) -> None:
    block.conv1.stride, block.conv2.stride = (2, 2), (1, 1)


def moved_keras(block: Any) -> None:
    block.conv1.strides, block.conv2.strides = (2, 2), (1, 1)


def softmax_torch(model: Any) -> None:
    original = type(model).forward
    behave(model, forward=lambda self, x: torch.softmax(original(self, x), 1))


def softmax_keras(model: Any) -> None:
    original = type(model).call
    behave(model, call=lambda self, x, **given: ops.softmax(original(self, x, **given)))
