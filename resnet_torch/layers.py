"""PyTorch's side of the framework facts: padding, initialisation, pooling, parameter-free shortcuts.

Everything in which PyTorch and Keras differ below the level of a block stands here and in the file of the same
name in `resnet_keras`. Tensors are (N, C, H, W); convolution kernels (out, in / groups, kH, kW).
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from .configs import INITIALIZERS, one_of


class Conv2d(nn.Conv2d):
    """`nn.Conv2d` initialised as the residual papers do, or as Keras does.

    init: "kaiming": normal, variance 2 / fan_out, not truncated (He et al. 2015b, section 2.2), bias 0;
    "glorot": uniform, variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010), bias 0.
    """

    def __init__(self, *args: Any, init: str = "kaiming", **kwargs: Any) -> None:
        one_of("init", init, INITIALIZERS)
        self.init = init  # before the constructor: it calls reset_parameters
        super().__init__(*args, **kwargs)

    def reset_parameters(self) -> None:
        if self.init == "glorot":
            nn.init.xavier_uniform_(self.weight)
        else:
            nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class Conv2dSame(Conv2d):
    """A convolution with TensorFlow's "same" padding: the odd pixel of padding goes right and below."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(pad_same(input, self.kernel_size, self.stride, value=0.0))


class MaxPool2dSame(nn.MaxPool2d):
    """A max pool with TensorFlow's "same" padding. The padding is minus infinity: it never wins."""

    def forward(self, input: Tensor) -> Tensor:
        size, stride = _pair(self.kernel_size), _pair(self.stride)
        return super().forward(pad_same(input, size, stride, value=float("-inf")))


class Linear(nn.Linear):
    """`nn.Linear` with PyTorch's own start, uniform in +-1/sqrt(fan_in) for both, or Keras's ("glorot", bias 0)."""

    def __init__(self, *args: Any, init: str = "kaiming", **kwargs: Any) -> None:
        one_of("init", init, INITIALIZERS)
        self.init = init
        super().__init__(*args, **kwargs)

    def reset_parameters(self) -> None:
        if self.init == "glorot":
            nn.init.xavier_uniform_(self.weight)
            nn.init.zeros_(self.bias)
        else:
            super().reset_parameters()


class ZeroPadShortcut(nn.Module):
    """Option A (He et al. 2015, section 3.3): every stride-th pixel, zero channels half before and half after."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        if out_channels < in_channels:
            raise ValueError(f"shortcut 'A' pads with zeros: from {in_channels} channels it cannot give {out_channels}")
        self.stride = stride
        self.before = (out_channels - in_channels) // 2
        self.after = out_channels - in_channels - self.before

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))


def activation(name: str | None) -> nn.Module:
    """The module that follows the classifier: softmax or sigmoid over the classes, or none (logits)."""
    if name is None:
        return nn.Identity()
    return nn.Softmax(dim=1) if name == "softmax" else nn.Sigmoid()


def pad_same(x: Tensor, kernel_size: tuple[int, ...], stride: tuple[int, ...], value: float) -> Tensor:
    """Pad (N, C, H, W) as TensorFlow's "same" does: ceil(size / stride) outputs, the odd pixel at the end."""
    padding: list[int] = []
    for size, kernel, step in zip(x.shape[2:], kernel_size, stride, strict=True):
        total = 0 if kernel == 1 else kernel - 1 - (size - 1) % step
        total = max(total, 0) if kernel < step else total  # no branch on the size alone: a trace would fix it
        padding = [total // 2, total - total // 2, *padding]  # F.pad counts from the last axis
    return F.pad(x, padding, value=value)


def _pair(value: Any) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)
