"""Checkpoint files as NumPy arrays by stored name: which format a file has, and the one way to read and write each.

The format comes from the name and is checked by the first bytes. Nothing in a file is ever executed, every size is
checked against the file before memory is taken, and arrays are views of the mapped file wherever it allows that. Only
`.pth`, `.pt` and writing `.keras` import a framework. A container has a file of its own beside this one, and a row of
FORMATS for each name that it goes by.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from parity.errors import CheckpointError

from .checkpoint import ZIP_MAGIC, Checkpoint, Labels
from .hdf5 import read_hdf5, read_hdf5_parts, write_hdf5
from .keras_archive import read_keras, write_keras
from .safetensors_file import read_safetensors, write_safetensors
from .tensors import Tensor
from .torch_pickle import read_torch, write_torch

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
LEGACY_TORCH_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
CONTENTS: tuple[tuple[str, Callable[[bytes], bool]], ...] = (  # what a file is by its first 16 bytes
    ("HDF5", lambda head: head.startswith(HDF5_MAGIC)),
    ("zip", lambda head: head.startswith(ZIP_MAGIC)),
    ("torch", lambda head: head.startswith(LEGACY_TORCH_MAGIC)),
    ("safetensors", lambda head: head[8:9] == b"{"),
    ("something else", bool),
)


@dataclass(frozen=True)
class Format:
    """One ending of a file's name. layout: whose names and axes its tensors have, "torch"'s or "keras"'s.

    contents: what its bytes may be. read: of a path, and whether this process wrote that itself. read_parts: where the
    parts of one network cannot be read one by one. write: None where only others write it, and in parts above all.
    model: a model is in it, not weights alone, and written that can only be our own.
    """

    suffix: str
    layout: str
    contents: tuple[str, ...]
    read: Callable[[Path, bool], Checkpoint]
    write: Callable[[Path, Sequence[Tensor], Labels], None] | None
    read_parts: Callable[[Sequence[Path]], list[Checkpoint]] | None = None
    model: bool = False


def _hdf5(suffix: str, legacy: bool) -> Format:
    write = partial(write_hdf5, legacy=legacy)
    return Format(suffix, "keras", ("HDF5",), lambda p, trusted: read_hdf5(p, trusted=trusted), write, read_hdf5_parts)


def _torch(suffix: str, written: bool = True) -> Format:
    write = (lambda path, tensors, labels: write_torch(path, tensors)) if written else None
    return Format(suffix, "torch", ("zip", "torch"), lambda path, trusted: read_torch(path), write)


FORMATS: tuple[Format, ...] = (  # the first that fits is a file's
    _hdf5(".weights.h5", legacy=False),
    Format(".safetensors", "torch", ("safetensors",), lambda path, trusted: read_safetensors(path), write_safetensors),
    Format(".keras", "keras", ("zip",), read_keras, write_keras, model=True),
    _torch(".pth"),
    _torch(".pt"),
    _hdf5(".h5", legacy=True),
    _torch(".bin", written=False),  # transformers' and accelerate's older name for torch's own format
)
BY_SUFFIX = {row.suffix: row for row in FORMATS}
PARTS = tuple(BY_SUFFIX)
SUFFIXES = tuple(row.suffix for row in FORMATS if row.write is not None)


def format_of(path: Path, *, parts: bool = False) -> str:
    """The format that a file's name asks for: of the six, or with `parts` of all that are read.

    Raises CheckpointError where it is none.
    """
    allowed = PARTS if parts else SUFFIXES
    for suffix in allowed:
        if path.name.endswith(suffix) and path.name != suffix:
            return suffix
    raise CheckpointError(f"{path} must end in one of {', '.join(sorted(allowed))}, and does not; rename it")


def layout_of(suffix: str) -> str:
    """Whose names and axes a format's tensors have: "torch" or "keras"."""
    return BY_SUFFIX[suffix].layout


def read(path: Path, *, trusted: bool = False) -> Checkpoint:
    """Read a checkpoint. `trusted` files were written by this process; HDF5 then needs no process of its own.

    Raises CheckpointError for a file that is missing, is not what its name says, is damaged or claims what it has not.
    """
    return _checked_format(path).read(path, trusted)


def read_together(paths: Sequence[Path]) -> list[Checkpoint]:
    """Read the parts of one network, of one format. Raises CheckpointError as `read` does."""
    first = _checked_format(paths[0])
    if first.read_parts is None:
        return [read(path) for path in paths]
    for path in paths[1:]:
        _checked_format(path)
    return first.read_parts(paths)


def _checked_format(path: Path) -> Format:
    """The format that a file's name and its first bytes agree on."""
    row, content = BY_SUFFIX[format_of(path, parts=True)], _content(path)
    if content not in row.contents:
        expected = " or ".join(row.contents)
        raise CheckpointError(f"{path} must hold {expected} data, as its name says, and holds {content}; rename it")
    return row


def write(path: Path, tensors: Sequence[Tensor], labels: Labels) -> None:
    """Write a checkpoint in the format that the name asks for. Raises OSError where the disk refuses."""
    write_format = BY_SUFFIX[format_of(path)].write
    assert write_format is not None, "format_of gives what is written"
    write_format(path, tensors, labels)


def _content(path: Path) -> str:
    """What the first bytes say that a file is."""
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is not there" if not path.exists() else "is no ordinary file"
            raise CheckpointError(f"SOURCE must be a checkpoint file, and {path} {what}; check the name")
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise CheckpointError(
            f"{path} must be readable, and is not ({error.strerror}); check its permissions"
        ) from None
    return next((name for name, fits in CONTENTS if fits(head)), "nothing")
