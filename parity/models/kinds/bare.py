"""Kinds that are no layers: tensors that a model computes with itself."""

from dataclasses import replace

from .kind import Kind
from .layouts import as_torch

VALUE = (("value", "value", as_torch),)
PARAMETER = Kind("parameter", weights=VALUE, layout="equal", bare=True)
BUFFER = Kind("buffer", weights=VALUE, layout="equal", bare=True, spare=True)

# What one side alone adds, or multiplies by.
OFFSET = replace(PARAMETER, name="lone offset", neutral=(("value", 0.0),))
SCALE = replace(PARAMETER, name="lone scale", neutral=(("value", 1.0),))

BARE = (PARAMETER, BUFFER, OFFSET, SCALE)


def bare(weight: bool) -> Kind:
    """The row of a tensor outside of any layer: a parameter, or what is none."""
    return PARAMETER if weight else BUFFER
