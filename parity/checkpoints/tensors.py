"""Tensors on their way from one file to another: the value that is to be written, made once, compared afterwards."""

import mmap
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.models.arrays import Array

if TYPE_CHECKING:
    from concurrent.futures import Future

ALIGNED = 64  # bytes
MANY = 1 << 17  # bytes that are worth a call
AHEAD = 16  # tensors whose values are made before they are asked for
BFLOAT16: np.dtype[Any] = np.dtype([("bfloat16", "<u2")])  # NumPy has none: the bits wait to be widened
FLOATS = {np.dtype(code) for code in ("<f2", "<f4", "<f8", ">f2", ">f4", ">f8")} | {BFLOAT16}


@dataclass(frozen=True)
class Tensor:
    """One tensor on its way: `array` as the source stores it, `axes` that turn it into the destination's layout."""

    name: str
    array: Array
    axes: tuple[int, ...] | None = None
    room: Array | None = None  # memory for the value, where it has to be made

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type it is written in: the source's, little-endian; bfloat16 is widened to float32, without a loss."""
        return np.dtype("<f4") if self.array.dtype == BFLOAT16 else self.array.dtype.newbyteorder("<")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape in the destination's layout."""
        return tuple(self.array.shape[axis] for axis in self.axes) if self.axes else self.array.shape

    @property
    def nbytes(self) -> int:
        """Bytes in the destination."""
        return self.array.size * self.dtype.itemsize

    @cached_property
    def value(self) -> Array:
        """The values as they are to be written, contiguous. Kept, for the comparison after the writing."""
        array = self.array if self.axes is None else self.array.transpose(self.axes)
        if array.dtype == BFLOAT16:
            array = (array["bfloat16"].astype("<u4") << 16).view("<f4")
        if self.room is None:
            return np.asarray(array, self.dtype, order="C")
        np.copyto(self.room, array)
        return self.room


def with_room(tensors: Iterable[Tensor]) -> list[Tensor]:
    """The tensors with one piece of memory for all values that are not the stored ones: much quicker than many."""
    tensors = list(tensors)
    sizes = [-(-tensor.nbytes // ALIGNED) * ALIGNED if tensor.axes else 0 for tensor in tensors]
    memory, start, made = np.empty(sum(sizes), np.uint8), 0, []
    for tensor, size in zip(tensors, sizes, strict=True):
        room = memory[start : start + tensor.nbytes].view(tensor.dtype).reshape(tensor.shape) if size else None
        made.append(replace(tensor, room=room))
        start += size
    return made


def values(tensors: Iterable[Tensor]) -> Iterator[Array]:
    """Their values one after another, the next few made by another thread while one is used."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        waiting: deque[tuple[Tensor, Future[Array] | None]] = deque()
        for tensor in tensors:
            waiting.append((tensor, pool.submit(getattr, tensor, "value") if tensor.nbytes > MANY else None))
            if len(waiting) > AHEAD:
                yield _made(*waiting.popleft())
        while waiting:
            yield _made(*waiting.popleft())


def _made(tensor: Tensor, future: "Future[Array] | None") -> Array:
    return tensor.value if future is None else future.result()


def differing(found: dict[str, Array], meant: Sequence[Tensor]) -> Iterator[str]:
    """The names at which a file differs from what was meant to be in it, bit for bit."""
    yield from sorted(found.keys() ^ {tensor.name for tensor in meant})
    for tensor in meant:
        array = found.get(tensor.name)
        if array is None:
            continue
        same = array.dtype == tensor.dtype and array.shape == tensor.shape
        if not same or not np.array_equal(_bits(array), _bits(tensor.value)):
            yield tensor.name
        _forget(array)


def _forget(array: Array) -> None:
    """Give back the memory of a mapped file's pages: they can be read again."""
    owner: Any = array
    while isinstance(owner, np.ndarray | memoryview):
        owner = owner.base if isinstance(owner, np.ndarray) else owner.obj
    if isinstance(owner, mmap.mmap) and array.nbytes >= MANY:
        owner.madvise(mmap.MADV_DONTNEED)


def _bits(array: Array) -> Array:
    """The array's bits as whole numbers, so that NaN equals itself and -0 is not 0."""
    return np.ascontiguousarray(array).reshape(-1).view(f"u{array.dtype.itemsize}")
