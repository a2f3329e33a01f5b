"""A class or function that a program calls -> the names of its arguments, in order. One table a framework.

They are the frameworks' own; a test compares every row with theirs. What is written by position is found by these.
"""

from collections.abc import Iterator

Names = tuple[str, ...]


def _ranked(name: str, names: str) -> Iterator[tuple[str, Names]]:
    yield from ((name.format(rank), tuple(names.split())) for rank in (1, 2, 3))


CONVOLUTION = "filters kernel_size strides padding data_format dilation_rate groups activation use_bias"
DEPTHWISE = "kernel_size strides padding depth_multiplier data_format dilation_rate activation use_bias"
TRANSPOSED = "filters kernel_size strides padding output_padding data_format dilation_rate activation use_bias"
INTERPOLATE = "input size scale_factor mode align_corners recompute_scale_factor antialias"
KERNELS = "kernel_initializer recurrent_initializer bias_initializer"
PENALTIES = "kernel_regularizer recurrent_regularizer bias_regularizer activity_regularizer"
CONSTRAINTS = "kernel_constraint recurrent_constraint bias_constraint"

TORCH: dict[str, Names] = {
    **dict(_ranked("Conv{}d", "in_channels out_channels kernel_size stride padding dilation groups bias padding_mode")),
    **dict(
        _ranked(
            "ConvTranspose{}d",
            "in_channels out_channels kernel_size stride padding output_padding groups bias dilation",
        )
    ),
    **dict(_ranked("BatchNorm{}d", "num_features eps momentum affine track_running_stats")),
    **dict(_ranked("InstanceNorm{}d", "num_features eps momentum affine track_running_stats")),
    **dict(_ranked("MaxPool{}d", "kernel_size stride padding dilation return_indices ceil_mode")),
    **dict(_ranked("AvgPool{}d", "kernel_size stride padding ceil_mode count_include_pad")),
    "AvgPool1d": ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"),
    **{
        name: tuple(names.split())
        for name, names in {
            "Linear": "in_features out_features bias",
            "Dropout": "p inplace",
            "GroupNorm": "num_groups num_channels eps affine",
            "LayerNorm": "normalized_shape eps elementwise_affine bias",
            "RMSNorm": "normalized_shape eps elementwise_affine",
            "LeakyReLU": "negative_slope inplace",
            **dict.fromkeys(("ZeroPad1d", "ZeroPad2d", "ZeroPad3d"), "padding"),
            "ELU": "alpha inplace",
            "CELU": "alpha inplace",
            "GELU": "approximate",
            "Softmax": "dim",
            "LogSoftmax": "dim",
            "Upsample": "size scale_factor mode align_corners",
            "leaky_relu": "input negative_slope inplace",
            "elu": "input alpha inplace",
            "celu": "input alpha inplace",
            "softmax": "input dim",
            "log_softmax": "input dim",
            "interpolate": INTERPOLATE,
            "layer_norm": "input normalized_shape weight bias eps",
            "group_norm": "input num_groups weight bias eps",
            "batch_norm": "input running_mean running_var weight bias training momentum eps",
            "gelu": "input",
            "avg_pool2d": "input kernel_size stride padding ceil_mode count_include_pad",
            "max_pool2d": "input kernel_size stride padding dilation ceil_mode",
        }.items()
    },
}

KERAS: dict[str, Names] = {
    **dict(_ranked("Conv{}D", CONVOLUTION)),
    **dict(_ranked("Conv{}DTranspose", TRANSPOSED)),
    "Conv3DTranspose": (*TRANSPOSED.split()[:4], "data_format", "output_padding", *TRANSPOSED.split()[6:]),
    "DepthwiseConv1D": tuple(DEPTHWISE.split()),
    "DepthwiseConv2D": tuple(DEPTHWISE.split()),
    **dict(_ranked("MaxPooling{}D", "pool_size strides padding data_format")),
    **dict(_ranked("AveragePooling{}D", "pool_size strides padding data_format")),
    **dict(_ranked("UpSampling{}D", "size")),
    "UpSampling2D": ("size", "data_format", "interpolation"),
    **{
        name: tuple(names.split())
        for name, names in {
            "Dense": "units activation use_bias",
            "Dropout": "rate noise_shape seed",
            "BatchNormalization": "axis momentum epsilon center scale beta_initializer gamma_initializer "
            "moving_mean_initializer moving_variance_initializer beta_regularizer gamma_regularizer beta_constraint "
            "gamma_constraint renorm",
            "GroupNormalization": "groups axis epsilon center scale",
            "LayerNormalization": "axis epsilon center scale",
            "RMSNormalization": "axis epsilon",
            "LeakyReLU": "negative_slope",
            "ReLU": "max_value negative_slope threshold",
            "ELU": "alpha",
            "Softmax": "axis",
            "ZeroPadding1D": "padding",
            "ZeroPadding2D": "padding data_format",
            "ZeroPadding3D": "padding data_format",
            "Flatten": "data_format",
            "resize": "images size interpolation antialias",
            "SimpleRNN": f"units activation use_bias {KERNELS} {PENALTIES} {CONSTRAINTS} dropout recurrent_dropout "
            "return_sequences return_state go_backwards",
            "LSTM": f"units activation recurrent_activation use_bias {KERNELS} unit_forget_bias {PENALTIES} "
            f"{CONSTRAINTS} dropout recurrent_dropout seed return_sequences return_state go_backwards",
            "GRU": f"units activation recurrent_activation use_bias {KERNELS} {PENALTIES} {CONSTRAINTS} dropout "
            "recurrent_dropout seed return_sequences return_state go_backwards stateful unroll reset_after",
            "leaky_relu": "x negative_slope",
            "elu": "x alpha",
            "celu": "x alpha",
            "gelu": "x approximate",
            "softmax": "x axis",
            "log_softmax": "x axis",
            "max_pool": "inputs pool_size strides padding",
            "average_pool": "inputs pool_size strides padding",
            "layer_normalization": "x gamma beta axis epsilon",
            "batch_normalization": "x mean variance axis offset scale epsilon",
        }.items()
    },
}

# Other names of the same classes.
SAME = {f"MaxPool{r}D": f"MaxPooling{r}D" for r in (1, 2, 3)} | {
    f"AvgPool{r}D": f"AveragePooling{r}D" for r in (1, 2, 3)
}
SAME |= {f"Convolution{r}D": f"Conv{r}D" for r in (1, 2, 3)}

SIGNATURES = {"torch": TORCH, "keras": KERAS}


def signature(name: str, side: str) -> Names | None:
    """The names of the arguments; None for what is in no table."""
    return SIGNATURES[side].get(SAME.get(name, name))
