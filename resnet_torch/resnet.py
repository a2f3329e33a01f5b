"""Stages, the network and one builder per variant, in PyTorch. Lay it beside `resnet_keras/resnet.py`.

He et al. 2015, table 1: a stem, stages of blocks (each stage after the first halves the resolution), global average
pooling, and one linear layer that gives the logits.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from typing import Any

from torch import Tensor, nn

from .base import described
from .blocks import BasicBlock, Bottleneck, Residual
from .configs import VARIANTS, ResNetConfig
from .layers import Conv2d, Conv2dSame, Linear, MaxPool2dSame, activation
from .pretrained import load_pretrained


class ResnetBlock(nn.Sequential):
    """A stage: `num_residuals` blocks of `num_channels`; the first halves the resolution unless `first_block`.

    As it stands it is the stage of Zhang et al. 2023, made of Residual blocks. The other networks pass in `make`, which
    builds block number i with its stride. Channels become `num_channels` times the block's expansion.
    """

    def __init__(
        self,
        num_channels: int,
        num_residuals: int,
        first_block: bool = False,
        make: Callable[[int, int], nn.Module] | None = None,
    ) -> None:
        def residual(i: int, stride: int) -> nn.Module:
            return Residual(num_channels, use_1x1conv=i == 0 and not first_block, strides=stride)

        strides = [1 if first_block or i > 0 else 2 for i in range(num_residuals)]
        super().__init__(*[(make or residual)(i, stride) for i, stride in enumerate(strides)])


class ResNet(nn.Module):
    """A residual network, built from its configuration. Input (N, in_channels, H, W), output (N, num_classes).

    The output is logits unless `classifier_activation` says otherwise. With `num_classes=0` there is no classifier
    and the output is the pooled features. `model.config` is the configuration.
    """

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        self.config = config
        self._build_stem()
        channels, dilation = config.widths[0], 1
        dilate = (False, *(config.replace_stride_with_dilation or [False] * (len(config.depths) - 1)))
        for i, (width, depth) in enumerate(zip(config.widths, config.depths, strict=True)):
            before, dilation = dilation, dilation * 2 if dilate[i] else dilation
            make = partial(make_block, config, channels, width, before, dilation)
            setattr(self, f"layer{i + 1}", ResnetBlock(width, depth, i == 0 or dilate[i], make))
            channels = width * config.expansion
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = Linear(channels, config.num_classes, init=config.init) if config.num_classes else nn.Identity()
        self.activation = activation(config.classifier_activation)
        self.flatten = nn.Flatten()

    def _build_stem(self) -> None:
        config, width = self.config, self.config.widths[0]
        conv: Any = partial(Conv2d, bias=config.bias, init=config.init)
        pool: nn.Module = nn.Identity()
        if config.stem == "imagenet":
            self.conv1, pool = conv(config.in_channels, width, 7, 2, padding=3), nn.MaxPool2d(3, 2, padding=1)
        elif config.stem == "same":
            conv = partial(Conv2dSame, bias=config.bias, init=config.init)
            self.conv1, pool = conv(config.in_channels, width, 7, 2), MaxPool2dSame(3, 2)
        else:
            self.conv1 = conv(config.in_channels, width, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(width, eps=config.eps, momentum=config.momentum)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = pool

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))  # (N, 64, H/2, W/2); CIFAR: (N, 16, H, W)
        x = self.maxpool(x)  # (N, 64, H/4, W/4)
        for i in range(len(self.config.depths)):
            x = getattr(self, f"layer{i + 1}")(x)  # ResNet-50: (N, 256, H/4, W/4) to (N, 2048, H/32, W/32)
        x = self.flatten(self.avgpool(x))  # (N, 2048)
        return self.activation(self.fc(x))  # (N, num_classes)


def make_block(
    config: ResNetConfig, in_channels: int, width: int, before: int, dilation: int, i: int, stride: int
) -> Any:
    """Block number i of a stage whose input has `in_channels` channels and was dilated by `before`."""
    if i > 0:
        in_channels, before = width * config.expansion, dilation
    style: dict[str, Any] = {"eps": config.eps, "momentum": config.momentum, "init": config.init}
    options: dict[str, Any] = {"bias": config.bias, "shortcut": config.shortcut}
    options |= {"dilation": dilation, "first_dilation": before}
    block: Any
    if config.block == "residual":
        block = Residual(width, stride != 1 or in_channels != width, stride, in_channels, **style)
    elif config.block == "basic":
        block = BasicBlock(in_channels, width, stride, **options, **style)
    else:
        options |= {"groups": config.groups, "width_per_group": config.width_per_group}
        block = Bottleneck(in_channels, width, stride, stride_in_1x1=config.stride_in_1x1, **options, **style)
    if config.zero_init_residual:  # every block starts as the identity (Goyal et al. 2017, section 5.1)
        nn.init.zeros_((block.bn3 if config.block == "bottleneck" else block.bn2).weight)
    return block


def _builder(name: str) -> Callable[..., ResNet]:
    def build(
        *,
        num_classes: int | None = None,
        in_channels: int | None = None,
        input_size: int | tuple[int, int] | None = None,
        shortcut: str | None = None,
        zero_init_residual: bool = False,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        classifier_activation: str | None = None,
        weights: str | PathLike[str] | None = None,
        head: str = "reset",
    ) -> ResNet:
        given: dict[str, Any] = {
            "num_classes": num_classes,
            "in_channels": in_channels,
            "input_size": input_size,
            "shortcut": shortcut,
            "zero_init_residual": zero_init_residual,
            "replace_stride_with_dilation": replace_stride_with_dilation,
            "classifier_activation": classifier_activation,
        }
        config = replace(VARIANTS[name], **{key: value for key, value in given.items() if value is not None})
        model = ResNet(config)
        if weights is not None:
            load_pretrained(model, name, weights, head)
        return model

    return described(build, name)


resnet18 = _builder("resnet18")
resnet34 = _builder("resnet34")
resnet50 = _builder("resnet50")
resnet101 = _builder("resnet101")
resnet152 = _builder("resnet152")
resnet50_v1 = _builder("resnet50_v1")
resnet101_v1 = _builder("resnet101_v1")
resnet152_v1 = _builder("resnet152_v1")
resnext50_32x4d = _builder("resnext50_32x4d")
resnext101_32x4d = _builder("resnext101_32x4d")
resnext101_32x8d = _builder("resnext101_32x8d")
resnext101_64x4d = _builder("resnext101_64x4d")
wide_resnet50_2 = _builder("wide_resnet50_2")
wide_resnet101_2 = _builder("wide_resnet101_2")
cifar_resnet20 = _builder("cifar_resnet20")
cifar_resnet32 = _builder("cifar_resnet32")
cifar_resnet44 = _builder("cifar_resnet44")
cifar_resnet56 = _builder("cifar_resnet56")
cifar_resnet110 = _builder("cifar_resnet110")
cifar_resnet1202 = _builder("cifar_resnet1202")
cifar_resnet18 = _builder("cifar_resnet18")
cifar_resnet34 = _builder("cifar_resnet34")
cifar_resnet50 = _builder("cifar_resnet50")
cifar_resnet101 = _builder("cifar_resnet101")
cifar_resnet152 = _builder("cifar_resnet152")
cifar_resnext29_8x64d = _builder("cifar_resnext29_8x64d")
cifar_resnext29_16x64d = _builder("cifar_resnext29_16x64d")
plain18 = _builder("plain18")
plain34 = _builder("plain34")
cifar_plain20 = _builder("cifar_plain20")
cifar_plain32 = _builder("cifar_plain32")
cifar_plain44 = _builder("cifar_plain44")
cifar_plain56 = _builder("cifar_plain56")
cifar_plain110 = _builder("cifar_plain110")
resnet18_d2l = _builder("resnet18_d2l")
resnet50_keras = _builder("resnet50_keras")
resnet101_keras = _builder("resnet101_keras")
resnet152_keras = _builder("resnet152_keras")
