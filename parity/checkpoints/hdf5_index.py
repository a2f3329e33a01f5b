"""Where the arrays of an HDF5 file lie: `python hdf5_index.py FILE START SIZE` prints it as JSON.

This is all that the HDF5 library, written in C for trusted files, does with a file of unknown origin, and it does it
in a process of its own: there a crash, an endless loop or a claim of memory stops nothing but itself. The arrays are
then read from the file without it. Imports nothing of this package.
"""

import io
import json
import sys
from collections.abc import Iterator
from typing import Any

import h5py

MOST_OBJECTS = 200_000
MOST_DEPTH = 64
MOST_MEMORY = 4 << 30  # bytes of address space for the process

MOST_TEXT = 4 << 20  # bytes of one attribute


class RefusedError(Exception):
    """The file has something in it that no weights file needs."""


class Region(io.RawIOBase):
    """The part of a file from `start` on, `size` bytes long, as a file of its own."""

    def __init__(self, path: str, start: int, size: int) -> None:
        self._file = open(path, "rb")  # noqa: SIM115 - closed with this one
        self._start, self._size, self._at = start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        count = max(0, min(len(buffer), self._size - self._at))
        self._file.seek(self._start + self._at)
        data = self._file.read(count)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def index(path: str, start: int = 0, size: int | None = None) -> dict[str, Any]:
    """The datasets as [path, type, shape, byte offset], layers' names by group, the layout, what the model is.

    Raises RefusedError, or whatever h5py raises for a damaged file.
    """
    if size is None:
        with h5py.File(path, "r") as file:
            return _index(file)
    with Region(path, start, size) as region, h5py.File(region, "r") as file:
        return _index(file)


def _index(file: Any) -> dict[str, Any]:
    root = file.id
    legacy = any(h5py.h5a.exists(root, name) for name in (b"layer_names", b"layer_names0")) or "model_weights" in file
    names: dict[str, str] = {}
    rows = list(_walk(root, "", names, set(), 0))
    said = {"model": _text(root, b"model"), "config": _text(root, b"model_config")}
    return {**said, "legacy": legacy, "names": names, "datasets": rows}


def _walk(group: Any, path: str, names: dict[str, str], seen: set[int], depth: int) -> Iterator[list[Any]]:
    """The rows of a group, by HDF5's own calls: h5py's objects take most of the time that there is."""
    if len(seen) > MOST_OBJECTS or depth > MOST_DEPTH:
        raise RefusedError(f"must have at most {MOST_OBJECTS} objects, {MOST_DEPTH} deep, and has more")
    layer = _text(group, b"name")
    if layer is not None:
        names[path] = layer
    for name in group:
        here = f"{path}/{_decoded(name)}" if path else _decoded(name)
        if group.links.get_info(name).type != h5py.h5l.TYPE_HARD:
            raise RefusedError(f"must hold all it names itself, but {here} is a link")
        child = h5py.h5o.open(group, name)
        address = h5py.h5o.get_info(child).addr
        if address in seen:
            raise RefusedError(f"must hold everything once, but {here} is there again under another name")
        seen.add(address)
        if isinstance(child, h5py.h5d.DatasetID):
            yield _dataset(child, here)
        elif isinstance(child, h5py.h5g.GroupID):
            yield from _walk(child, here, names, seen, depth + 1)
        else:
            raise RefusedError(f"must hold arrays alone, but {here} is something else")


def _dataset(dataset: Any, path: str) -> list[Any]:
    """One row of the index. Never reads the values."""
    creation = dataset.get_create_plist()
    if creation.get_layout() != h5py.h5d.CONTIGUOUS or creation.get_external_count():
        raise RefusedError(f"must store every array in one piece in the file itself, but {path} is not stored so")
    if dataset.get_space().get_simple_extent_type() == h5py.h5s.NULL:
        raise RefusedError(f"must have a shape for every array, and {path} has none")
    kind = dataset.get_type()
    if kind.get_class() not in (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.OPAQUE):
        raise RefusedError(f"must hold numbers, but {path} holds something else")
    marked = kind.get_class() == h5py.h5t.OPAQUE or _text(dataset, b"dtype") == "bfloat16"  # the older .h5 has no mark
    brain = kind.get_size() == 2 and marked
    return [path, "bfloat16" if brain else kind.dtype.str, list(dataset.shape), dataset.get_offset()]


def _text(owner: Any, name: bytes) -> str | None:
    """A text attribute, if there is one of moderate size."""
    if not h5py.h5a.exists(owner, name) or h5py.h5a.open(owner, name).get_storage_size() > MOST_TEXT:
        return None
    value = h5py.AttributeManager(_Owner(owner))[name]
    return _decoded(value) if isinstance(value, bytes) else value if isinstance(value, str) else None


class _Owner:
    """What h5py's reader of attributes wants to know of their owner."""

    def __init__(self, identifier: Any) -> None:
        self.id = identifier


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def main(arguments: list[str]) -> int:
    """Print the index, or {"refused": why}."""
    import contextlib

    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    path, start, size = arguments[0], int(arguments[1]), int(arguments[2])
    try:
        found = index(path, start, size if start else None)
    except RefusedError as error:
        found = {"refused": str(error)}
    except Exception as error:  # noqa: BLE001 - h5py raises nearly anything for a damaged file
        found = {"damaged": " ".join(str(error).split())[:200]}
    sys.stdout.write(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
