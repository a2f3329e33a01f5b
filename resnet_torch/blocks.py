"""The residual family's blocks in PyTorch. Lay it beside `resnet_keras/blocks.py`: same names on the same lines.

A block computes relu(F(x) + shortcut(x)); the classes differ in F. Comments give shapes after the line, (N, C, H, W),
for the size (h, w) that a stride leaves of the input's (H, W).
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from .base import LazyConv2dSame
from .configs import SHORTCUTS, one_of
from .layers import Conv2d, Conv2dSame, ZeroPadShortcut


class Residual(nn.Module):
    """Two 3x3 convolutions with biases; as shortcut, where shapes change, a 1x1 convolution without a norm.

    Zhang et al. 2023, "Dive into Deep Learning", section 8.6.2, in its TensorFlow edition: padding "same", norms with
    epsilon 1e-3 and (Keras's) momentum 0.99. Channels become num_channels. `in_channels` may be left out: without the
    1x1 convolution it equals num_channels, with it the first input tells.
    """

    def __init__(
        self,
        num_channels: int,
        use_1x1conv: bool = False,
        strides: int = 1,
        in_channels: int | None = None,
        eps: float = 1e-3,
        momentum: float = 0.01,
        init: str = "glorot",
    ) -> None:
        super().__init__()
        known = in_channels or (None if use_1x1conv else num_channels)
        conv = partial(Conv2dSame, known, init=init) if known else partial(LazyConv2dSame, init=init)
        self.conv1 = conv(num_channels, 3, strides)
        self.bn1 = nn.BatchNorm2d(num_channels, eps, momentum)
        self.conv2 = Conv2dSame(num_channels, num_channels, 3, init=init)
        self.bn2 = nn.BatchNorm2d(num_channels, eps, momentum)
        self.conv3 = conv(num_channels, 1, strides) if use_1x1conv else nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))  # (N, num_channels, h, w)
        out = self.bn2(self.conv2(out))
        out += self.conv3(x)
        return self.relu(out)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, each with a norm: the block of ResNet-18 and 34 and of the CIFAR nets.

    He et al. 2015, figure 5 left and section 4.2. `shortcut` is one of the paper's options "A", "B" and "C" (sections
    3.3 and 4.1) or "none" for a plain net; `first_dilation` is the first convolution's dilation, where it differs.
    """

    expansion = 1

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        *,
        dilation: int = 1,
        first_dilation: int | None = None,
        shortcut: str = "B",
        bias: bool = False,
        eps: float = 1e-5,
        momentum: float = 0.1,
        init: str = "kaiming",
    ) -> None:
        super().__init__()
        conv = partial(Conv2d, bias=bias, init=init)
        norm = partial(nn.BatchNorm2d, eps=eps, momentum=momentum)
        first = first_dilation or dilation
        self.conv1 = conv(in_channels, channels, 3, stride, padding=first, dilation=first)
        self.bn1 = norm(channels)
        self.conv2 = conv(channels, channels, 3, padding=dilation, dilation=dilation)
        self.bn2 = norm(channels)
        self.downsample = make_shortcut(shortcut, in_channels, channels, stride, conv, norm)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))  # (N, channels, h, w)
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            out += self.downsample(x)
        return self.relu(out)


class Bottleneck(nn.Module):
    """A 1x1 convolution that narrows, a 3x3, and a 1x1 that widens to four times `channels`, each with a norm.

    He et al. 2015, figure 5 right; with `groups` > 1 the grouped form of Xie et al. 2017, figure 3c. The stride stands
    in the 3x3 (v1.5) or, as in the paper, in the first 1x1 (v1). Options as for BasicBlock.
    """

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        *,
        groups: int = 1,
        width_per_group: int = 64,
        stride_in_1x1: bool = False,
        dilation: int = 1,
        first_dilation: int | None = None,
        shortcut: str = "B",
        bias: bool = False,
        eps: float = 1e-5,
        momentum: float = 0.1,
        init: str = "kaiming",
    ) -> None:
        super().__init__()
        conv = partial(Conv2d, bias=bias, init=init)
        norm = partial(nn.BatchNorm2d, eps=eps, momentum=momentum)
        first = first_dilation or dilation
        width = int(channels * (width_per_group / 64)) * groups
        stride1, stride2 = (stride, 1) if stride_in_1x1 else (1, stride)
        self.conv1 = conv(in_channels, width, 1, stride1)
        self.bn1 = norm(width)
        self.conv2 = conv(width, width, 3, stride2, padding=first, dilation=first, groups=groups)
        self.bn2 = norm(width)
        self.conv3 = conv(width, channels * self.expansion, 1)
        self.bn3 = norm(channels * self.expansion)
        self.downsample = make_shortcut(shortcut, in_channels, channels * self.expansion, stride, conv, norm)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))  # (N, width, H, W); v1: (N, width, h, w)
        out = self.relu(self.bn2(self.conv2(out)))  # (N, width, h, w)
        out = self.bn3(self.conv3(out))  # (N, 4 channels, h, w)
        if self.downsample is not None:
            out += self.downsample(x)
        return self.relu(out)


class Branch(nn.Module):
    """One of a ResNeXt block's parallel paths: 1x1 and 3x3, `width` channels each; form a adds a 1x1 without norm."""

    def __init__(self, in_channels: int, width: int, stride: int = 1, out_channels: int | None = None) -> None:
        super().__init__()
        self.conv1 = Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width, eps=1e-5, momentum=0.1)
        self.conv2 = Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width, eps=1e-5, momentum=0.1)
        self.conv3 = Conv2d(width, out_channels, 1, bias=False) if out_channels else nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))  # (N, width, H, W)
        out = self.relu(self.bn2(self.conv2(out)))  # (N, width, h, w)
        return self.conv3(out)


class ResNeXtA(nn.Module):
    """Xie et al. 2017, figure 3a: parallel branches, summed; one norm after the sum (their footnote 6)."""

    expansion = 4

    def __init__(
        self, in_channels: int, channels: int, stride: int = 1, *, groups: int = 32, width_per_group: int = 4
    ) -> None:
        super().__init__()
        conv, norm = partial(Conv2d, bias=False), partial(nn.BatchNorm2d, eps=1e-5, momentum=0.1)
        width, out_channels = int(channels * (width_per_group / 64)), channels * self.expansion
        self.branches = nn.ModuleList(Branch(in_channels, width, stride, out_channels) for _ in range(groups))
        self.bn3 = norm(out_channels)
        self.downsample = make_shortcut("B", in_channels, out_channels, stride, conv, norm)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.stack([branch(x) for branch in self.branches]).sum(0)  # (N, 4 channels, h, w)
        out = self.bn3(out)
        out += self.downsample(x)
        return self.relu(out)


class ResNeXtB(nn.Module):
    """Xie et al. 2017, figure 3b: parallel branches, concatenated, then one 1x1 convolution."""

    expansion = 4

    def __init__(
        self, in_channels: int, channels: int, stride: int = 1, *, groups: int = 32, width_per_group: int = 4
    ) -> None:
        super().__init__()
        conv, norm = partial(Conv2d, bias=False), partial(nn.BatchNorm2d, eps=1e-5, momentum=0.1)
        width, out_channels = int(channels * (width_per_group / 64)), channels * self.expansion
        self.branches = nn.ModuleList(Branch(in_channels, width, stride) for _ in range(groups))
        self.conv3 = conv(width * groups, out_channels, 1)
        self.bn3 = norm(out_channels)
        self.downsample = make_shortcut("B", in_channels, out_channels, stride, conv, norm)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.cat([branch(x) for branch in self.branches], dim=1)  # (N, groups width, h, w)
        out = self.bn3(self.conv3(out))  # (N, 4 channels, h, w)
        out += self.downsample(x)
        return self.relu(out)


class ResNeXtC(Bottleneck):
    """Xie et al. 2017, figure 3c: a bottleneck whose 3x3 convolution is grouped. What the ResNeXt variants use."""

    def __init__(self, *args: Any, groups: int = 32, width_per_group: int = 4, **kwargs: Any) -> None:
        super().__init__(*args, groups=groups, width_per_group=width_per_group, **kwargs)


def make_shortcut(option: str, in_channels: int, out_channels: int, stride: int, conv: Any, norm: Any) -> Any:
    """The shortcut of He et al. 2015, sections 3.3 and 4.1: identity, zero-padded (A), projection (B, C) or none."""
    one_of("shortcut", option, SHORTCUTS)
    changes = stride != 1 or in_channels != out_channels
    if option == "none":
        return None
    if option == "C" or (option == "B" and changes):
        return nn.Sequential(conv(in_channels, out_channels, 1, stride), norm(out_channels))
    if option == "A" and changes:
        return ZeroPadShortcut(in_channels, out_channels, stride)
    return nn.Identity()


def carry_resnext_weights(source: nn.Module, destination: nn.Module) -> None:
    """Carry the weights of one ResNeXt form into another, after which both compute the same function.

    Branch g holds group g's slice: of a kernel's outputs and a norm's channels, but of the inputs of the last 1x1.
    Raises ValueError, and changes nothing, where the two forms differ in cardinality, width or channels.
    """
    moves: list[tuple[Tensor, Tensor]] = []
    for name in ("conv1", "bn1", "conv2", "bn2", "conv3", "bn3", "downsample"):
        axis = 1 if name == "conv3" else 0
        theirs, ours = _tensors(source, name), _tensors(destination, name)
        count = len(ours[0]) if ours else 1
        given = [piece for parts in theirs for piece in torch.cat(parts, axis).tensor_split(count, axis)]
        taken = [tensor for parts in ours for tensor in parts]
        shapes = [tuple(tensor.shape) for tensor in given], [tuple(tensor.shape) for tensor in taken]
        if shapes[0] != shapes[1]:
            raise ValueError(f"{name}: the source gives shapes {shapes[0]}, the destination takes {shapes[1]}")
        moves += zip(taken, given, strict=True)
    for tensor, value in moves:
        tensor.copy_(value)


def _tensors(block: nn.Module, name: str) -> list[tuple[Tensor, ...]]:
    """Each tensor of the layers called `name`, one in the block or one in each branch, as a tuple over the branches."""
    owners: Any = [block] if isinstance(getattr(block, name, None), nn.Module) else block.branches
    states = [getattr(owner, name).state_dict().values() for owner in owners]
    return [tensors for tensors in zip(*states, strict=True) if tensors[0].ndim]  # a norm's batch counter is a scalar
