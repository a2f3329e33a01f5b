"""Kinds that move, pad or resize, and have no weights."""

from typing import Any

from . import exact, reruns, settings as of
from .kind import Kind, ranked, within


def _zero(layer: Any) -> bool:
    return getattr(layer, "value", 0) == 0


MOVES = (
    Kind(
        "upsample",
        ("Upsample",),
        ranked("UpSampling{}D"),
        settings=(of.INTERPOLATION, of.SCALE),
        layout="channels",
        functions=("interpolate", "upsample"),
        operations=("image.resize",),
        exact=(exact.RESIZE,),
        rerun=reruns.upsample,
    ),
    # Not `moves`: torch takes channels as (C, r, r) and depth_to_space as (r, r, C), so the numbers must be compared.
    Kind(
        "pixel_shuffle",
        ("PixelShuffle",),
        ("PixelShuffle", "DepthToSpace"),  # Keras has no layer of its own for it
        layout="channels",
        functions=("pixel_shuffle",),
        operations=("nn.depth_to_space",),
    ),
    Kind("zero_pad_shortcut", ("ZeroPadShortcut",), ("ZeroPadShortcut",), settings=(of.STRIDE,), layout="channels"),
    Kind(
        "zero_pad",
        ranked("ConstantPad{}d"),  # ZeroPad2d is one
        ranked("ZeroPadding{}D"),
        settings=(of.MARGINS,),
        layout="channels",
        functions=("pad",),
        operations=("numpy.pad",),
        test=_zero,
        pads=True,
    ),
    Kind(
        "flatten",
        ("Flatten",),
        ("Flatten",),
        functions=("flatten", "view", "reshape", "ravel"),
        operations=("numpy.reshape", "numpy.ravel"),
        moves=True,
        ends="vector",
    ),
    Kind("reshape", ("Unflatten",), ("Reshape",), functions=("unflatten",), moves=True, ends="image"),
    Kind(
        "permute",
        (),
        ("Permute",),
        functions=("permute", "transpose", "movedim", "moveaxis", "swapaxes", "squeeze", "unsqueeze"),
        operations=within("numpy", "transpose", "moveaxis", "swapaxes", "squeeze", "expand_dims"),
        moves=True,
    ),
)
