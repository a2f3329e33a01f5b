"""torch.export's archives, `.pt2`: the weights of a program, each a file of bytes, which a JSON file describes."""

import zipfile
from pathlib import Path
from typing import Any

from parity.errors import CheckpointError
from parity.models.arrays import Array

from .checkpoint import Checkpoint, mapped, strict_json
from .keras_archive import check_archive, inflated, stored_at
from .objects import DTYPES, viewed
from .pickles import PickleFault

PROGRAM = "the program beside the weights is not read: what it computes with them is not compared"
LISTED = "_weights_config.json"
MOST_LIST = 16 << 20  # bytes
KINDS = {1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64"}
KINDS |= {12: "bool", 13: "bfloat16"}  # torch's numbers of dtypes


def lists_weights(names: frozenset[str]) -> bool:
    """Whether an archive of these names is one."""
    return any(name.endswith(LISTED) for name in names)


def read_pt2(path: Path) -> Checkpoint:
    """Read the weights of an exported program; the program is not. Raises CheckpointError for one that is unsound."""
    data = mapped(path)
    with check_archive(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        (name, *more) = [name for name in entries if name.endswith(LISTED)]
        if more or entries[name].file_size > MOST_LIST:
            raise CheckpointError(f"{path} must hold one exported program, and holds {1 + len(more)}; export one alone")
        described = strict_json(inflated(archive, entries[name], path), f"{name} in {path}")
    listed = described.get("config") if isinstance(described, dict) else None
    home = name.rpartition("/")[0]
    tensors = {}
    for key, entry in (listed if isinstance(listed, dict) else {}).items():
        tensors[key] = _array(entry, entries, home, data, f"{key} in {path}", path)
    return Checkpoint(tensors, notes=(PROGRAM,))


def _array(entry: Any, entries: dict[str, zipfile.ZipInfo], home: str, data: Array, subject: str, path: Path) -> Array:
    try:
        meta, stored = entry["tensor_meta"], entries[f"{home}/{entry['path_name']}"]
        dtype, offset = DTYPES[KINDS[meta["dtype"]]], meta["storage_offset"]["as_int"]
        shape, strides = (tuple(each["as_int"] for each in meta[key]) for key in ("sizes", "strides"))
        if not all(type(each) is int and each >= 0 for each in (offset, *shape, *strides)) or entry["use_pickle"]:
            raise ValueError
        if stored.compress_type != zipfile.ZIP_STORED or len(shape) != len(strides):
            raise ValueError
        start = stored_at(path, data, stored, bool(stored.CRC))
        return viewed(data[start : start + stored.file_size], dtype, offset, shape, strides)
    except (KeyError, TypeError, ValueError, PickleFault):
        raise CheckpointError(
            f"{subject} must be a tensor of plain numbers, and is none; save the program's state_dict"
        ) from None
