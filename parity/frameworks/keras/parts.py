"""A tensor of torch's that Keras holds in other pieces -> Keras's variables, read and set as if they were one."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np

from parity.models.arrays import Array, Axes, to_keras, to_torch, torch_shape
from parity.models.kinds import bare
from parity.models.layers import LayerInfo
from parity.models.pieces import Held, Piece

Variables = dict[str, tuple[Any, Axes]]  # by Keras's own canonical names
SEEN = 64  # numbers of a part of a variable that are looked for in it
Read = Callable[[Any], Array]  # what is read of a variable: its value, or its gradient


class Parts:
    """Stands for a variable of torch's `shape`, whose numbers are pieces of others."""

    def __init__(self, shape: tuple[int, ...], pieces: tuple[Piece, ...], known: Variables) -> None:
        self.shape = shape
        self._pieces = [(piece, *known[piece.keras.tensor]) for piece in pieces]

    @property
    def trainable(self) -> bool:
        return all(variable.trainable for variable, _ in self.variables)

    @property
    def variables(self) -> list[tuple[Any, Axes]]:
        """Those that it is in."""
        return list({id(variable): (variable, axes) for _, variable, axes in self._pieces}.values())

    def read(self, of: Read) -> Array:
        """The tensor, put together from what is read of each variable."""
        wide = {id(v): np.ascontiguousarray(to_torch(of(v), axes)) for v, axes in self.variables}
        found = np.zeros(self.shape, np.result_type(*wide.values()))
        for piece, variable, _ in self._pieces:
            piece.to_torch(wide[id(variable)], found)
        return found

    def parted(self, array: Array, of: Read) -> Iterator[tuple[Any, Array]]:
        """Every variable with what it then is, in its own axes."""
        for variable, axes in self.variables:
            before = to_torch(of(variable), axes)
            new = np.array(before, np.result_type(before, array), order="C")
            for piece, other, _ in self._pieces:
                if other is variable:
                    piece.to_keras(array, new)
            yield variable, to_keras(new, axes)


def in_pieces(held: Held, known: Variables) -> Iterator[tuple[str, Parts, Axes]]:
    """torch's tensors that Keras holds in pieces, by canonical name, as variables are told."""
    for name, shape in held.shapes:
        yield name, Parts(shape, held.of(name), known), None


def read(variable: Any, axes: Axes, of: Read) -> Array:
    """A tensor in torch's layout, of a variable or of several."""
    return variable.read(of) if isinstance(variable, Parts) else to_torch(of(variable), axes)


def shape_of(variable: Any, axes: Axes) -> tuple[int, ...]:
    """A tensor's shape in torch's layout."""
    return torch_shape(tuple(variable.shape), axes)


def own_of(variable: Any, axes: Axes) -> Iterator[tuple[Any, Axes, tuple[int, ...]]]:
    """The variables that a tensor is in, each with its axes and the shape of the whole, which the rules are for."""
    if not isinstance(variable, Parts):
        yield variable, axes, shape_of(variable, axes)
        return
    for each, own in variable.variables:
        yield each, own, variable.shape


def is_of(array: Array, variables: Iterable[Any]) -> bool:
    """Whether numbers are those of a variable or a part of one: by value, as what is read of it is a new tensor."""
    larger = []
    for variable in variables:
        if tuple(variable.shape) == array.shape and np.array_equal(keras.ops.convert_to_numpy(variable), array):
            return True
        if array.size > 1 and math.prod(variable.shape) > array.size:
            larger.append(variable)
    few = array.ravel()[:SEEN]
    return any(np.isin(few, keras.ops.convert_to_numpy(variable)).all() for variable in larger)


def infos_in_pieces(layers: list[tuple[str, LayerInfo]], held: Held) -> list[LayerInfo]:
    """Keras's layers, each with its own path, as what they are beside torch's: those in pieces are torch's tensors.

    What such a layer has that torch lacks stays its own, or is a kind of tensor that says what changes nothing.
    """
    parts: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in held.shapes:
        path, _, tensor = name.rpartition(".")
        parts.setdefault(path, {})[tensor] = shape
    spare, found = dict(held.spare), []
    for own, layer in layers:
        if own not in held.layers[1]:
            found.append(layer)
        elif layer.path in parts:
            parts[layer.path] |= layer.weights
        elif layer.weights:
            found.append(LayerInfo(layer.path, spare.get(f"{own}.value", layer.kind), layer.weights, {}))
    return found + [LayerInfo(path, bare(True).name, shapes, {}) for path, shapes in parts.items()]
