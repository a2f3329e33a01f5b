"""NumPy's archives, `.npz`: a zip of arrays by name. Objects in them are never unpickled. And arrays as a pickle."""

import ast
import math
import pickle
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from parity.errors import CheckpointError
from parity.models.arrays import Array

from .checkpoint import Checkpoint, Labels
from .keras_archive import check_archive, inflated
from .tensors import Tensor, values

MAGIC = b"\x93NUMPY"
MOST_INFLATED = 20  # times the file's size: weights are random numbers, which take nearly what they are
ENDING = ".npy"


def read_npz(path: Path) -> Checkpoint:
    """Read an archive of arrays. Raises CheckpointError for one that is damaged, or holds objects."""
    tensors: dict[str, Array] = {}
    with check_archive(path) as archive:
        entries = [entry for entry in archive.infolist() if entry.filename.endswith(ENDING)]
        if sum(entry.file_size for entry in entries) > MOST_INFLATED * path.stat().st_size:
            raise CheckpointError(f"{path} must hold what a network takes, and claims far more than it has; refused")
        for entry in entries:
            name = entry.filename.removesuffix(ENDING)
            tensors[name] = _array(inflated(archive, entry, path), f"{name} in {path}")
    return Checkpoint(tensors)


def _array(data: bytes, subject: str) -> Array:
    """The array of a .npy file's bytes: a magic, a length, a Python dictionary as text, the numbers."""
    wide = data[6:7] > b"\x01"
    length = int.from_bytes(data[8 : 12 if wide else 10], "little")
    start = (12 if wide else 10) + length
    try:
        header: Any = ast.literal_eval(data[start - length : start].decode("latin-1").strip())
        dtype, shape = np.dtype(str(header["descr"])), tuple(header["shape"])
        whole = all(type(size) is int and size >= 0 for size in shape)
        if not data.startswith(MAGIC) or dtype.hasobject or not whole:
            raise ValueError
        count = math.prod(shape)
        array = np.frombuffer(data, dtype, count, start) if count else np.empty(0, dtype)
    except (ValueError, KeyError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise CheckpointError(f"{subject} must be an array of numbers, and is none; save it with numpy.savez") from None
    return array.reshape(shape, order="F" if header.get("fortran_order") else "C")


def write_npz(path: Path, tensors: Sequence[Tensor], labels: Labels) -> None:
    """Write an archive of arrays under torch's names, as numpy.savez does."""
    with zipfile.ZipFile(path, "w") as archive:
        for tensor, value in zip(tensors, values(tensors), strict=True):
            with archive.open(zipfile.ZipInfo(f"{tensor.name}{ENDING}"), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, value, allow_pickle=False)


def write_pickle(path: Path, tensors: Sequence[Tensor], labels: Labels) -> None:
    """Write arrays by name as detectron2 reads them: a pickle of a dictionary, which names its author.

    And its network: detectron2's names are of one whose stride stands in the 1x1 as much as of one that has it later.
    """
    state = {tensor.name: value for tensor, value in zip(tensors, values(tensors), strict=True)}
    content = {"model": state, "__author__": "parity", "matching_heuristics": True, "arch": labels.model}
    with path.open("wb") as file:
        pickle.dump(content, file, protocol=4)
