"""Damage done to valid checkpoints: to any file's bytes, and to each format's own structure."""

import io
import json
import random
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Mutation = Callable[[bytes, random.Random], bytes]


def truncate(data: bytes, draw: random.Random) -> bytes:
    return data[
        : draw.choice([0, 1, 7, 8, draw.randrange(len(data)), len(data) - 1, len(data) - draw.randrange(1, 99)])
    ]


def flip_anywhere(data: bytes, draw: random.Random) -> bytes:
    return _flip(data, [draw.randrange(len(data)) for _ in range(draw.choice([1, 1, 4, 64]))], draw)


def flip_structure(data: bytes, draw: random.Random) -> bytes:
    """Near the beginning or the end, where formats keep what they say of themselves."""
    reach = min(len(data), 20_000)
    places = [draw.choice([draw.randrange(reach), len(data) - 1 - draw.randrange(reach)]) for _ in range(3)]
    return _flip(data, places, draw)


def splice(data: bytes, draw: random.Random) -> bytes:
    start, size, goal = draw.randrange(len(data)), draw.randrange(1, 5000), draw.randrange(len(data))
    return data[:goal] + data[start : start + size] + data[goal + draw.choice([0, size]) :]


def remove(data: bytes, draw: random.Random) -> bytes:
    start = draw.randrange(len(data))
    return data[:start] + data[start + draw.randrange(1, 5000) :]


def overwrite(data: bytes, draw: random.Random) -> bytes:
    """Numbers that formats take for sizes, offsets and counts: zeros, all ones, a terabyte."""
    number = draw.choice([b"\0" * 8, b"\xff" * 8, struct.pack("<Q", 1 << 40), struct.pack("<I", 1 << 31), b"\0" * 600])
    reach = draw.choice([64, 2000, 20_000, len(data)])
    start = draw.randrange(min(reach, len(data)))
    return data[:start] + number + data[start + len(number) :]


def _flip(data: bytes, places: list[int], draw: random.Random) -> bytes:
    changed = bytearray(data)
    for place in places:
        changed[place] ^= 1 << draw.randrange(8)
    return bytes(changed)


ANY: tuple[Mutation, ...] = (
    truncate,
    flip_anywhere,
    flip_structure,
    flip_structure,
    splice,
    remove,
    overwrite,
    overwrite,
)


def safetensors_header(data: bytes, draw: random.Random) -> bytes:
    """Rename, retype, reshape, move, drop, swap or repeat entries of the header."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    names = [name for name in header if name != "__metadata__"]
    one, two = draw.sample(names, 2)
    kind = draw.randrange(10)
    if kind == 0:
        header[draw.choice(["layer9.9.conv1.weight", "x\n\x1b[31m", two + " ", "", "é" * 500])] = header.pop(one)
    elif kind == 1:
        header[one]["dtype"] = draw.choice(["F16", "F64", "I32", "BF16", "F8_E4M3", "BOOL", 7, None, ["F32"]])
    elif kind == 2:
        shape = header[one]["shape"]
        header[one]["shape"] = draw.choice([[], [1 << 40], shape[::-1], [*shape, 1], [-1], [1.5], "x", [0], [True]])
    elif kind == 3:
        header[one]["data_offsets"] = draw.choice([[0, 1 << 40], [4, 0], [0], [-8, -4], header[two]["data_offsets"], 5])
    elif kind == 4:
        del header[one]
    elif kind == 5:
        header[one], header[two] = header[two], header[one]
    elif kind == 6:
        del header[one][draw.choice(list(header[one]))]
    elif kind == 7:
        header["__metadata__"] = draw.choice([{"model": 3}, {"model": "resnet50"}, [], "x", {"model": "a" * 10**5}])
    text = json.dumps(header).encode()
    if kind == 8:
        text = text.replace(json.dumps(one).encode(), json.dumps(two).encode(), 1)
    if kind == 9:
        text = draw.choice([b"{}", b"[]", b"{" * 5000, b"null", text[:-5], b'{"a":' * 100_000])
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def zip_entries(data: bytes, draw: random.Random) -> bytes:
    """Repeat, rename, drop, swap, compress or link entries; claim other sizes; put an archive in front."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    kind, number = draw.randrange(9), draw.randrange(len(entries))
    name, content = entries[number]
    method, link = zipfile.ZIP_STORED, False
    if kind == 0:
        entries.append((name, content))
    elif kind == 1:
        entries[number] = (draw.choice(["../../evil", "/etc/evil", name + "x", "a/code/x.py", "é"]), content)
    elif kind == 2:
        del entries[number]
    elif kind == 3:
        other = draw.randrange(len(entries))
        entries[number], entries[other] = (name, entries[other][1]), (entries[other][0], content)
    elif kind == 4:
        method = zipfile.ZIP_DEFLATED
    elif kind == 5:
        link = True
    elif kind == 6:
        entries[number] = (name, b"\0" * 10_000_000)
        method = zipfile.ZIP_DEFLATED
    buffer = io.BytesIO()
    if kind == 7:
        buffer.write(draw.choice([b"#!/bin/sh\n", data[:1000], b"PK\x03\x04" + b"\0" * 40]))
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "a" if kind == 7 else "w", method) as archive:
        warnings.simplefilter("ignore")  # of names given twice
        for i, (each, inside) in enumerate(entries):
            entry = zipfile.ZipInfo(each)
            entry.compress_type = method
            if link and i == number:
                entry.external_attr = 0o120777 << 16
            archive.writestr(entry, inside)
    made = bytearray(buffer.getvalue())
    if kind == 8:  # sizes in the central directory
        place = made.rfind(b"PK\x01\x02")
        struct.pack_into("<II", made, place + 20, *draw.choice([(1 << 31, 1 << 31), (0, 0), (5, 1 << 31)]))
    return bytes(made)


def hdf5_objects(data: bytes, draw: random.Random) -> bytes:
    """Rename, drop, retype, reshape, link, chunk, empty or repeat an array; spoil a number."""
    buffer = io.BytesIO(data)
    with h5py.File(buffer, "a") as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        name, kind = draw.choice(names), draw.randrange(14)
        value = np.array(file[name])
        parent, leaf = file[name].parent, name.rpartition("/")[2]
        if kind == 0:
            file.move(name, draw.choice([name + "x", "layer9/0/conv1/vars/0", "vars/0", name.replace("/", "_")]))
        elif kind < 12:
            del file[name]
        _HDF5.get(kind, lambda *_: None)(parent, leaf, value, file, draw)
    return buffer.getvalue()


def _virtual(parent: Any, leaf: str, value: np.ndarray, file: Any, draw: random.Random) -> None:
    layout = h5py.VirtualLayout(value.shape, value.dtype)
    layout[...] = h5py.VirtualSource("/etc/passwd", "x", value.shape)
    parent.create_virtual_dataset(leaf, layout)


def _unallocated(parent: Any, leaf: str, value: np.ndarray, file: Any, draw: random.Random) -> None:
    shape = draw.choice([value.shape, (1 << 38,)])
    parent.create_dataset(leaf, shape, value.dtype)


def _spoiled(parent: Any, leaf: str, value: np.ndarray, file: Any, draw: random.Random) -> None:
    value.reshape(-1)[:1] = draw.choice([np.nan, np.inf, -np.inf, 0])
    parent[leaf][...] = value


def _named(parent: Any, leaf: str, value: np.ndarray, file: Any, draw: random.Random) -> None:
    parent.attrs["name"] = draw.choice(["conv1_conv", 7, np.zeros(5), "x" * 1000])
    file.attrs["model"] = draw.choice(["resnet50", "nothing", 7, b"\xff\xfe"])


_HDF5: dict[int, Callable[..., None]] = {
    2: lambda p, n, v, f, d: p.create_dataset(n, data=v.astype(d.choice(["f8", "f2", "i4", "u1", "c8", "?", ">f4"]))),
    3: lambda p, n, v, f, d: p.create_dataset(n, data=d.choice([v[..., None], v.reshape(-1), v[:0], v.T, v.sum()])),
    4: lambda p, n, v, f, d: p.__setitem__(n, h5py.SoftLink(d.choice(["/conv1/vars/0", "/nowhere", "/"]))),
    5: lambda p, n, v, f, d: p.__setitem__(n, h5py.ExternalLink(d.choice(["/etc/passwd", "other.h5"]), "/x")),
    6: lambda p, n, v, f, d: p.create_dataset(
        n, data=v.reshape(-1), chunks=(1,) if v.size < 99 else True, compression=9
    ),
    7: _virtual,
    8: lambda p, n, v, f, d: p.create_dataset(n, v.shape, v.dtype, external=[("/etc/passwd", 0, v.nbytes)]),
    9: _unallocated,
    10: lambda p, n, v, f, d: p.__setitem__(n, f),
    11: lambda p, n, v, f, d: p.create_dataset(
        n, data=d.choice([b"text", "text", h5py.Empty("f4"), np.void(b"x" * 9)])
    ),
    12: _spoiled,
    13: _named,
}


def torch_pickle(data: bytes, draw: random.Random) -> bytes:
    """Change the pickle inside the archive byte by byte, and keep the archive whole."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(buffer, "w") as changed:
        for entry in archive.infolist():
            content = archive.read(entry)
            if entry.filename.endswith(".pkl"):
                content = draw.choice((truncate, flip_anywhere, splice, remove, overwrite))(content, draw)
            changed.writestr(entry.filename, content)
    return buffer.getvalue()


OWN: dict[str, tuple[Mutation, ...]] = {
    ".safetensors": (safetensors_header,) * 4,
    ".pth": (zip_entries, zip_entries, torch_pickle, torch_pickle, torch_pickle),
    ".pt": (),  # here: torch's older form, of bytes alone
    ".keras": (zip_entries,) * 4,
    ".weights.h5": (hdf5_objects,) * 5,
    ".h5": (hdf5_objects,) * 5,
}


def mutate(source: Path, suffix: str, draw: random.Random) -> tuple[str, bytes]:
    """One mutation, by name, and the bytes it leaves."""
    mutation = draw.choice((*ANY, *OWN[suffix]))
    return mutation.__name__, mutation(source.read_bytes(), draw)
