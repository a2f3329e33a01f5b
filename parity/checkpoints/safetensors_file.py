"""The safetensors format: eight bytes of length, a JSON header, then the tensors' bytes one after another."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from parity.errors import CheckpointError

from .checkpoint import Checkpoint, Labels, mapped, strict_json, view
from .statements import Statement, statements
from .tensors import BFLOAT16, Tensor, values

DTYPES: dict[str, np.dtype[Any]] = {
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
    "BF16": BFLOAT16,
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
FIELDS = {"dtype", "shape", "data_offsets"}
MOST_HEADER = 100_000_000  # bytes, the reference implementation's limit


def read_safetensors(path: Path) -> Checkpoint:
    """Read a .safetensors file. Raises CheckpointError where the header and the file do not fit each other exactly."""
    data = mapped(path)
    length = int.from_bytes(data[:8].tobytes(), "little")
    if length > min(MOST_HEADER, data.size - 8):
        raise CheckpointError(
            f"{path} must have its header within its {data.size} bytes, and claims {length} for it; "
            "the file is damaged: fetch it again"
        )
    header = strict_json(data[8 : 8 + length].tobytes(), f"the header of {path}")
    if not isinstance(header, dict):
        raise CheckpointError(f"the header of {path} must be a JSON object, and is not; fetch the file again")
    metadata = header.pop("__metadata__", None)
    metadata = {} if metadata is None else metadata  # some writers say null for none
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise CheckpointError(f"the metadata of {path} must be text by name, and is not; fetch the file again")
    tensors, spans = {}, []
    for name, entry in header.items():
        dtype, shape, start, stop = _entry(entry, f"{name} in {path}")
        tensors[name] = view(data[8 + length :], f"{name} in {path}", dtype, shape, start, stop - start)
        spans.append((start, stop))
    _check_spans(spans, data.size - 8 - length, path)
    stated = [each for key, text in metadata.items() for each in _stated(text, f"{key} in {path}")]
    return Checkpoint(tensors, metadata.get("model"), statements=tuple(stated), beside=metadata)


def _stated(text: str, subject: str) -> list[Statement]:
    """What a text of the metadata states, where it is the configuration of a network."""
    try:
        return statements(json.loads(text), subject) if text.lstrip().startswith("{") else []
    except (ValueError, RecursionError):
        return []


def _entry(entry: Any, subject: str) -> tuple[np.dtype[Any], tuple[int, ...], int, int]:
    fields: dict[str, Any] = entry if isinstance(entry, dict) else {}
    shape: Any = fields.get("shape")
    offsets: Any = fields.get("data_offsets")
    if not _sizes(shape) or not _sizes(offsets) or len(offsets) != 2 or fields.keys() != FIELDS:
        raise CheckpointError(
            f"{subject} must have a dtype, a shape and two offsets, and has not; fetch the file again"
        )
    dtype = DTYPES.get(str(fields["dtype"]))
    if dtype is None:
        raise CheckpointError(
            f"{subject} must be of a type that NumPy has, and is of {str(fields['dtype'])[:20]}; save it as float32"
        )
    return dtype, tuple(shape), offsets[0], offsets[1]


def _sizes(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 32 and all(type(size) is int and size >= 0 for size in value)


def _check_spans(spans: list[tuple[int, int]], size: int, path: Path) -> None:
    """Every byte belongs to one tensor: nothing overlaps, nothing is hidden in between."""
    reached = 0
    for start, stop in sorted(spans):
        if start != reached:
            raise CheckpointError(
                f"{path} must give every byte to one tensor, and at byte {min(start, reached)} gives it to "
                f"{'two' if start < reached else 'none'}; the file is damaged: fetch it again"
            )
        reached = stop
    if reached != size:
        raise CheckpointError(f"{path} must hold {reached} bytes of tensors, and holds {size}; fetch the file again")


def write_safetensors(path: Path, tensors: Sequence[Tensor], labels: Labels) -> None:
    """Write a .safetensors file, one tensor at a time."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt", "model": labels.model}}
    reached = 0
    for tensor in tensors:
        offsets = [reached, reached + tensor.nbytes]
        header[tensor.name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": offsets}
        reached += tensor.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the tensors start at a multiple of eight
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for value in values(tensors):
            file.write(value.reshape(-1).view(np.uint8).data)
