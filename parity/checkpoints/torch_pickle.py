"""torch's own checkpoints, `.pth` and `.pt`: the zip form, and the older one of pickles in a row; and pickles alone.

No torch is needed to read them: the pickle is read by `pickles.py`, which runs nothing, and tensors are views of the
file. A whole module's tensors are found in what its objects would have been given.
"""

import mmap
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from parity.errors import CheckpointError, few
from parity.models.arrays import Array

from .checkpoint import Checkpoint, mapped
from .keras_archive import check_archive, stored_at
from .nests import state_of
from .objects import DTYPES, Dtype, Odd, Storage, unpickled
from .pickles import Global, Thing
from .pt2 import PROGRAM
from .tensors import BFLOAT16, Tensor

MOST_PICKLE = 64 << 20  # bytes; a network of 10,000 tensors has about one million
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # the number that torch's older form begins with
BACKEND = re.compile(r"(?:_functional\.)?_torch_params\.(.+)")  # a Keras model's variables, on torch
OF_KERAS = "a Keras model's state on its torch backend: Keras's names and axes"
UNCHECKED = "saved without checksums (all of them are 0): damage to it would not be seen"


class Content(NamedTuple):
    """What a file holds, tensors as arrays, and what must be said of it."""

    value: Any
    notes: tuple[str, ...] = ()


def read_torch(path: Path, at: str = "") -> Checkpoint:
    """Read a torch checkpoint, or a pickle of arrays by name. Nothing in it is imported or called.

    at: where in it the tensors lie, "teacher.model". Raises CheckpointError for whatever is no sound file of tensors.
    """
    content = _content(path)
    state, notes, beside, modules = state_of(content.value, str(path), at)
    keras = {match[1]: array for name, array in state.items() if (match := BACKEND.fullmatch(name))}
    if keras and all(BACKEND.fullmatch(name) or name.startswith("_functional.") for name in state):
        return Checkpoint(keras, notes=(*content.notes, *notes, OF_KERAS), layout="keras", beside=dict(beside))
    return Checkpoint(state, notes=(*content.notes, *notes), beside=dict(beside), modules=modules)


def load_tensors(path: Path) -> Any:
    """What a torch file holds, arrays in tuples, lists and dictionaries. Raises CheckpointError; runs no code."""
    return _plain(_content(path).value, path)


def _plain(value: Any, path: Path) -> Any:
    if isinstance(value, Thing | Odd | Global | Storage):
        raise CheckpointError(f"{path} must hold tensors alone, and holds objects too; save the tensors")
    if isinstance(value, dict):
        return {key: _plain(each, path) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(each, path) for each in value)
    return Tensor("", value).value if isinstance(value, np.ndarray) and value.dtype == BFLOAT16 else value


def _content(path: Path) -> Content:
    if zipfile.is_zipfile(path):
        return _zipped(path)
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    first, _ = unpickled(data, str(path), stored=lambda key: key) if data[:1] == b"\x80" else (None, 0)
    if first == LEGACY_MAGIC:
        return Content(_older(path, data))
    return Content(unpickled(data, str(path), stored=lambda key: Odd("a tensor that lies in another file"))[0])


def _zipped(path: Path) -> Content:
    with check_archive(path) as archive:
        named = {entry.filename: entry for entry in archive.infolist()}
        entries = _weights_of(path, named)
        (pickle,) = (name for name in entries if name.rpartition("/")[2] == "data.pkl")
        data = mapped(path)
        checked = any(entry.CRC for entry in entries.values())
        starts = {name: stored_at(path, data, entry, checked) for name, entry in entries.items()}
    home = pickle.removesuffix("data.pkl")
    order = entries.get(f"{home}byteorder")
    big = order is not None and _bytes(data, starts, order) == b"big"

    def stored(key: Any) -> Any:
        kind, _, name, *_ = _identified(key, path)
        entry = entries.get(f"{home}data/{name}")
        if entry is None:
            raise CheckpointError(f"{path} must hold the numbers of every tensor, and lacks {name}; fetch it again")
        held = data[starts[entry.filename] : starts[entry.filename] + entry.file_size]
        return _storage(held, kind, big)

    value, _ = unpickled(_bytes(data, starts, entries[pickle]), str(path), stored=stored)
    notes = [] if checked or not data.size else [UNCHECKED]
    return Content(value, (*notes, *((PROGRAM,) if f"{home}constants.pkl" in named else ())))


def _bytes(data: Array, starts: dict[str, int], entry: zipfile.ZipInfo) -> bytes:
    start = starts[entry.filename]
    return data[start : start + entry.file_size].tobytes()


def _storage(held: Array, kind: str, big: bool = False) -> Storage:
    dtype = DTYPES.get(kind)
    if big and dtype is not None and dtype.itemsize > 1 and dtype.names is None:
        held = held[: held.size - held.size % dtype.itemsize].view(dtype).byteswap().view(np.uint8)
    return Storage(held, kind)


def _identified(key: Any, path: Path) -> tuple[Any, ...]:
    """(dtype, what torch says of the device, the storage's key, numbers in it, view) of a persistent id."""
    sound = isinstance(key, tuple) and len(key) >= 5 and key[0] == "storage" and isinstance(key[2], str)
    if not sound or type(key[4]) is not int or key[4] < 0:
        raise CheckpointError(f"{path} must name its storages as torch does, and does not; fetch it again")
    kind = key[1].name if isinstance(key[1], Dtype) else "an unknown type"
    return kind, key[3], key[2], key[4], key[5] if len(key) > 5 else None


def _is_class(key: Any) -> bool:
    """Whether an id is of a module's class, beside which the older form keeps its source."""
    return isinstance(key, tuple) and len(key) == 4 and key[0] == "module"


def _weights_of(path: Path, entries: dict[str, zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """The entries of a state, without a program's code. Raises CheckpointError unless they are stored as they are:

    none may take more memory than the file has.
    """
    pickles = [name for name in entries if name.rpartition("/")[2] == "data.pkl"]
    if len(pickles) != 1 or entries[pickles[0]].file_size > MOST_PICKLE:
        what = f"{len(pickles)} of them" if len(pickles) != 1 else f"one of {entries[pickles[0]].file_size}"
        raise CheckpointError(
            f"{path} must hold one data.pkl of at most {MOST_PICKLE} bytes, and holds {what}; save the state_dict"
        )
    home = pickles[0].removesuffix("data.pkl")
    strays = [name for name in entries if not name.startswith(home)]
    if strays:
        raise CheckpointError(f"{path} must hold its entries in one folder, and {few(strays)} are not; fetch it again")
    code = (f"{home}code/", f"{home}constants", f"{home}extra/")
    found = {name: entry for name, entry in entries.items() if not name.startswith(code)}
    packed = [name for name, entry in found.items() if entry.compress_type != zipfile.ZIP_STORED]
    if packed:
        raise CheckpointError(f"{path} must store its entries as they are, and compresses {few(packed)}; refused")
    return found


def _older(path: Path, data: Any) -> Any:
    """torch's form before 1.6: four pickles, one of the storages' keys, and the storages one after another."""
    place = 0
    for _ in range(3):  # a number, a version, the sizes of C's types
        _, place = unpickled(data, str(path), place)
    named: dict[str, tuple[Any, ...]] = {}

    def noted(key: Any) -> Any:
        if _is_class(key):
            return key[1]
        found = _identified(key, path)
        named[found[2]] = found
        return Odd("not read yet")

    began = place
    _, place = unpickled(data, str(path), place, noted)
    keys, place = unpickled(data, str(path), place)
    whole, held = mapped(path), dict[str, Storage]()
    for key in keys if isinstance(keys, list) else ():
        kind, count = _claimed(named, key, path), int.from_bytes(bytes(data[place : place + 8]), "little")
        size = DTYPES[kind].itemsize * count if kind in DTYPES else len(data)
        if place + 8 + size > len(data) or count != named[key][3]:
            raise CheckpointError(
                f"{path} must hold the {size} bytes that its tensors claim, and has not; fetch it again"
            )
        held[key] = Storage(whole[place + 8 : place + 8 + size], kind)
        place += 8 + size

    def stored(key: Any) -> Any:
        if _is_class(key):
            return key[1]
        found = _identified(key, path)
        if found[2] not in held:
            raise CheckpointError(f"{path} must hold the numbers of every tensor, and lacks {found[2]}; fetch it again")
        return _part(held[found[2]], found[4])

    return unpickled(data, str(path), began, stored)[0]


def _claimed(named: dict[str, tuple[Any, ...]], key: Any, path: Path) -> str:
    """The dtype of a storage. Raises CheckpointError for one that no tensor has named."""
    if not isinstance(key, str) or key not in named:
        raise CheckpointError(f"{path} must list the storages of its tensors, and lists another; fetch it again")
    return str(named[key][0])


def _part(storage: Storage, view: Any) -> Storage:
    """A storage, or the part of it that an old file calls a view: (key, offset, numbers)."""
    if not isinstance(view, tuple) or len(view) != 3 or not all(type(each) is int for each in view[1:]):
        return storage
    size = DTYPES[storage.dtype].itemsize
    return Storage(storage.data[view[1] * size : (view[1] + view[2]) * size], storage.dtype)


def write_torch(path: Path, tensors: Sequence[Tensor]) -> None:
    """Write a state_dict in torch's zip form."""
    import torch

    state = {tensor.name: torch.from_numpy(_writable(tensor.value)) for tensor in tensors}
    try:
        torch.save(state, path)
    except RuntimeError as error:  # torch's writer tells a full disk in this way
        raise OSError(None, " ".join(str(error).split())[:200]) from None


def _writable(array: Any) -> Any:
    return array if array.flags.writeable else np.array(array)
