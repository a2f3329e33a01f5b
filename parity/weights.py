"""Weights by canonical name, in torch's layout, both ways; and the one rule that every tensor is used exactly once.

The canonical name is torch's state_dict key (`layer1.0.conv1.weight`), the canonical layout torch's (OIHW). Values are
NumPy arrays; a tensor goes from torch to Keras and back bit for bit, since it is only transposed.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .compare import Array
from .errors import ParityError, UnmatchedError
from .paths import Found


def torch_tensors(layers: Iterable[Found]) -> Iterator[tuple[str, Any]]:
    """(canonical name, tensor) for every parameter and buffer of the layers that the table of kinds knows."""
    for path, kind, layer in layers:
        for name, _, _ in kind.weights:
            tensor = getattr(layer, name, None)
            if tensor is not None:
                yield f"{path}.{name}", tensor


def keras_variables(layers: Iterable[Found]) -> Iterator[tuple[str, Any, tuple[int, ...] | None]]:
    """(canonical name, variable, axes from torch's layout) for every variable of the known layers."""
    for path, kind, layer in layers:
        for torch_name, keras_name, axes in kind.weights:
            variable = getattr(layer, keras_name, None)
            if variable is not None:
                yield f"{path}.{torch_name}", variable, axes


def to_keras(array: Array, axes: tuple[int, ...] | None) -> Array:
    """torch's layout to Keras's."""
    return array if axes is None else np.ascontiguousarray(array.transpose(axes))


def to_torch(array: Array, axes: tuple[int, ...] | None) -> Array:
    """Keras's layout to torch's."""
    return array if axes is None else np.ascontiguousarray(array.transpose(np.argsort(axes)))


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
