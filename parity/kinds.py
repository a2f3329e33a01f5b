"""The table of layer kinds: which classes of both frameworks are one kind, and where their weights and settings are.

A row is all it takes to add a kind. `weights` lists a kind's tensors as (torch name, Keras name, axes), where axes
turn torch's array into Keras's: `keras = torch.transpose(axes)`. `static` lists the settings that must be equal as
data, as (name, torch attribute, Keras attribute).
"""

from dataclasses import dataclass

Axes = tuple[int, ...] | None
Names = tuple[str, ...]

OIHW_TO_HWIO = (2, 3, 1, 0)
OI_TO_IO = (1, 0)


@dataclass(frozen=True)
class Kind:
    """One kind of layer. `torch` and `keras` are class names, looked up along a class's base classes."""

    name: str
    torch: Names
    keras: Names
    weights: tuple[tuple[str, str, Axes], ...] = ()
    static: tuple[str, ...] = ()
    spatial: bool = False  # whether its tensors are (N, C, ...) in torch and (N, ..., C) in Keras
    squeezed: bool = False  # a global pool: (N, C, 1, 1) in torch and (N, C) in Keras are the same tensor
    known: bool = True


NORM = (
    ("weight", "gamma", None),
    ("bias", "beta", None),
    ("running_mean", "moving_mean", None),
    ("running_var", "moving_variance", None),
)
CONVOLUTION = ("kernel_size", "stride", "padding", "dilation", "groups", "bias")

KINDS: tuple[Kind, ...] = (
    Kind(
        "conv",
        ("Conv2d",),
        ("Conv2D",),
        (("weight", "kernel", OIHW_TO_HWIO), ("bias", "bias", None)),
        CONVOLUTION,
        True,
    ),
    Kind("batch_norm", ("BatchNorm2d", "SyncBatchNorm"), ("BatchNormalization",), NORM, ("eps", "momentum"), True),
    Kind("dense", ("Linear",), ("Dense",), (("weight", "kernel", OI_TO_IO), ("bias", "bias", None)), ("bias",)),
    Kind("max_pool", ("MaxPool2d",), ("MaxPooling2D",), static=("kernel_size", "stride", "padding"), spatial=True),
    Kind("avg_pool", ("AvgPool2d",), ("AveragePooling2D",), static=("kernel_size", "stride", "padding"), spatial=True),
    Kind("global_avg_pool", ("AdaptiveAvgPool2d",), ("GlobalAveragePooling2D",), squeezed=True),
    Kind("zero_pad_shortcut", ("ZeroPadShortcut",), ("ZeroPadShortcut",), static=("stride",), spatial=True),
    Kind("zero_pad", ("ZeroPad2d",), ("ZeroPadding2D",), spatial=True),
    Kind("flatten", ("Flatten",), ("Flatten",)),
    Kind("relu", ("ReLU",), ("ReLU",)),
    Kind("softmax", ("Softmax",), ("Softmax",)),
    Kind("sigmoid", ("Sigmoid",), ()),
    Kind("dropout", ("Dropout",), ("Dropout",)),
    Kind("identity", ("Identity",), ("Identity",)),
)
