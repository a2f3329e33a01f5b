"""Keras's archive, `.keras`: a zip of a JSON configuration and HDF5 weights. The configuration is read, never run."""

import json
import shutil
import stat
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from parity.errors import CheckpointError, few
from parity.models.arrays import Array

from .checkpoint import ZIP_MAGIC, Checkpoint, Labels, mapped, repeated, strict_json
from .graph import OURS, every_layer, name_of, own_graph
from .numbered import numbered
from .statements import statements
from .tensors import Tensor

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
MOST_CONFIG = 64 << 20  # bytes


def read_keras(path: Path, trusted: bool = False) -> Checkpoint:
    """Read a .keras archive: the weights where they lie in it. Raises CheckpointError; no layer is ever made."""
    from .hdf5 import read_hdf5

    with check_archive(path) as archive:
        names = set(archive.namelist())
        if not {CONFIG, WEIGHTS} <= names:
            missing = ", ".join(sorted({CONFIG, WEIGHTS} - names))
            raise CheckpointError(f"{path} must hold {CONFIG} and {WEIGHTS}, and lacks {missing}; save it with Keras 3")
        config, weights = archive.getinfo(CONFIG), archive.getinfo(WEIGHTS)
        if config.file_size > MOST_CONFIG:
            raise CheckpointError(f"{CONFIG} in {path} must have at most {MOST_CONFIG} bytes, and claims more; refused")
        if weights.compress_type != zipfile.ZIP_STORED:
            raise CheckpointError(
                f"{WEIGHTS} in {path} must be stored, as Keras does, and is compressed; save it again"
            )
        described = strict_json(inflated(archive, config, path), f"{CONFIG} in {path}")
    _refuse_quantised(described, path)
    region = weights_in(path, weights)
    found = read_hdf5(path, region, trusted=trusted, named=lambda: numbered(described))
    model, options = _our_config(described)
    stated = statements(described, f"{CONFIG} in {path}")
    return replace(found, model=model, config=options, statements=tuple(stated))


def _refuse_quantised(described: Any, path: Path) -> None:
    """Raise CheckpointError for layers whose policy is a quantised one: arrays are packed, or have scales."""
    policies = {name_of(layer): layer["config"].get("dtype") for layer in every_layer(described)}
    names = {
        layer: str(policy["config"].get("mode"))
        for layer, policy in policies.items()
        if isinstance(policy, dict) and isinstance(policy.get("config"), dict) and policy["config"].get("mode")
    }
    if names:
        raise CheckpointError(
            f"{path} must hold weights in floating point, and holds layers that Keras quantised "
            f"({few(sorted(set(names.values())))}): {few(names, most=5)}; save the network before it is quantised",
            {"quantised": names},
        )


def weights_in(path: Path, entry: zipfile.ZipInfo | None = None) -> tuple[int, int]:
    """Where the weights lie in an archive, and how many bytes they are. Raises CheckpointError where there are none."""
    if entry is None:
        with check_archive(path) as archive:
            stored = [each for each in archive.infolist() if each.filename == WEIGHTS]
        if len(stored) != 1 or stored[0].compress_type != zipfile.ZIP_STORED:
            raise CheckpointError(f"{path} must hold {WEIGHTS}, stored as Keras does, and does not; save it with Keras")
        entry = stored[0]
    return stored_at(path, mapped(path), entry), entry.file_size


def check_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip whose entries are ordinary files, each named once and no larger than the archive."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeError):
        raise CheckpointError(f"{path} must be a whole zip archive, and is not; fetch it again") from None
    entries, size = archive.infolist(), path.stat().st_size
    faults = [f"{name!r} is there twice" for name in repeated(entry.filename for entry in entries)]
    for entry in entries:
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            faults.append(f"{entry.filename!r} is a link")
        if entry.flag_bits & 1:
            faults.append(f"{entry.filename!r} is encrypted")
        stored = entry.compress_type == zipfile.ZIP_STORED
        if entry.compress_size > size or (stored and entry.file_size != entry.compress_size):
            faults.append(f"{entry.filename!r} claims {entry.file_size} bytes")
    if sum(entry.compress_size for entry in entries) > size:
        faults.append("its entries lie over one another")
    if faults:
        archive.close()
        raise CheckpointError(f"{path} must be a plain zip of {size} bytes, but {few(faults)}; refused")
    return archive


def inflated(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> bytes:
    """An entry's bytes, no more than it claims; its checksum is checked."""
    try:
        with archive.open(entry) as file:
            text = file.read(entry.file_size + 1)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError):
        text = b""
    if len(text) != entry.file_size:
        raise CheckpointError(f"{entry.filename} in {path} must be readable, and is damaged; fetch the file again")
    return text


def stored_at(path: Path, data: Array, entry: zipfile.ZipInfo, checked: bool = True) -> int:
    """Where a stored entry's bytes begin: after a local header of 30 bytes, the name and the extra field.

    Raises CheckpointError where that header is not the entry's own, or the bytes do not fit their checksum. checked:
    whether they have one.
    """
    header = data[entry.header_offset : entry.header_offset + 30].tobytes()
    lengths = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
    name = data[entry.header_offset + 30 : entry.header_offset + 30 + lengths[0]].tobytes()
    start = entry.header_offset + 30 + sum(lengths)
    names = [entry.orig_filename.encode(code, "replace") for code in ("utf-8", "cp437")]
    own = header.startswith(ZIP_MAGIC) and name in names
    whole = start + entry.file_size <= data.size
    if not (own and whole) or (checked and zlib.crc32(data[start : start + entry.file_size].data) != entry.CRC):
        raise CheckpointError(
            f"{entry.filename} in {path} must fit its name and checksum in the archive, and does not; "
            "the file is damaged: fetch it again"
        )
    return start


def _our_config(described: Any) -> tuple[str | None, dict[str, Any] | None]:
    """The name and configuration of a model of resnet_keras, or of the only one in a model, as data; else None."""
    inside = own_graph(described)
    described = inside[0] if inside else described
    try:
        arguments = described["config"]["arguments"]
        if described["registered_name"] == OURS:
            name, config = arguments["name"], arguments["config"]
            return (name, config) if isinstance(name, str) and isinstance(config, dict) else (None, None)
    except (KeyError, TypeError):
        pass
    return None, None


def write_keras(path: Path, tensors: Sequence[Tensor], labels: Labels) -> None:
    """Write an archive that `keras.models.load_model` loads wherever resnet_keras is imported.

    Keras describes the model, made without values in its weights; the weights are then written as they come.
    """
    import keras

    import resnet_keras

    from .hdf5 import write_hdf5

    with keras.StatelessScope(initialize_variables=False):
        model = getattr(resnet_keras, labels.model)(**labels.options)
    described = json.dumps(keras.saving.serialize_keras_object(model))
    weights = path.with_name(path.name + ".weights.h5")
    write_hdf5(weights, tensors, labels)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            METADATA, json.dumps({"keras_version": keras.__version__, "date_saved": "1980-01-01@00:00:00"})
        )
        archive.writestr(CONFIG, described)
        with weights.open("rb") as source, archive.open(zipfile.ZipInfo(WEIGHTS), "w", force_zip64=True) as entry:
            shutil.copyfileobj(source, entry, 1 << 20)
    weights.unlink()
