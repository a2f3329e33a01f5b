"""Weights by canonical name, in torch's layout, both ways; and the one rule that every tensor is used exactly once.

The canonical name is torch's state_dict key (`layer1.0.conv1.weight`), the canonical layout torch's (OIHW). Values are
NumPy arrays; a tensor goes from torch to Keras and back bit for bit, since its numbers are only moved.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np


@dataclass(frozen=True)
class Layout:
    """A Keras array that is not merely torch's transposed: torch's, seen as `split`, whose first axis is taken in the
    order of `blocks`, transposed by `axes`, seen as `keras`, and then its rows taken in `order`. Each step has an
    inverse, so no number is lost or used twice. row: of Keras's array it is that row alone.
    """

    torch: tuple[int, ...]
    split: tuple[int, ...]
    axes: tuple[int, ...]
    keras: tuple[int, ...]
    order: tuple[int, ...] | None = None
    blocks: tuple[int, ...] | None = None
    row: int | None = None


Axes = tuple[int, ...] | Layout | None


def reordered(
    axes: tuple[int, ...], shape: tuple[int, ...], order: tuple[int, ...] | None, columns: tuple[int, ...] | None = None
) -> Layout:
    """The layout of a dense kernel, Keras's `shape` (in, out), whose row i is for torch's input order[i].

    Its column i, or number i of a vector's weights, is for torch's output columns[i].
    """
    torch = tuple(shape[axis] for axis in np.argsort(axes))
    return Layout(torch, torch, axes, shape, order, columns)


# torch's axis of what is the last one in a framework with channels last, by the layout of a tensor: of an image, and of
# a sequence of images (N, T, C, ...).
CHANNELS = {"channels": 1, "frames": 2}


def channels_first(array: "Array", layout: str) -> "Array":
    """An array whose channels are last as torch has it; of any other layout as it is."""
    axis = CHANNELS.get(layout)
    return array if axis is None or array.ndim < axis + 2 else np.moveaxis(array, -1, axis)


def channels_last(array: "Array", layout: str) -> "Array":
    """The reverse."""
    axis = CHANNELS.get(layout)
    return array if axis is None or array.ndim < axis + 2 else np.moveaxis(array, axis, -1)


def fitting(torch: tuple[int, ...], keras: tuple[int, ...]) -> "Axes | Literal[False]":
    """How an array of torch's lies in one of Keras's, by their shapes alone; False where they do not say so.

    Axes of one number may stand anywhere; of the others, channels first in torch and last in Keras, or lengths that
    are all different.
    """
    if torch == keras:
        return None
    plain = [tuple(size for size in shape if size != 1) for shape in (torch, keras)]
    if plain[0] == plain[1]:
        return Layout(torch, torch, tuple(range(len(torch))), keras)
    moved = (0, *range(2, len(torch)), 1)
    if len(torch) > 2 and tuple(torch[axis] for axis in moved) == keras:
        return moved
    if len(set(torch)) == len(torch) and sorted(torch) == sorted(keras):
        return tuple(torch.index(size) for size in keras)
    return False


def torch_shape(shape: tuple[int, ...], axes: Axes) -> tuple[int, ...]:
    """The shape in torch's layout of a Keras array."""
    if isinstance(axes, Layout):
        return axes.torch
    return shape if axes is None else tuple(shape[axis] for axis in np.argsort(axes))


Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class View:
    """How one side's array lies beside the other's: transposed by `axes`, and then in the shape (N, *sample)."""

    axes: tuple[int, ...]
    sample: tuple[int, ...]

    def seen(self, array: Array) -> Array:
        """An array of this side in the other's axes."""
        return array.transpose(self.axes).reshape(-1, *self.sample)

    def put_back(self, array: Array, shape: tuple[int, ...]) -> Array:
        """`seen` undone, for an array of this side's `shape`."""
        moved = array.reshape([shape[axis] for axis in self.axes])
        return np.ascontiguousarray(moved.transpose(np.argsort(self.axes)))


def to_keras(array: Array, axes: Axes) -> Array:
    """torch's layout to Keras's."""
    if isinstance(axes, Layout):
        wide = array.reshape(axes.split)
        wide = wide if axes.blocks is None else wide[list(axes.blocks)]
        moved = wide.transpose(axes.axes).reshape(axes.keras)
        return np.ascontiguousarray(moved if axes.order is None else moved[list(axes.order)])
    return array if axes is None else np.ascontiguousarray(array.transpose(axes))


def placed(array: Array, axes: Axes, kept: Callable[[], Array]) -> Array:
    """Keras's array with torch's in its place; `kept` gives the one that is there, of which it may be one row."""
    moved = to_keras(array, axes)
    if not isinstance(axes, Layout) or axes.row is None:
        return moved
    whole = kept()
    whole = np.array(whole, np.result_type(whole, moved))
    whole[axes.row] = moved
    return whole


def to_torch(array: Array, axes: Axes) -> Array:
    """Keras's layout to torch's."""
    if isinstance(axes, Layout):
        array = array if axes.row is None else array[axes.row]
        moved = array if axes.order is None else array[np.argsort(axes.order)]
        wide = moved.reshape([axes.split[axis] for axis in axes.axes]).transpose(np.argsort(axes.axes))
        wide = wide if axes.blocks is None else wide[np.argsort(axes.blocks)]
        return np.ascontiguousarray(wide.reshape(axes.torch))
    return array if axes is None else np.ascontiguousarray(array.transpose(np.argsort(axes)))


def is_coarse(array: Array) -> bool:
    """Whether float32 numbers are what rounding left: 0.1, and not 0.5 or a number of pixels, has all its 24 bits."""
    return array.dtype == np.float32 and bool((np.ascontiguousarray(array).view(np.uint32) & 0xFF).any())
