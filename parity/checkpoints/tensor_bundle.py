"""TensorFlow's checkpoints (`.index` beside `.data-…`), also those in a SavedModel's folder -> arrays by name.

The index is a sorted table as LevelDB's: blocks of keys, each with what it has in common with the one before, and their
values, which say where in the data a tensor lies. TensorFlow is not needed, and no program in a SavedModel is run.
"""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from parity.errors import CheckpointError
from parity.models.arrays import Array

from .checkpoint import Checkpoint, mapped, view
from .statements import Statement, statements
from .tensors import BFLOAT16
from .wire import WireFault, fields, text, varint

INDEX, METADATA = ".index", "keras_metadata.pb"
DATA = re.compile(r"(.+)\.data-\d{5}-of-\d{5}", re.DOTALL)
MAGIC = 0xDB4775248B80FB57
FOOTER = 48  # bytes
GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
PASSED_OVER = re.compile(
    r"(?:^|/)\.OPTIMIZER_SLOT/|^optimizer/|(?:^|/)_?optimizer/|^save_counter|/Adam|/Momentum$|^global_step$"
)
DTYPES: dict[int, np.dtype[Any]] = {  # TensorFlow's numbers
    1: np.dtype("<f4"),
    2: np.dtype("<f8"),
    3: np.dtype("<i4"),
    4: np.dtype("u1"),
    5: np.dtype("<i2"),
    6: np.dtype("i1"),
    9: np.dtype("<i8"),
    10: np.dtype("?"),
    14: BFLOAT16,
    19: np.dtype("<f2"),
}
TEXT = 7
PROGRAM = "the program of the SavedModel is not read: what it computes with the weights is not compared"
MOST_METADATA = 64 << 20  # bytes
MOST_KEYS = 200_000
MOST_DEPTH = 60  # of lists and dictionaries in a configuration
PROGRAM_FILE = "saved_model.pb"
NEWEST = re.compile(r'^model_checkpoint_path: "([^"/\\]+)"', re.MULTILINE)
MOST_TEXT = 1 << 20  # bytes


def is_index(head: bytes) -> bool:
    """Whether a file begins as an index does: with the value of the empty key, whose first field counts the shards."""
    return len(head) > 4 and head[:2] == b"\0\0" and 2 <= head[2] < 64 and head[3] == 0x08


class Entry(NamedTuple):
    """Where a tensor lies: which of the data files, from which byte on, and how many."""

    dtype: int
    shape: tuple[int, ...]
    shard: int
    start: int
    size: int


def index_of(path: Path) -> Path | None:
    """The index of the checkpoint that a name stands for: its data, or the beginning of both names. None for others."""
    match = DATA.fullmatch(path.name)
    index = path.with_name((match[1] if match else path.name) + INDEX)
    return index if index.is_file() and (match or not path.exists()) else None


def saved_variables(path: Path) -> Path | None:
    """The index of a SavedModel's variables, of its folder or its program's file; None for others.

    Of a folder with checkpoints of a training, that of the newest, which the file `checkpoint` names.
    """
    home = path if path.is_dir() else path.parent
    if path.name == PROGRAM_FILE or (path.is_dir() and (path / PROGRAM_FILE).is_file()):
        index = home / "variables" / f"variables{INDEX}"
        return index if index.is_file() else None
    newest = path / "checkpoint"
    if not path.is_dir() or not newest.is_file() or newest.stat().st_size > MOST_TEXT:
        return None
    match = NEWEST.search(newest.read_text(errors="replace"))
    named = path / f"{match[1]}{INDEX}" if match else path
    return named if named.is_file() else None


def read_bundle(path: Path) -> Checkpoint:
    """Read a checkpoint by its index. Raises CheckpointError for one that is damaged or not whole."""
    try:
        return _read(path)
    except (WireFault, IndexError, ValueError, KeyError, UnicodeError) as fault:
        raise CheckpointError(
            f"{path} must be a sound index of TensorFlow's, and is not ({fault}); fetch it again"
        ) from None


def _read(path: Path) -> Checkpoint:
    table = dict(_table(mapped(path)))
    shards = next((value for number, value in fields(table.pop(b"", b"")) if number == 1), 1)
    data = [_data(path, number, shards) for number in range(shards)]
    entries = {text(key): _entry(value) for key, value in table.items()}
    names = _full_names(entries, data, path)
    tensors: dict[str, Array] = {}
    passed, clashes = 0, []
    for key, entry in entries.items():
        if key == GRAPH or entry.dtype == TEXT:
            continue
        if PASSED_OVER.search(key):
            passed += 1
            continue
        name = names.get(key, key.removesuffix(VALUE))
        array = _array(entry, data, f"{name} in {path}")
        if name in tensors and not np.array_equal(tensors[name], array):  # Keras's export stores each variable twice
            clashes.append(name)
        tensors[name] = array
    stated, notes = _stated(path)
    notes += (f"{passed} arrays of the optimizer passed over",) if passed else ()
    return Checkpoint(tensors, notes=notes, clashes=tuple(clashes), statements=stated)


def _table(data: Array) -> list[tuple[bytes, memoryview]]:
    """Keys and values of a sorted table."""
    whole = data.data
    if len(whole) < FOOTER or int.from_bytes(whole[-8:], "little") != MAGIC:
        raise WireFault("its end is not a table's")
    at = len(whole) - FOOTER
    for _ in range(2):  # the handle of another block, which says nothing of tensors
        _, at = varint(whole, at, len(whole))
    start, at = varint(whole, at, len(whole))
    size, at = varint(whole, at, len(whole))
    found: list[tuple[bytes, memoryview]] = []
    for _, handle in _block(whole, start, size):
        start, at = varint(handle, 0, len(handle))
        size, at = varint(handle, at, len(handle))
        found += _block(whole, start, size)
        if len(found) > MOST_KEYS:
            raise WireFault(f"it has more than {MOST_KEYS} tensors")
    return found


def _block(whole: memoryview, start: int, size: int) -> list[tuple[bytes, memoryview]]:
    if start + size + 5 > len(whole) or size < 4:
        raise WireFault("a block lies outside of it")
    if whole[start + size] != 0:
        raise WireFault("a block is compressed")
    block = whole[start : start + size]
    end = size - 4 - 4 * int.from_bytes(block[-4:], "little")  # before the places where keys are whole
    found, at, key = [], 0, b""
    while at < end:
        shared, at = varint(block, at, end)
        own, at = varint(block, at, end)
        length, at = varint(block, at, end)
        if at + own + length > end or shared > len(key):
            raise WireFault("a block breaks off")
        key = key[:shared] + bytes(block[at : at + own])
        found.append((key, block[at + own : at + own + length]))
        at += own + length
    return found


def _entry(value: memoryview) -> Entry:
    found = {1: 0, 3: 0, 4: 0, 5: 0}
    shape: list[int] = []
    for number, each in fields(value):
        if number in found and isinstance(each, int):
            found[number] = each
        elif number == 2:
            shape = [_size(dim) for kind, dim in fields(each) if kind == 2]
        elif number == 7:
            raise WireFault("a tensor is stored in slices")
    return Entry(found[1], tuple(shape), found[3], found[4], found[5])


def _size(dim: memoryview) -> int:
    return int(next((each for number, each in fields(dim) if number == 1), 0))


def _data(path: Path, number: int, shards: int) -> Array:
    file = path.with_name(f"{path.name.removesuffix(INDEX)}.data-{number:05}-of-{shards:05}")
    if not file.is_file() or not file.stat().st_size:
        raise CheckpointError(f"{path} must have its data beside it, and {file.name} is not there; fetch it")
    return mapped(file)


def _array(entry: Entry, data: list[Array], subject: str) -> Array:
    dtype = DTYPES.get(entry.dtype)
    if dtype is None:
        raise CheckpointError(f"{subject} must be of numbers, and is of TensorFlow's type {entry.dtype}; save floats")
    return view(data[entry.shard], subject, dtype, entry.shape, entry.start, entry.size)


def _full_names(entries: dict[str, Entry], data: list[Array], path: Path) -> dict[str, str]:
    """Variables' names by the checkpoint's keys, which are paths of objects: the graph of these is stored with them."""
    entry = entries.get(GRAPH)
    if entry is None:
        return {}
    held = view(data[entry.shard], f"{GRAPH} in {path}", np.dtype("u1"), (entry.size,), entry.start)
    raw = held.data
    length, at = varint(raw, 0, len(raw))  # of the one text, then a checksum of four bytes
    named: dict[str, str] = {}
    for number, node in fields(raw, at + 4, at + 4 + length):
        for kind, attribute in fields(node) if number == 1 else ():
            if kind == 2:
                words = {each: value for each, value in fields(attribute) if each in (2, 3)}
                if len(words) == 2:
                    named[text(words[3])] = text(words[2])
    return named


def _plain(value: Any, depth: int) -> Any:
    """JSON in which tuples are lists again: Keras 2 writes {"class_name": "__tuple__", "items": [2, 2]}."""
    if depth > MOST_DEPTH:
        raise WireFault("its configuration is nested too deep")
    if isinstance(value, dict):
        if value.get("class_name") == "__tuple__":
            value = value.get("items")
        else:
            return {key: _plain(each, depth + 1) for key, each in value.items()}
    return [_plain(each, depth + 1) for each in value] if isinstance(value, list) else value


def _stated(path: Path) -> tuple[tuple[Statement, ...], tuple[str, ...]]:
    """What the SavedModel around the weights states of its network, where Keras 2 wrote it."""
    home = path.parent.parent
    if path.parent.name != "variables" or not (home / "saved_model.pb").is_file():
        return (), ()
    file = home / METADATA
    if not file.is_file() or file.stat().st_size > MOST_METADATA:
        return (), (PROGRAM,)
    found: list[Statement] = []
    for number, node in fields(file.read_bytes()):
        values = dict(fields(node)) if number == 1 else {}
        if bytes(values.get(3, b"")) == b"root" and 5 in values:
            described = _plain(json.loads(bytes(values[5])), 0)
            found += statements(described.get("model_config") or described, f"{METADATA} in {home}")
    return tuple(found), () if found else (PROGRAM,)
