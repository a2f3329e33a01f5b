"""The table of layer kinds: which classes and functions of both frameworks are one kind, and where its data is.

A row is all it takes to add a kind. `weights` lists its tensors as (torch name, Keras name, axes), where axes turn
torch's array into Keras's, `keras = torch.transpose(axes)`, or name a layout of arrays.py that transposing alone
cannot make. `static` lists the settings that must be equal as data; static.py reads them off either side's layer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Axes = tuple[int, ...] | str | None
Names = tuple[str, ...]


@dataclass(frozen=True)
class Kind:
    """One kind of layer. `torch` and `keras` are class names, looked up along a class's base classes.

    functions: torch functions that compute the same in `forward`, by the name that torch itself gives them.
    operations: the same for Keras, as names in its backend modules ("nn.relu"); activations go by the last part.
    layout: what the axes of its output mean. "channels": (N, C, ...) in torch and (N, ..., C) in Keras; "equal": the
    same in both; "input": as its input's.
    exact: backend operations that Keras does not compute in float64, replaced in that run by those of exact.py.
    """

    name: str
    torch: Names = ()
    keras: Names = ()
    weights: tuple[tuple[str, str, Axes], ...] = ()
    static: Names = ()
    layout: str = "input"
    functions: Names = ()
    operations: Names = ()
    exact: Names = ()
    test: Callable[[Any], bool] | None = None  # what else must hold of a layer of these classes
    squeezed: bool = False  # a global pool: (N, C, 1, 1) in torch and (N, C) in Keras are the same tensor
    idle: bool = False  # computes nothing in evaluation mode: needs no partner
    moves: bool = False  # moves numbers and computes nothing
    merges: bool = False  # joins tensors, as an operator does in a model written by hand
    parts: tuple[tuple[str, str, tuple[tuple[str, Any], ...]], ...] = ()  # see Part in paths.py
    known: bool = True


def _kernel(rank: int) -> tuple[int, ...]:
    """(out, in, ...) to (..., in, out), and for transposed convolutions (in, out, ...) to (..., out, in)."""
    return (*range(2, 2 + rank), 1, 0)


def _ranked(name: str, *ranks: int) -> Names:
    return tuple(name.format(rank) for rank in ranks)


def _names(module: str, *functions: str) -> Names:
    return tuple(f"{module}.{name}" for name in functions)


def is_global(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Whether an operation that gave `after` for a tensor `before` left one number a channel."""
    return len(before) > 2 and (len(after) == 2 or set(after[2:]) == {1} or set(after[1:-1]) == {1})


def _to_one(layer: Any) -> bool:
    """Whether an adaptive pool is a global one."""
    size = layer.output_size
    return set(size if isinstance(size, tuple) else (size,)) == {1}


def _slope(layer: Any) -> bool:
    return float(layer.negative_slope) != 0 and layer.max_value is None and not layer.threshold


def _six(layer: Any) -> bool:
    settings = (getattr(layer, name, wanted) for name, wanted in (("negative_slope", 0), ("threshold", 0)))
    return getattr(layer, "max_value", 6) == 6 and not any(settings)


def _plain(layer: Any) -> bool:
    """Whether a Keras ReLU has none of its three extra settings; a torch one has no such."""
    settings = ("negative_slope", "threshold", "max_value")
    return all(not getattr(layer, name, None) for name in settings)


def _zero(layer: Any) -> bool:
    return getattr(layer, "value", 0) == 0


BIAS = ("bias", "bias", None)
SCALE = (("weight", "gamma", None), ("bias", "beta", None))
RUNNING = (("running_mean", "moving_mean", None), ("running_var", "moving_variance", None))
CONVOLUTION = ("kernel_size", "stride", "padding", "dilation", "groups", "bias")
TRANSPOSED = ("kernel_size", "stride", "transposed_padding", "dilation", "bias")
POOL = ("kernel_size", "stride", "padding")
ALL = (1, 2, 3)

FLATTEN = Kind(
    "flatten",
    ("Flatten",),
    ("Flatten",),
    functions=("flatten", "view", "reshape", "ravel"),
    operations=("numpy.reshape", "numpy.ravel"),
    moves=True,
)
RESHAPE = Kind("reshape", ("Unflatten",), ("Reshape",), functions=("unflatten",), moves=True)

KINDS: tuple[Kind, ...] = (
    # Convolutions. A depthwise one is, in torch, a convolution with as many groups as input channels.
    *(
        Kind(
            "conv",
            (f"Conv{rank}d",),
            (f"Conv{rank}D",),
            (("weight", "kernel", _kernel(rank)), BIAS),
            CONVOLUTION,
            "channels",
        )
        for rank in ALL
    ),
    *(
        Kind(
            "conv",
            (),
            (f"DepthwiseConv{rank}D",),
            (("weight", "kernel", "depthwise"), BIAS),
            CONVOLUTION,
            "channels",
        )
        for rank in (1, 2)
    ),
    *(
        Kind(  # two layers in one: a depthwise convolution, and a 1x1 one that has the bias
            "separable_conv",
            (),
            (f"SeparableConv{rank}D",),
            parts=(
                ("depthwise", f"DepthwiseConv{rank}D", (("kernel", "depthwise_kernel"), ("bias", None))),
                (
                    "pointwise",
                    f"Conv{rank}D",
                    (
                        ("kernel", "pointwise_kernel"),
                        *((name, (1,) * rank) for name in ("kernel_size", "strides", "dilation_rate")),
                        ("padding", "valid"),
                        ("groups", 1),
                    ),
                ),
            ),
        )
        for rank in (1, 2)
    ),
    *(
        Kind(
            "conv_transpose",
            (f"ConvTranspose{rank}d",),
            (f"Conv{rank}DTranspose",),
            (("weight", "kernel", _kernel(rank)), BIAS),
            TRANSPOSED,
            "channels",
        )
        for rank in ALL
    ),
    Kind("dense", ("Linear",), ("Dense",), (("weight", "kernel", (1, 0)), BIAS), ("bias",), "equal"),
    Kind("embedding", ("Embedding",), ("Embedding",), (("weight", "embeddings", None),), layout="equal"),
    # Norms.
    Kind(
        "batch_norm",
        ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm"),
        ("BatchNormalization",),
        SCALE + RUNNING,
        ("eps", "momentum"),
        "channels",
    ),
    Kind(
        "group_norm",
        ("GroupNorm", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"),
        ("GroupNormalization",),
        SCALE,
        ("norm_groups", "eps"),
        "channels",
    ),
    Kind("layer_norm", ("LayerNorm",), ("LayerNormalization",), SCALE, ("eps",), "equal"),
    Kind("rms_norm", ("RMSNorm",), ("RMSNormalization",), (("weight", "scale", None),), layout="equal"),
    # Pools.
    *(
        Kind(
            f"{name}_pool",
            _ranked(f"{torch}Pool{{}}d", *ALL),
            _ranked(f"{keras}Pooling{{}}D", *ALL),
            static=POOL,
            layout="channels",
            functions=_ranked(f"{name}_pool{{}}d", *ALL),
            operations=(operation,),
            exact=(operation,),
        )
        for name, torch, keras, operation in (
            ("max", "Max", "Max", "nn.max_pool"),
            ("avg", "Avg", "Average", "nn.average_pool"),
        )
    ),
    *(
        Kind(
            f"global_{name}_pool",
            _ranked(f"Adaptive{torch}Pool{{}}d", *ALL),
            _ranked(f"Global{keras}Pooling{{}}D", *ALL) + _ranked(f"Adaptive{keras}Pooling{{}}D", *ALL),
            layout="channels",
            squeezed=True,
            functions=(function,),
            operations=(f"numpy.{operation}",),
            test=lambda layer: "Global" in type(layer).__name__ or _to_one(layer),
        )
        for name, torch, keras, function, operation in (
            ("max", "Max", "Max", "amax", "max"),
            ("avg", "Avg", "Average", "mean", "mean"),
        )
    ),
    *(
        Kind(
            f"adaptive_{name}_pool",
            _ranked(f"Adaptive{torch}Pool{{}}d", *ALL),
            _ranked(f"Adaptive{keras}Pooling{{}}D", *ALL),
            layout="channels",
            functions=_ranked(f"adaptive_{name}_pool{{}}d", *ALL),
            operations=(f"nn.adaptive_{keras.lower()}_pool",),
        )
        for name, torch, keras in (("max", "Max", "Max"), ("avg", "Avg", "Average"))
    ),
    # Shapes.
    Kind(
        "upsample",
        ("Upsample",),
        _ranked("UpSampling{}D", *ALL),
        static=("interpolation",),
        layout="channels",
        functions=("interpolate", "upsample"),
        operations=("image.resize",),
        exact=("image.resize",),
    ),
    Kind("zero_pad_shortcut", ("ZeroPadShortcut",), ("ZeroPadShortcut",), static=("stride",), layout="channels"),
    Kind(
        "zero_pad",
        _ranked("ConstantPad{}d", *ALL),  # ZeroPad2d is one
        _ranked("ZeroPadding{}D", *ALL),
        static=("margins",),
        layout="channels",
        functions=("pad",),
        operations=("numpy.pad",),
        test=_zero,
    ),
    FLATTEN,
    RESHAPE,
    Kind(
        "permute",
        (),
        ("Permute",),
        functions=("permute", "transpose", "movedim", "moveaxis", "swapaxes", "squeeze", "unsqueeze"),
        operations=_names("numpy", "transpose", "moveaxis", "swapaxes", "squeeze", "expand_dims"),
        moves=True,
    ),
    # Activations.
    Kind("relu", ("ReLU",), ("ReLU",), functions=("relu",), operations=("nn.relu",), test=_plain),
    Kind("relu6", ("ReLU6",), ("ReLU",), functions=("relu6",), operations=("nn.relu6",), test=_six),
    Kind(
        "leaky_relu",
        ("LeakyReLU",),
        ("LeakyReLU", "ReLU"),
        static=("slope",),
        functions=("leaky_relu",),
        operations=("nn.leaky_relu",),
        exact=("nn.leaky_relu",),
        test=lambda layer: "LeakyReLU" in type(layer).__name__ or _slope(layer),
    ),
    Kind("prelu", ("PReLU",), ("PReLU",), (("weight", "alpha", "vector"),)),
    Kind("elu", ("ELU",), ("ELU",), static=("alpha",), functions=("elu",), operations=("nn.elu",)),
    Kind("selu", ("SELU",), functions=("selu",), operations=("nn.selu",)),
    Kind("celu", ("CELU",), static=("alpha",), functions=("celu",), operations=("nn.celu",)),
    Kind(
        "gelu",
        ("GELU",),
        static=("approximate",),
        functions=("gelu",),
        operations=("nn.gelu",),
        exact=("nn.gelu",),
    ),
    Kind("silu", ("SiLU",), functions=("silu",), operations=("nn.silu", "nn.swish")),
    Kind("mish", ("Mish",), functions=("mish",), operations=("nn.mish",)),
    Kind("sigmoid", ("Sigmoid",), functions=("sigmoid",), operations=("nn.sigmoid",)),
    Kind("log_sigmoid", ("LogSigmoid",), functions=("logsigmoid", "log_sigmoid"), operations=("nn.log_sigmoid",)),
    Kind("tanh", ("Tanh",), functions=("tanh",), operations=("numpy.tanh", "nn.tanh")),
    Kind("softplus", ("Softplus",), functions=("softplus",), operations=("nn.softplus",)),
    Kind("softsign", ("Softsign",), functions=("softsign",), operations=("nn.softsign",)),
    Kind("hard_sigmoid", ("Hardsigmoid",), functions=("hardsigmoid",), operations=("nn.hard_sigmoid",)),
    Kind("hard_silu", ("Hardswish",), functions=("hardswish",), operations=("nn.hard_silu", "nn.hard_swish")),
    Kind("hard_tanh", ("Hardtanh",), functions=("hardtanh",), operations=("nn.hard_tanh",)),
    Kind("hard_shrink", ("Hardshrink",), functions=("hardshrink",), operations=("nn.hard_shrink",)),
    Kind("soft_shrink", ("Softshrink",), functions=("softshrink",), operations=("nn.soft_shrink",)),
    Kind("tanh_shrink", ("Tanhshrink",), functions=("tanhshrink",), operations=("nn.tanh_shrink",)),
    Kind("softmax", ("Softmax", "Softmax2d"), ("Softmax",), functions=("softmax",), operations=("nn.softmax",)),
    Kind("log_softmax", ("LogSoftmax",), functions=("log_softmax",), operations=("nn.log_softmax",)),
    # Nothing, in evaluation mode.
    Kind(
        "dropout",
        ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"),
        (
            "Dropout",
            *_ranked("SpatialDropout{}D", *ALL),
            "AlphaDropout",
            "GaussianDropout",
            "GaussianNoise",
            "ActivityRegularization",
        ),
        functions=("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_dropout"),
        idle=True,
    ),
    Kind(
        "identity",
        ("Identity",),
        ("Identity",),
        functions=("contiguous", "clone", "detach"),
        operations=("linear",),
        idle=True,
    ),
    Kind(
        "rescaling",
        (),
        ("Rescaling",),
        test=lambda layer: float(layer.scale) == 1 and float(layer.offset) == 0,
        idle=True,
    ),
    # Joints: what torch, and a Keras model written by hand, says with operators.
    *(
        Kind(name, (), (keras,), functions=functions, operations=(operation,), merges=True)
        for name, keras, functions, operation in (
            ("add", "Add", ("add", "iadd", "radd"), "numpy.add"),
            ("subtract", "Subtract", ("sub", "isub", "rsub", "subtract"), "numpy.subtract"),
            ("multiply", "Multiply", ("mul", "imul", "rmul", "multiply"), "numpy.multiply"),
            ("maximum", "Maximum", ("maximum", "max"), "numpy.maximum"),
            ("minimum", "Minimum", ("minimum", "min"), "numpy.minimum"),
            ("average", "Average", (), "numpy.average"),
            ("concatenate", "Concatenate", ("cat", "concat", "concatenate"), "numpy.concatenate"),
        )
    ),
)


def is_keras_layer(value: Any) -> bool:
    """Whether `value` is a Keras layer (or model), told without importing Keras."""
    return any(cls.__name__ == "Layer" and cls.__module__.startswith("keras.") for cls in type(value).__mro__)


def kind_of(layer: Any, framework: str) -> Kind:
    """The row of the table for a layer or an activation function; for an unknown class a row of that name alone."""
    names = [cls.__name__ for cls in type(layer).__mro__]
    if framework == "keras" and names[0] == "Activation":
        layer = layer.activation
        names = [cls.__name__ for cls in type(layer).__mro__]
    if framework == "keras" and not is_keras_layer(layer):
        name = function_of(layer)[0]
        return next((kind for kind in KINDS if name in _short(kind.operations)), Kind(name, known=False))
    for name in names:
        for kind in KINDS:
            classes = kind.torch if framework == "torch" else kind.keras
            if name in classes and (kind.test is None or kind.test(layer)):
                return kind
    return Kind(names[0].lower(), known=False)


def function_of(activation: Any) -> tuple[str, dict[str, Any]]:
    """The name of an activation function, through functools.partial, and the arguments that this gives it."""
    arguments: dict[str, Any] = {}
    while hasattr(activation, "func"):
        arguments = activation.keywords | arguments
        activation = activation.func
    return getattr(activation, "__name__", type(activation).__name__.lower()), arguments


def _short(operations: tuple[str, ...]) -> set[str]:
    return {name.rpartition(".")[2] for name in operations}
