"""How a weight lies in Keras: the shape of Keras's array -> the axes that turn torch's array into it."""

from parity.models.arrays import Axes, Layout

from .kind import Shape


def as_torch(shape: Shape) -> Axes:
    """The same array."""
    return None


def kernel(shape: Shape) -> Axes:
    """(out, in, ...) in torch, of a transposed convolution (in, out, ...): the last axis but one, and the last."""
    return (*range(2, len(shape)), 1, 0)


def depthwise(shape: Shape) -> Axes:
    """(..., in, multiplier); torch has in * multiplier groups' outputs on one axis."""
    *field, channels, multiplier = shape
    split = (channels, multiplier, *field)
    return Layout((channels * multiplier, 1, *field), split, (*range(2, len(split)), 0, 1), shape)


def vector(shape: Shape) -> Axes:
    """(1, 1, C), where the other axes share one number a channel."""
    shared = set(shape[:-1]) <= {1}
    return Layout(shape[-1:], shape[-1:], (0,), shape) if shared else None
