"""What one run leaves behind: every step's output in a file, read again in any order by this process or another.

A file without a name, shared by its descriptor: gone when the last process that has it ends, however it ends.
"""

import mmap
import os
import tempfile
import weakref
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from parity.errors import ParityError
from parity.models.arrays import Array
from parity.models.steps import StepInfo
from parity.verdict.difference import Difference


class Place(NamedTuple):
    """Where an array lies in a Shelf. `order`: its axes from the slowest to the fastest in memory."""

    offset: int
    dtype: str
    shape: tuple[int, ...]  # of the memory, that is after transposing by `order`
    order: tuple[int, ...]


class Shelf:
    """Arrays in a temporary file, each in the order in which its memory lies."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._file: Any = None
        if descriptor is None:
            self._file = tempfile.TemporaryFile(prefix="parity-")  # noqa: SIM115
            weakref.finalize(self, self._file.close)
        self.descriptor: int = self._file.fileno() if descriptor is None else descriptor
        self.end = 0
        self._mapped = np.empty(0, np.uint8)

    def put(self, array: Array) -> Place:
        """Append an array. Raises ParityError if the disk is full."""
        order = memory_order(array)
        flat = np.asarray(array.transpose(order), order="C")  # `ascontiguousarray` gives a number an axis
        place = Place(self.end, flat.dtype.str, flat.shape, order)
        data = flat.reshape(-1).view(np.uint8).data
        try:
            while data:
                written = os.pwrite(self.descriptor, data, self.end)
                data, self.end = data[written:], self.end + written
        except OSError as error:
            folder = tempfile.gettempdir()
            raise ParityError(
                f"{folder} must have room for what one run computes, and could not be written to ({error.strerror}); "
                "make room, set TMPDIR to another folder, or give a smaller --batch-size"
            ) from None
        return place

    def get(self, place: Place) -> Array:
        """The array at a place."""
        flat = np.empty(place.shape, place.dtype)
        rest, offset = flat.reshape(-1).view(np.uint8).data, place.offset
        while rest:
            count = os.preadv(self.descriptor, [rest], offset)
            if count == 0:
                raise EOFError(f"a shelf ends at {offset}, before {place}")
            rest, offset = rest[count:], offset + count
        return flat.transpose(np.argsort(place.order))

    def view(self, place: Place) -> Array:
        """The array at a place, not copied: it is what the file has there, now and later."""
        size = int(np.prod(place.shape)) * np.dtype(place.dtype).itemsize
        if size == 0:
            return self.get(place)
        if place.offset + size > len(self._mapped):
            self._mapped = np.frombuffer(mmap.mmap(self.descriptor, 0, access=mmap.ACCESS_READ), np.uint8)
        flat = self._mapped[place.offset : place.offset + size].view(place.dtype).reshape(place.shape)
        return flat.transpose(np.argsort(place.order))

    def clear(self) -> None:
        """Forget all arrays and give the disk back."""
        os.ftruncate(self.descriptor, 0)
        self.end = 0


def memory_order(array: Array) -> tuple[int, ...]:
    """The axes from the slowest to the fastest in memory: transposed by them, a permuted array is contiguous."""
    return tuple(sorted(range(array.ndim), key=lambda axis: -array.strides[axis]))


@dataclass(frozen=True)
class Recording:
    """A run in the asked dtype and one in float64, step by step: plain data, which finds its arrays in a Shelf.

    steps: those of the run in the asked dtype, in order. outputs: where they lie in float64, `lows` in the asked
    dtype (none if that is float64 too). rounding: how the two differ. weights: every tensor of the model, in torch's
    layout, by canonical name, if they were asked for. notes: of how steps were run. narrow: what of
    the float64 run was in float32, in words.
    """

    steps: list[StepInfo] = field(default_factory=list)
    outputs: dict[str, Place] = field(default_factory=dict)
    lows: dict[str, Place] = field(default_factory=dict)
    rounding: dict[str, Difference] = field(default_factory=dict)
    weights: dict[str, Place] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    narrow: dict[str, str] = field(default_factory=dict)

    def only(self, keys: Collection[str]) -> "Recording":
        """The same for these steps alone."""
        outputs = {key: place for key, place in self.outputs.items() if key in keys}
        return replace(self, outputs=outputs)
