"""A setting in torch's terms -> the arguments by which each framework's layers and functions are given it, as text.

A row says {argument: text}; None: the framework cannot be told so. What an argument is called depends on the class: of
several names the first that it has is meant. Padding, which may need a layer of its own, is in padding.py.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

Arguments = dict[str, str]
Spelled = Callable[[Any], Arguments | None]


def number(value: float) -> str:
    """A number as people write it: 1e-5, not 1e-05."""
    return re.sub(r"e([-+])0+(?=\d)", r"e\1", repr(value))


def sizes(value: Sequence[Any]) -> str:
    """One number where it is the same for every axis."""
    return repr(value[0]) if len(set(map(repr, value))) == 1 else repr(tuple(value))


def _as(argument: str, text: Callable[[Any], str] = repr) -> Spelled:
    return lambda value: {argument: text(value)}


def _keras_interpolation(value: str) -> Arguments | None:
    name = {"linear": "bilinear"}.get(value, value)
    return None if "," in name or "exact" in name else {"interpolation": repr(name)}


def _torch_interpolation(value: str) -> Arguments | None:
    return {"mode": '"nearest"'} if value == "nearest" else {"mode": '"bilinear"', "align_corners": "False"}


def quoted(value: Any) -> str:
    """A name in the quotes that most programs have."""
    return f'"{value}"'


def _torch_cuts(value: Any) -> Arguments | None:
    """(cut before, cut after) on every axis of a transposed convolution's full output."""
    if any(before < 0 or before < after for before, after in value):
        return None
    extra = [before - after for before, after in value]
    padding = {"padding": sizes([before for before, _ in value])}
    return padding | {"output_padding": sizes(extra)}


def _dropout(argument: str) -> Spelled:
    """Of a layer that drops single numbers: its rate; 0 where the other side drops none."""

    def told(value: Any) -> Arguments | None:
        form, _, rate = str(value).rpartition(" ")
        return {argument: "0.0" if not form else rate} if form in ("", "dropout") else None

    return told


def _torch_margins(value: Any) -> Arguments:
    return {"padding": repr(tuple(size for pair in reversed(value) for size in pair))}


def _keras_margins(value: Any) -> Arguments:
    return {"padding": margins(value)}


def margins(value: Any) -> str:
    """(before, after) for every axis as Keras takes it: one number, or one an axis, where that says the same."""
    pairs = [tuple(pair) for pair in value]
    if all(before == after for before, after in pairs):
        return sizes([before for before, _ in pairs])
    return repr(pairs[0] if len(pairs) == 1 else tuple(pairs))


SPELLED: dict[str, dict[str, Spelled]] = {
    "torch": {
        "eps": _as("eps", number),
        "momentum": _as("momentum", number),
        "stride": _as("stride", sizes),
        "dilation": _as("dilation", sizes),
        "kernel_size": _as("kernel_size", sizes),
        "groups": _as("groups"),
        "padding_mode": _as("padding_mode", quoted),
        "transposed_padding": _torch_cuts,
        "dropout": _dropout("p"),
        "norm_groups": _as("num_groups"),
        "bias": _as("bias"),
        "slope": _as("negative_slope", number),
        "alpha": _as("alpha", number),
        "approximate": lambda value: {"approximate": '"tanh"' if value else '"none"'},
        "interpolation": _torch_interpolation,
        "margins": _torch_margins,
        "axis": _as("dim"),
        "count_include_pad": _as("count_include_pad"),
        "ceil_mode": _as("ceil_mode"),
        "align_corners": _as("align_corners"),
        "antialias": _as("antialias"),
        "scale": _as("scale_factor", sizes),
    },
    "keras": {
        "eps": _as("epsilon", number),
        "momentum": lambda value: {"momentum": number(round(1 - value, 12))},
        "stride": _as("strides", sizes),
        "dilation": _as("dilation_rate", sizes),
        "kernel_size": _as("kernel_size|pool_size", sizes),
        "groups": _as("groups"),
        "dropout": _dropout("rate"),
        "norm_groups": _as("groups"),
        "bias": _as("use_bias"),
        "slope": _as("negative_slope", number),
        "alpha": _as("alpha", number),
        "approximate": _as("approximate"),
        "interpolation": _keras_interpolation,
        "margins": _keras_margins,
        "axis": _as("axis"),
        "reset_after": _as("reset_after"),
        "reverse": _as("go_backwards"),
        "activation": _as("activation", quoted),
        "recurrent_activation": _as("recurrent_activation", quoted),
        "renorm": _as("renorm"),
        "antialias": _as("antialias"),
        "scale": _as("size", sizes),
    },
}
