"""Weights that two models hold in other pieces: a part of one's tensor -> the part of the other's with its numbers.

A fused projection against three, a dense kernel against a convolution's of one pixel, heads on an axis of their own:
numbers are only moved, so every piece goes there and back bit for bit.
"""

import math
from dataclasses import dataclass

import numpy as np

from .arrays import Array

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Cut:
    """A part of a tensor: of the tensor in the shape `split`, what lies between `start` and `stop` on an axis.

    rows: of that, what lies between these two on the first axis.
    """

    tensor: str
    split: Shape
    axis: int = 0
    start: int = 0
    stop: int | None = None
    rows: tuple[int, int] | None = None

    def of(self, array: Array) -> Array:
        """The part, as a view of a contiguous array."""
        part = array.reshape(self.split)[(*(slice(None),) * self.axis, slice(self.start, self.stop))]
        return part if self.rows is None else part[slice(*self.rows)]

    @property
    def whole(self) -> bool:
        """Whether it is all of the tensor."""
        return self.stop is None and self.rows is None

    @property
    def shape(self) -> Shape:
        """The part's."""
        stop = self.split[self.axis] if self.stop is None else self.stop
        shape = (*self.split[: self.axis], stop - self.start, *self.split[self.axis + 1 :])
        return shape if self.rows is None else (self.rows[1] - self.rows[0], *shape[1:])


@dataclass(frozen=True)
class Piece:
    """torch's part, transposed by `axes`, is Keras's, both in torch's layout of their own kinds."""

    torch: Cut
    keras: Cut
    axes: tuple[int, ...]

    def to_keras(self, source: Array, into: Array) -> None:
        """Put torch's numbers where Keras has them; `into` is contiguous."""
        part = self.keras.of(into)
        part[...] = self.torch.of(source).transpose(self.axes).reshape(part.shape)

    def to_torch(self, source: Array, into: Array) -> None:
        """Put Keras's numbers where torch has them; `into` is contiguous."""
        part = self.torch.of(into).transpose(self.axes)
        part[...] = self.keras.of(source).reshape(part.shape)


@dataclass(frozen=True)
class Held:
    """Which numbers of Keras's are torch's, where the two hold them in other pieces.

    pieces: by both sides' own names. shapes: of torch's tensors. layers: paths of layers, torch's and Keras's, whose
    weights are no longer theirs but in pieces. spare: Keras's tensors that torch lacks, each with the kind of tensor
    that says what changes nothing. left: torch's tensors that are another one under a second name.
    notes: what lies where, each "what: path". steps: paths of layers, torch's and Keras's, that have each other's.
    """

    pieces: tuple[Piece, ...] = ()
    shapes: tuple[tuple[str, Shape], ...] = ()
    layers: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
    spare: tuple[tuple[str, str], ...] = ()
    left: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    steps: tuple[tuple[str, str], ...] = ()

    def of(self, tensor: str) -> tuple[Piece, ...]:
        """The pieces of a tensor of torch's."""
        return tuple(piece for piece in self.pieces if piece.torch.tensor == tensor)

    def read(self, tensor: str, array: Array) -> Array:
        """What of a tensor of torch's has a place in Keras; what has none, as no input reads it, is zero."""
        pieces = self.of(tensor)
        if not pieces or sum(math.prod(piece.torch.shape) for piece in pieces) == array.size:
            return array
        found = np.zeros(array.shape, array.dtype)
        for piece in pieces:
            piece.torch.of(found)[...] = piece.torch.of(np.ascontiguousarray(array))
        return found
