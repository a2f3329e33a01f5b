"""Kinds that sum products of their inputs with weights: convolutions, dense layers, embeddings."""

from dataclasses import replace

from . import formulas, reruns, settings as of
from .kind import Kind, ranked
from .layouts import as_torch, depthwise, kernel

BIAS = ("bias", "bias", as_torch)
CONVOLUTION = Kind(
    "conv",
    ranked("Conv{}d"),
    ranked("Conv{}D"),
    (("weight", "kernel", kernel), BIAS),
    (of.KERNEL_SIZE, of.STRIDE, of.PADDING, of.PADDING_MODE, of.DILATION, of.GROUPS, of.BIAS),
    "channels",
    computed=ranked("conv{}d"),
    rerun=reruns.conv,
    formula=formulas.convolution,
    sums=True,
    padded=0.0,
    noun="convolution",
)

PRODUCTS = (
    CONVOLUTION,
    # The same kind: it is, in torch, a convolution with as many groups as input channels.
    replace(
        CONVOLUTION, torch=(), keras=ranked("DepthwiseConv{}D", 1, 2), weights=(("weight", "kernel", depthwise), BIAS)
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
    Kind(
        "conv_transpose",
        ranked("ConvTranspose{}d"),
        ranked("Conv{}DTranspose"),
        (("weight", "kernel", kernel), BIAS),
        (of.KERNEL_SIZE, of.STRIDE, of.TRANSPOSED_PADDING, of.DILATION, of.TRANSPOSED_GROUPS, of.BIAS),
        "channels",
        computed=ranked("conv_transpose{}d"),
        rerun=reruns.conv_transpose,
        formula=formulas.transposed_convolution,
        first="in",
        sums=True,
        noun="transposed convolution",
    ),
    Kind(
        "dense",
        ("Linear",),
        ("Dense",),
        (("weight", "kernel", kernel), BIAS),
        (of.BIAS,),
        "equal",
        computed=("linear",),
        rerun=reruns.dense,
        formula=formulas.dense,
        sums=True,
        flat=True,
        noun="dense layer",
    ),
    Kind("einsum", keras=("EinsumDense",), layout="equal", opaque=True, noun="dense layer by einsum"),
    Kind(
        "attention",
        keras=("MultiHeadAttention", "GroupedQueryAttention"),
        layout="equal",
        opaque=True,
        draws=("_dropout", "dropout"),
    ),
    Kind(
        "embedding",
        ("Embedding",),
        ("Embedding",),
        (("weight", "embeddings", as_torch),),
        layout="equal",
        functions=("embedding", "embedding_bag"),
        rerun=reruns.embedding,
        probe="rows",
        trained=("reverse_embeddings",),  # a head of its own, where it can run backwards: no lookup reads it
    ),
)
