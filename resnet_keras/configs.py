"""Every named variant of the residual family: one frozen dataclass, one row per network.

This file is byte-identical in `resnet_torch` and `resnet_keras`. A row says only what differs from the
defaults, so a row reads as the definition of its network. Sources:

    He et al. 2015      "Deep Residual Learning for Image Recognition", tables 1 and 6, section 4.2
    Xie et al. 2017     "Aggregated Residual Transformations for Deep Neural Networks", table 1, section 5
    Zagoruyko 2016      "Wide Residual Networks"
    Zhang et al. 2023   "Dive into Deep Learning", section 8.6
"""

from dataclasses import dataclass, replace

BLOCKS = ("basic", "bottleneck", "residual")
SHORTCUTS = ("A", "B", "C", "none")
STEMS = ("imagenet", "cifar", "same")
INITIALIZERS = ("kaiming", "glorot")
ACTIVATIONS = (None, "softmax", "sigmoid")


@dataclass(frozen=True)
class ResNetConfig:
    """One residual network.

    block: "basic" (two 3x3), "bottleneck" (1x1, 3x3, 1x1) or "residual" (Dive into Deep Learning's).
    depths: blocks per stage. widths: channels per stage, before the block's expansion.
    stem: "imagenet" (7x7 stride 2 and max pool), "cifar" (3x3) or "same" (the first with TensorFlow's padding).
    groups, width_per_group: cardinality and bottleneck width of ResNeXt; 1 and 64 are a plain bottleneck.
    stride_in_1x1: stride in the first 1x1 (v1, the paper's) instead of in the 3x3 (v1.5).
    shortcut: "A" zero-padded, "B" projection where shapes change, "C" projection everywhere, "none" plain net.
    bias: whether convolutions carry a bias. init: "kaiming" (fan_out, He 2015b) or "glorot" (Keras's default).
    eps, momentum: of every batch norm, momentum as torch counts it (Keras's is 1 - momentum).
    """

    block: str
    depths: tuple[int, ...]
    widths: tuple[int, ...] = (64, 128, 256, 512)
    stem: str = "imagenet"
    groups: int = 1
    width_per_group: int = 64
    stride_in_1x1: bool = False
    shortcut: str = "B"
    bias: bool = False
    init: str = "kaiming"
    eps: float = 1e-5
    momentum: float = 0.1
    in_channels: int = 3
    input_size: int | tuple[int, int] = 224
    num_classes: int = 1000
    zero_init_residual: bool = False
    replace_stride_with_dilation: tuple[bool, ...] | None = None
    classifier_activation: str | None = None

    def __post_init__(self) -> None:
        one_of("block", self.block, BLOCKS)
        one_of("shortcut", self.shortcut, SHORTCUTS)
        one_of("stem", self.stem, STEMS)
        one_of("init", self.init, INITIALIZERS)
        one_of("classifier_activation", self.classifier_activation, ACTIVATIONS)
        for name, value in vars(self).items():  # a configuration read from JSON has lists
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(value))
        _whole("num_classes", self.num_classes, 0)
        _whole("in_channels", self.in_channels, 1)
        _whole("groups", self.groups, 1)
        _whole("width_per_group", self.width_per_group, 1)
        if len(self.image_size) != 2:
            raise ValueError(f"input_size must be one whole number or (height, width), got {self.input_size!r}")
        for side in self.image_size:
            _whole("every side of input_size", side, 1)
        for depth in (*self.depths, *self.widths):
            _whole("every entry of depths and widths", depth, 1)
        if len(self.depths) != len(self.widths) or not self.depths:
            raise ValueError(f"depths and widths must be equally long, not empty, got {self.depths} and {self.widths}")
        self._check_combinations()

    def _check_combinations(self) -> None:
        dilate = self.replace_stride_with_dilation
        if dilate is not None:
            _dilation(dilate, len(self.depths))
        if self.block != "bottleneck" and (self.groups, self.width_per_group) != (1, 64):
            raise ValueError(f"groups and width_per_group need block='bottleneck', got block={self.block!r}")
        if min(self.widths) * self.width_per_group < 64:
            raise ValueError(f"width_per_group times a stage's width must be at least 64, got {self.width_per_group}")
        if self.block != "bottleneck" and self.stride_in_1x1:
            raise ValueError(f"stride_in_1x1 needs block='bottleneck', got block={self.block!r}")
        if self.block == "residual" and self.shortcut != "B":
            raise ValueError(f"block='residual' takes shortcut='B' only (a 1x1 convolution), got {self.shortcut!r}")
        if self.block == "residual" and dilate is not None and any(dilate):
            raise ValueError("block='residual' takes no replace_stride_with_dilation; use 'basic' or 'bottleneck'")
        if self.shortcut == "none" and self.zero_init_residual:
            raise ValueError("zero_init_residual=True needs a shortcut: with shortcut='none' every output would be 0")

    @property
    def image_size(self) -> tuple[int, int]:
        """`input_size` as (height, width)."""
        size = self.input_size
        return size if isinstance(size, tuple) else (size, size)

    @property
    def expansion(self) -> int:
        """Output channels of a block over its width: 4 for a bottleneck, else 1."""
        return 4 if self.block == "bottleneck" else 1


def one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    """Raise ValueError, which says what is allowed, unless `value` is one of `allowed`."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")


def _whole(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number, at least {least}, got {value!r}")


def _dilation(value: object, stages: int) -> None:
    good = isinstance(value, tuple | list) and len(value) == stages - 1 and all(isinstance(v, bool) for v in value)
    if not good:
        wanted = f"None or {stages - 1} booleans (one per stage after the first)"
        raise ValueError(f"replace_stride_with_dilation must be {wanted}, got {value!r}")


def _cifar(depth: int, **fields: object) -> ResNetConfig:
    """He et al. 2015, section 4.2: 6n + 2 layers, three stages of n two-layer blocks, option A shortcuts."""
    n = (depth - 2) // 6
    row = ResNetConfig("basic", (n, n, n), (16, 32, 64), "cifar", shortcut="A", input_size=32, num_classes=10)
    return replace(row, **fields)  # type: ignore[arg-type]


def _cifar_resnext(groups: int) -> ResNetConfig:
    """Xie et al. 2017, section 5.3: 29 layers, three stages of three bottlenecks 64 channels wide per group."""
    row = ResNetConfig("bottleneck", (3, 3, 3), (64, 128, 256), "cifar", input_size=32, num_classes=10)
    return replace(row, groups=groups, width_per_group=64)


def _cifar_wide(row: ResNetConfig) -> ResNetConfig:
    """ImageNet's network with a 3x3 stem and no pool, as kuangliu/pytorch-cifar and weiaicunzai/pytorch-cifar100 do."""
    return replace(row, stem="cifar", input_size=32, num_classes=10)


_18 = ResNetConfig("basic", (2, 2, 2, 2))
_34 = ResNetConfig("basic", (3, 4, 6, 3))
_50 = ResNetConfig("bottleneck", (3, 4, 6, 3))
_101 = ResNetConfig("bottleneck", (3, 4, 23, 3))
_152 = ResNetConfig("bottleneck", (3, 8, 36, 3))
_KERAS = dict(stride_in_1x1=True, bias=True, init="glorot", eps=1.001e-5, momentum=0.01)
_D2L = dict(stem="same", bias=True, init="glorot", eps=1e-3, momentum=0.01, in_channels=1, num_classes=10)

VARIANTS: dict[str, ResNetConfig] = {
    "resnet18": _18,
    "resnet34": _34,
    "resnet50": _50,
    "resnet101": _101,
    "resnet152": _152,
    "resnet50_v1": replace(_50, stride_in_1x1=True),
    "resnet101_v1": replace(_101, stride_in_1x1=True),
    "resnet152_v1": replace(_152, stride_in_1x1=True),
    "resnext50_32x4d": replace(_50, groups=32, width_per_group=4),
    "resnext101_32x4d": replace(_101, groups=32, width_per_group=4),
    "resnext101_32x8d": replace(_101, groups=32, width_per_group=8),
    "resnext101_64x4d": replace(_101, groups=64, width_per_group=4),
    "wide_resnet50_2": replace(_50, width_per_group=128),
    "wide_resnet101_2": replace(_101, width_per_group=128),
    "cifar_resnet20": _cifar(20),
    "cifar_resnet32": _cifar(32),
    "cifar_resnet44": _cifar(44),
    "cifar_resnet56": _cifar(56),
    "cifar_resnet110": _cifar(110),
    "cifar_resnet1202": _cifar(1202),
    "cifar_resnet18": _cifar_wide(_18),
    "cifar_resnet34": _cifar_wide(_34),
    "cifar_resnet50": _cifar_wide(_50),
    "cifar_resnet101": _cifar_wide(_101),
    "cifar_resnet152": _cifar_wide(_152),
    "cifar_resnext29_8x64d": _cifar_resnext(8),
    "cifar_resnext29_16x64d": _cifar_resnext(16),
    "plain18": replace(_18, shortcut="none"),
    "plain34": replace(_34, shortcut="none"),
    "cifar_plain20": _cifar(20, shortcut="none"),
    "cifar_plain32": _cifar(32, shortcut="none"),
    "cifar_plain44": _cifar(44, shortcut="none"),
    "cifar_plain56": _cifar(56, shortcut="none"),
    "cifar_plain110": _cifar(110, shortcut="none"),
    "resnet18_d2l": ResNetConfig("residual", (2, 2, 2, 2), **_D2L),  # type: ignore[arg-type]
    "resnet50_keras": replace(_50, **_KERAS),  # type: ignore[arg-type]
    "resnet101_keras": replace(_101, **_KERAS),  # type: ignore[arg-type]
    "resnet152_keras": replace(_152, **_KERAS),  # type: ignore[arg-type]
}
