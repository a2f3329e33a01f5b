"""What a file of weights is once it is read: tensors by name, and what its labels say of the network."""

import json
import mmap
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from parity.errors import CheckpointError
from parity.models.arrays import Array

from .statements import Statement

ZIP_MAGIC = b"PK\x03\x04"


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds. `model`, `config`: what our own files say of themselves. `notes`: what was passed over."""

    tensors: dict[str, Array]
    model: str | None = None
    config: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()
    clashes: tuple[str, ...] = ()  # names that the file holds twice
    paths: tuple[str, ...] = ()  # where a file has paths of its own: those of all arrays, also of what was passed over
    statements: tuple[Statement, ...] = ()  # what the file, or one beside it, states of its network
    layout: str = ""  # whose names and axes the tensors have, where it is not the container's
    modules: dict[str, dict[str, Any]] = field(default_factory=dict)  # of a saved module: class and attributes, by path
    beside: dict[str, Any] = field(default_factory=dict)  # what lies beside the tensors, plain data


@dataclass(frozen=True)
class Labels:
    """What a file written here says of itself, beside its tensors."""

    model: str
    options: dict[str, Any] = field(default_factory=dict)
    containers: tuple[str, str] | None = None  # of a functional Keras model's layers and head, where it is one


def mapped(path: Path) -> Array:
    """The file's bytes as an array over a read-only memory map: nothing is read before it is used."""
    with path.open("rb") as file:
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)


def view(
    data: Array, subject: str, dtype: np.dtype[Any], shape: tuple[int, ...], start: int, size: int | None = None
) -> Array:
    """The array of `shape` at byte `start`, without a copy. `subject` names it, for the message.

    Raises CheckpointError where the file has not that many bytes there, or `size`, if given, is another number.
    """
    needed = dtype.itemsize
    for length in shape:
        needed *= length
    if min((start, *shape)) < 0 or start + needed > data.size or size not in (None, needed):
        held = max(0, min(data.size - start, needed)) if size is None else size
        raise CheckpointError(
            f"{subject} must hold the {needed} bytes of its shape {list(shape)}, and holds {held}; "
            "the file is damaged: fetch it again"
        )
    return data[start : start + needed].view(dtype).reshape(shape)


def strict_json(text: bytes, subject: str) -> Any:
    """Parse JSON in which no key occurs twice. Raises CheckpointError for anything else."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            twice = sorted(repeated(key for key, _ in pairs))
            raise CheckpointError(f"{subject} must name everything once, and names twice {', '.join(twice)}; refused")
        return found

    try:
        return json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError):
        raise CheckpointError(f"{subject} must be JSON, and is not; the file is damaged: fetch it again") from None


def repeated(names: Iterable[str]) -> list[str]:
    """The names that occur more than once."""
    return [name for name, count in Counter(names).items() if count > 1]
