"""Kinds that are applied to what a layer gave: activations."""

from typing import Any

import numpy as np

from . import exact, formulas, reruns, settings as of
from .kind import Kind
from .layouts import vector


def _plain(layer: Any) -> bool:
    """Whether a Keras ReLU has none of its three extra settings; a torch one has no such."""
    settings = ("negative_slope", "threshold", "max_value")
    return all(not getattr(layer, name, None) for name in settings)


def _six(layer: Any) -> bool:
    settings = (getattr(layer, name, wanted) for name, wanted in (("negative_slope", 0), ("threshold", 0)))
    return getattr(layer, "max_value", 6) == 6 and not any(settings)


def _slope(layer: Any) -> bool:
    """Whether a layer is a LeakyReLU, or a Keras ReLU that is one by its settings."""
    if "LeakyReLU" in type(layer).__name__:
        return True
    return float(layer.negative_slope) != 0 and layer.max_value is None and not layer.threshold


ACTIVATIONS = (
    Kind(
        "relu",
        ("ReLU",),
        ("ReLU",),
        functions=("relu",),
        operations=("nn.relu",),
        test=_plain,
        formula=formulas.of_each(lambda x: np.maximum(x, 0)),
        dead=(0.0,),
        activation=True,
        fixed=True,
        idempotent=True,
    ),
    Kind(
        "relu6",
        ("ReLU6",),
        ("ReLU",),
        functions=("relu6",),
        operations=("nn.relu6",),
        test=_six,
        formula=formulas.of_each(lambda x: np.clip(x, 0, 6)),
        dead=(0.0, 6.0),
        activation=True,
        fixed=True,
        idempotent=True,
    ),
    Kind(
        "leaky_relu",
        ("LeakyReLU",),
        ("LeakyReLU", "ReLU"),
        settings=(of.SLOPE,),
        functions=("leaky_relu",),
        operations=("nn.leaky_relu",),
        exact=(exact.LEAKY_RELU,),
        test=_slope,
        formula=formulas.leaky_relu,
        activation=True,
    ),
    Kind("prelu", ("PReLU",), ("PReLU",), (("weight", "alpha", vector),), rerun=reruns.prelu),
    Kind(
        "elu",
        ("ELU",),
        ("ELU",),
        settings=(of.ALPHA,),
        functions=("elu",),
        operations=("nn.elu",),
        formula=formulas.elu,
        activation=True,
    ),
    Kind("selu", ("SELU",), functions=("selu",), operations=("nn.selu",), activation=True),
    Kind("celu", ("CELU",), settings=(of.ALPHA,), functions=("celu",), operations=("nn.celu",), activation=True),
    Kind(
        "gelu",
        ("GELU",),
        settings=(of.APPROXIMATE,),
        functions=("gelu",),
        operations=("nn.gelu",),
        exact=(exact.GELU,),
        formula=formulas.gelu,
        activation=True,
    ),
    Kind(
        "silu",
        ("SiLU",),
        functions=("silu",),
        operations=("nn.silu", "nn.swish"),
        formula=formulas.of_each(lambda x: x * formulas.sigmoid(x)),
        activation=True,
    ),
    Kind("mish", ("Mish",), functions=("mish",), operations=("nn.mish",), activation=True),
    Kind(
        "sigmoid",
        ("Sigmoid",),
        functions=("sigmoid",),
        operations=("nn.sigmoid",),
        formula=formulas.of_each(formulas.sigmoid),
        activation=True,
    ),
    Kind(
        "log_sigmoid",
        ("LogSigmoid",),
        functions=("logsigmoid", "log_sigmoid"),
        operations=("nn.log_sigmoid",),
        activation=True,
    ),
    Kind(
        "tanh",
        ("Tanh",),
        functions=("tanh",),
        operations=("numpy.tanh", "nn.tanh"),
        formula=formulas.of_each(np.tanh),
        activation=True,
    ),
    Kind("softplus", ("Softplus",), functions=("softplus",), operations=("nn.softplus",), activation=True),
    Kind("softsign", ("Softsign",), functions=("softsign",), operations=("nn.softsign",), activation=True),
    Kind(
        "hard_sigmoid", ("Hardsigmoid",), functions=("hardsigmoid",), operations=("nn.hard_sigmoid",), activation=True
    ),
    Kind(
        "hard_silu",
        ("Hardswish",),
        functions=("hardswish",),
        operations=("nn.hard_silu", "nn.hard_swish"),
        activation=True,
    ),
    Kind(
        "hard_tanh",
        ("Hardtanh",),
        functions=("hardtanh",),
        operations=("nn.hard_tanh",),
        activation=True,
        idempotent=True,
    ),
    Kind("hard_shrink", ("Hardshrink",), functions=("hardshrink",), operations=("nn.hard_shrink",), activation=True),
    Kind("soft_shrink", ("Softshrink",), functions=("softshrink",), operations=("nn.soft_shrink",), activation=True),
    Kind("tanh_shrink", ("Tanhshrink",), functions=("tanhshrink",), operations=("nn.tanh_shrink",), activation=True),
    Kind(
        "softmax",
        ("Softmax", "Softmax2d"),
        ("Softmax",),
        functions=("softmax",),
        rerun=reruns.along("softmax"),
        operations=("nn.softmax",),
        formula=formulas.of_each(formulas.softmax),
        activation=True,
        alone="softmax on one side",
    ),
    Kind(
        "log_softmax",
        ("LogSoftmax",),
        functions=("log_softmax",),
        rerun=reruns.along("log_softmax"),
        operations=("nn.log_softmax",),
        formula=formulas.of_each(lambda x: np.log(formulas.softmax(x))),
        activation=True,
    ),
)
