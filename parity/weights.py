"""Weights by canonical name, in torch's layout, both ways; and the one rule that every tensor is used exactly once.

The canonical name is torch's state_dict key (`layer1.0.conv1.weight`), the canonical layout torch's (OIHW). Values are
NumPy arrays; a tensor goes from torch to Keras and back bit for bit, since its numbers are only moved.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .capture import LayerInfo
from .compare import Array
from .errors import ParityError, UnmatchedError
from .paths import Found


@dataclass(frozen=True)
class Layout:
    """A Keras array that is not merely torch's transposed: torch's, seen as `split`, transposed by `axes`, seen as
    `keras`, and then its rows taken in `order`. Each step has an inverse, so no number is lost or used twice.
    """

    torch: tuple[int, ...]
    split: tuple[int, ...]
    axes: tuple[int, ...]
    keras: tuple[int, ...]
    order: tuple[int, ...] | None = None


Axes = tuple[int, ...] | Layout | None


def torch_tensors(layers: Iterable[Found]) -> Iterator[tuple[str, Any]]:
    """(canonical name, tensor) for every parameter and buffer of the layers that the table of kinds knows."""
    for path, kind, layer in layers:
        for name, _, _ in kind.weights:
            tensor = getattr(layer, name, None)
            if tensor is not None:
                yield f"{path}.{name}" if path else name, tensor


def keras_variables(layers: Iterable[Found]) -> Iterator[tuple[str, Any, Axes]]:
    """(canonical name, variable, axes from torch's layout) for every variable of the known layers."""
    for path, kind, layer in layers:
        for torch_name, keras_name, axes in kind.weights:
            variable = getattr(layer, keras_name, None)
            if variable is not None:
                yield f"{path}.{torch_name}", variable, _resolved(axes, tuple(variable.shape))


def _resolved(axes: Any, shape: tuple[int, ...]) -> Axes:
    """A layout that the table names, for a Keras variable of this shape."""
    if axes == "depthwise":  # (..., in, multiplier); torch has in * multiplier groups' outputs on one axis
        *kernel, channels, multiplier = shape
        split = (channels, multiplier, *kernel)
        return Layout((channels * multiplier, 1, *kernel), split, (*range(2, len(split)), 0, 1), shape)
    if axes == "vector":  # (1, 1, C), where the other axes share one number a channel
        shared = set(shape[:-1]) <= {1}
        return Layout(shape[-1:], shape[-1:], (0,), shape) if shared else None
    return axes  # type: ignore[no-any-return]


def reordered(axes: tuple[int, ...], shape: tuple[int, ...], order: tuple[int, ...]) -> Layout:
    """The layout of a dense kernel, Keras's `shape` (in, out), whose row i is for torch's input order[i]."""
    torch = tuple(shape[axis] for axis in np.argsort(axes))
    return Layout(torch, torch, axes, shape, order)


def torch_shape(shape: tuple[int, ...], axes: Axes) -> tuple[int, ...]:
    """The shape in torch's layout of a Keras array."""
    if isinstance(axes, Layout):
        return axes.torch
    return shape if axes is None else tuple(shape[axis] for axis in np.argsort(axes))


def to_keras(array: Array, axes: Axes) -> Array:
    """torch's layout to Keras's."""
    if isinstance(axes, Layout):
        moved = array.reshape(axes.split).transpose(axes.axes).reshape(axes.keras)
        return np.ascontiguousarray(moved if axes.order is None else moved[list(axes.order)])
    return array if axes is None else np.ascontiguousarray(array.transpose(axes))


def to_torch(array: Array, axes: Axes) -> Array:
    """Keras's layout to torch's."""
    if isinstance(axes, Layout):
        moved = array if axes.order is None else array[np.argsort(axes.order)]
        wide = moved.reshape([axes.split[axis] for axis in axes.axes]).transpose(np.argsort(axes.axes))
        return np.ascontiguousarray(wide.reshape(axes.torch))
    return array if axes is None else np.ascontiguousarray(array.transpose(np.argsort(axes)))


def shapes_of(layers: Iterable[LayerInfo]) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor, in torch's layout, by canonical name."""
    return {f"{layer.path}.{name}": shape for layer in layers for name, shape in layer.weights.items()}


def check_shapes(
    source: dict[str, tuple[int, ...]], destination: dict[str, tuple[int, ...]], names: tuple[str, str]
) -> None:
    """Raise unless both sides have the same names with the same shapes. `names` are the sides', for the message."""
    sides = dict(
        zip(
            names, (sorted(source.keys() - destination.keys()), sorted(destination.keys() - source.keys())), strict=True
        )
    )
    if any(sides.values()):
        text = "; ".join(f"only {name} has {', '.join(keys)}" for name, keys in sides.items() if keys)
        raise UnmatchedError(
            f"the weights cannot be copied: both models must have the same tensors, but {text}; "
            "compare the two definitions, or check them as they are with --weights keep",
            sides.get("torch", []),
            sides.get("keras", []),
        )
    wrong = [f"{key} {source[key]} and {destination[key]}" for key in source if source[key] != destination[key]]
    if wrong:
        raise ParityError(
            f"the weights cannot be copied: shapes (in torch's layout) must be equal, but {names[0]} and {names[1]} "
            f"have {', '.join(wrong)}; nothing is reshaped to fit, so correct one of the definitions"
        )
