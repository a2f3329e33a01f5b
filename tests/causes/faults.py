"""Faults to plant: what people really get wrong when they port a network, each on either side of a matched pair.

A fault changes one layer of one model in place (by swapping its class for one that computes wrongly, or by changing a
setting or a weight) after the weights were copied, and says which cause a check must name.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from keras import ops
from torch.nn import functional as F

from . import planting

CONV, NORM, RELU, FIRST, STRIDED, GROUPED = "conv", "norm", "relu", "first conv", "strided conv", "grouped conv"
BIASED, BARE, BLOCK, PROJECTED = "biased conv", "conv without bias", "block", "projecting block"
MOVABLE, OUTPUT = "block of stride 2", "output"


@dataclass(frozen=True)
class Fault:
    """`plant[side](layer)` breaks a layer of `kind`; `cause` is the name that the report must give.

    at: by side, the name below the place that the report must blame; the place itself where there is none.
    """

    name: str
    kind: str
    cause: str
    torch: Callable[[Any], None]
    keras: Callable[[Any], None]
    at: dict[str, str] = field(default_factory=dict)

    def plant(self, layer: Any, side: str) -> None:
        (self.torch if side == "torch" else self.keras)(layer)

    def blamed(self, path: str, side: str) -> str:
        """The path that the report must give for this fault at a path."""
        return f"{path}.{self.at[side]}" if self.at else path


def lowered(dtype: str) -> tuple[Callable[[Any], None], Callable[[Any], None]]:
    return planting.lowered_torch(getattr(torch, dtype)), planting.lowered_keras(dtype)


FAULTS = [
    Fault(
        "asymmetric padding",
        STRIDED,
        "asymmetric padding",
        lambda layer: planting.torch_conv(layer, pads=planting.same_pads),
        lambda layer: planting.keras_conv(layer, pads=planting.same_pads),
    ),
    Fault(
        "epsilon", NORM, "BN eps", planting.set_attribute("eps", 1.001e-5), planting.set_attribute("epsilon", 1.001e-5)
    ),
    Fault("training mode", NORM, "BN train/eval mode", planting.torch_norm, planting.keras_norm),
    Fault(
        "momentum",
        NORM,
        "BN momentum",
        planting.set_attribute("momentum", 0.01),
        planting.set_attribute("momentum", 0.99),
    ),
    Fault(
        "mean and variance",
        NORM,
        "mean and variance swapped",
        planting.swap_torch("running_mean", "running_var"),
        planting.swap_keras("moving_mean", "moving_variance"),
    ),
    Fault(
        "gamma and beta",
        NORM,
        "gamma and beta swapped",
        planting.swap_torch("weight", "bias"),
        planting.swap_keras("gamma", "beta"),
    ),
    Fault(
        "spatially transposed",
        CONV,
        "kernel spatially transposed",
        lambda layer: planting.torch_conv(layer, weight=planting.transposed),
        lambda layer: planting.keras_conv(layer, weight=planting.transposed),
    ),
    Fault(
        "in/out transposed",
        CONV,
        "kernel in/out transposed",
        lambda layer: planting.torch_conv(layer, weight=planting.in_out),
        lambda layer: planting.keras_conv(layer, weight=planting.in_out),
    ),
    Fault(
        "dilated",
        CONV,
        "wrong dilation",
        lambda layer: planting.torch_conv(layer, pads=lambda x: [2] * 4, dilation=2),
        lambda layer: planting.keras_conv(layer, pads=lambda x: [2] * 4, dilation=2),
    ),
    Fault(
        "activation too many",
        NORM,
        "missing or extra activation",
        planting.after(torch.tanh, "forward"),
        planting.after(ops.tanh, "call"),
    ),
    Fault(
        "activation missing",
        RELU,
        "missing or extra activation",
        planting.instead(torch.clone, "forward"),
        planting.instead(ops.copy, "call"),
    ),
    Fault(
        "slope",
        RELU,
        "activation slope",
        planting.instead(lambda x: F.leaky_relu(x, 0.01), "forward"),
        planting.instead(lambda x: ops.where(x > 0, x, 0.01 * x), "call"),
    ),
    Fault(
        "channels reversed",
        FIRST,
        "channel order of the input",
        planting.before(lambda x: x.flip(1), "forward"),
        planting.before(lambda x: ops.flip(x, -1), "call"),
    ),
    Fault(
        "layout",
        CONV,
        "layout read as the other",
        planting.before(planting.reads_nchw_torch, "forward"),
        planting.before(planting.reads_nchw_keras, "call"),
    ),
    Fault("one layer in bfloat16", CONV, "reduced precision", *lowered("bfloat16")),
    Fault("one layer in float16", CONV, "reduced precision", *lowered("float16")),
    Fault("biased layer in bfloat16", BIASED, "reduced precision", *lowered("bfloat16")),
    Fault("not copied", CONV, "weight not copied", planting.zeroed_torch, planting.zeroed_keras),
    Fault("one weight off by 1e-6", CONV, "weight not copied", planting.off_torch, planting.off_keras),
    Fault(
        "one channel permuted", CONV, "channels of a weight permuted", planting.permuted_torch, planting.permuted_keras
    ),
    Fault(
        "group order",
        GROUPED,
        "group order",
        lambda layer: planting.torch_conv(layer, weight=planting.rolled),
        lambda layer: planting.keras_conv(layer, weight=planting.rolled),
    ),
    Fault("not a number", CONV, "NaN or infinity", planting.nan_torch, planting.nan_keras),
    Fault("one layer in TF32", CONV, "reduced precision", planting.in_tf32_torch, planting.in_tf32_keras),
    Fault("biased variance", NORM, "biased variance", planting.biased_torch, planting.biased_keras),
    Fault("bias left out", BIASED, "missing or extra bias", planting.without_bias_torch, planting.without_bias_keras),
    Fault("bias too many", BARE, "missing or extra bias", planting.with_bias_torch, planting.with_bias_keras),
    Fault(
        "shortcut missing",
        BLOCK,
        "shortcut missing",
        planting.no_shortcut_torch,
        planting.no_shortcut_keras,
        {"torch": "glue", "keras": "add"},  # torch names its additions, Keras does not
    ),
    Fault(
        "shortcut without its norm",
        PROJECTED,
        "shortcut projected",
        planting.bare_projection_torch,
        planting.bare_projection_keras,
        {"torch": "add", "keras": "add"},
    ),
    Fault(
        "stride moved",
        MOVABLE,
        "stride on the wrong convolution",
        planting.moved_torch,
        planting.moved_keras,
        {"torch": "conv1", "keras": "conv1"},
    ),
    Fault("softmax", OUTPUT, "softmax on one side", planting.softmax_torch, planting.softmax_keras),
]
