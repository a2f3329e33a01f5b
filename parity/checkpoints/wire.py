"""Protocol buffers' bytes -> the values of a message's fields by their numbers, without the message's description.

TensorFlow's checkpoints and ONNX's models are such messages; which number means what, the readers say. A message in a
message is bytes again.
"""

from collections.abc import Iterator
from typing import Any

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
SIZES = {FIXED64: 8, FIXED32: 4}
MOST_FIELDS = 4_000_000


class WireFault(Exception):
    """The bytes are no sound message."""


def fields(data: Any, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, Any]]:
    """(number, value) of every field in `data[start:stop]`, bytes or a memory view: a whole number, or the bytes.

    Raises WireFault where they break off, or are more than a network's.
    """
    if isinstance(data, int):
        raise WireFault("a number stands for a message")
    view = memoryview(data)
    at, end, count = start, len(view) if stop is None else stop, 0
    while at < end:
        key, at = varint(view, at, end)
        kind, size = key & 7, 0
        count += 1
        if kind == VARINT:
            value, at = varint(view, at, end)
            yield key >> 3, value
            continue
        if kind == BYTES:
            size, at = varint(view, at, end)
        elif kind in SIZES:
            size = SIZES[kind]
        else:
            raise WireFault(f"a field of kind {kind}")
        if at + size > end or count > MOST_FIELDS:
            raise WireFault("it breaks off")
        yield key >> 3, view[at : at + size]
        at += size


def varint(data: Any, at: int, end: int) -> tuple[int, int]:
    """A whole number of seven bits a byte, and where it ends. Raises WireFault."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            raise WireFault("it breaks off")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise WireFault("a number without an end")


def packed(value: Any) -> list[int]:
    """The whole numbers of a repeated field, packed into bytes or one alone."""
    if isinstance(value, int):
        return [value]
    found, at = [], 0
    while at < len(value):
        number, at = varint(value, at, len(value))
        found.append(number)
    return found


def signed(value: int) -> int:
    """A number of 64 bits as it is meant: negative ones are written as large."""
    return value - (1 << 64) if value >= 1 << 63 else value


def text(value: Any) -> str:
    """Bytes as text. Raises WireFault."""
    try:
        return bytes(value).decode("utf-8")
    except (UnicodeError, TypeError):
        raise WireFault("a name is no text") from None
