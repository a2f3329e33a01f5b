"""Checkpoint files as NumPy arrays by stored name: which container a file is, and the one way to read and write each.

What a file is, its bytes say; its name decides only what is written. Nothing in a file is ever executed, every size is
checked against the file before memory is taken, and arrays are views of the mapped file wherever it allows that. Only
writing `.pth`, `.pt` and `.keras` imports a framework. A container has a file of its own beside this one, a row of
CONTAINERS, and a row of FORMATS for each name that is written.
"""

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from parity.errors import CheckpointError

from .checkpoint import ZIP_MAGIC, Checkpoint, Labels
from .hdf5 import read_hdf5, read_hdf5_parts, write_hdf5
from .keras_archive import CONFIG, WEIGHTS, read_keras, write_keras
from .npz import ENDING, read_npz, write_npz, write_pickle
from .onnx_file import is_model, read_onnx
from .pt2 import lists_weights, read_pt2
from .safetensors_file import read_safetensors, write_safetensors
from .strangers import LOOK, stranger
from .tensor_bundle import is_index, read_bundle
from .tensors import Tensor
from .torch_pickle import read_torch, write_torch

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True)
class Container:
    """What a file's bytes can be. layout: whose names and axes its tensors have, "torch"'s or "keras"'s.

    fits: by the first bytes, and for a zip the names in it. read: of a path, whether this process wrote that itself,
    and where in it the tensors lie. read_parts: where the parts of one network cannot be read one by one.
    model: a model is in it, not weights alone. loaded: Keras's own `load_weights` reads it, of a Keras model.
    """

    name: str
    layout: str
    fits: Callable[[bytes, frozenset[str]], bool]
    read: Callable[[Path, bool, str], Checkpoint]
    read_parts: Callable[[Sequence[Path]], list[Checkpoint]] | None = None
    model: bool = False
    loaded: bool = True


def _torch(head: bytes, names: frozenset[str]) -> bool:
    return any(name.rpartition("/")[2] == "data.pkl" for name in names) or (
        head[:1] == b"\x80" and head[1:2] <= b"\x05"
    )


CONTAINERS: tuple[Container, ...] = (
    Container(
        "HDF5",
        "keras",
        lambda head, names: head.startswith(HDF5_MAGIC),
        lambda path, trusted, at: read_hdf5(path, trusted=trusted),
        read_hdf5_parts,
    ),
    Container(
        "a Keras archive",
        "keras",
        lambda head, names: bool(names & {CONFIG, WEIGHTS}),
        lambda path, trusted, at: read_keras(path, trusted),
        model=True,
    ),
    Container(
        "an exported program",
        "torch",
        lambda head, names: lists_weights(names),
        lambda path, trusted, at: read_pt2(path),
    ),
    Container("a torch file", "torch", _torch, lambda path, trusted, at: read_torch(path, at)),
    Container(
        "a NumPy archive",
        "torch",
        lambda head, names: bool(names) and all(name.endswith(ENDING) for name in names),
        lambda path, trusted, at: read_npz(path),
    ),
    Container(
        "safetensors",
        "torch",
        lambda head, names: head[8:9] == b"{" and head[:1] not in b"{[",
        lambda path, trusted, at: read_safetensors(path),
    ),
    Container(
        "a checkpoint of TensorFlow",
        "keras",
        lambda head, names: is_index(head),
        lambda path, trusted, at: read_bundle(path),
        loaded=False,
    ),
    Container(
        "an ONNX model",
        "torch",
        lambda head, names: is_model(head),
        lambda path, trusted, at: read_onnx(path),
    ),
)


@dataclass(frozen=True)
class Format:
    """One ending of a file that is written. layout: whose names and axes it has.

    model: a model is in it, and written that can only be our own.
    """

    suffix: str
    layout: str
    write: Callable[[Path, Sequence[Tensor], Labels], None]
    model: bool = False


def _write_torch(path: Path, tensors: Sequence[Tensor], labels: Labels) -> None:
    write_torch(path, tensors)


FORMATS: tuple[Format, ...] = (  # the first that fits is a file's
    Format(".weights.h5", "keras", partial(write_hdf5, legacy=False)),
    Format(".safetensors", "torch", write_safetensors),
    Format(".keras", "keras", write_keras, model=True),
    Format(".pth", "torch", _write_torch),
    Format(".pt", "torch", _write_torch),
    Format(".h5", "keras", partial(write_hdf5, legacy=True)),
    Format(".bin", "torch", _write_torch),  # transformers' older name for torch's own format
    Format(".npz", "torch", write_npz),
    Format(".pkl", "torch", write_pickle),  # detectron2's
)
BY_SUFFIX = {row.suffix: row for row in FORMATS}
SUFFIXES = tuple(BY_SUFFIX)
USUAL = (
    *SUFFIXES,
    ".hdf5",
    ".ckpt",
    ".tar",
    ".th",
    ".pickle",
    ".pdparams",
    ".pt2",
    ".index",
    ".onnx",
)  # endings of checkpoints in a folder


def format_of(path: Path) -> str:
    """The format that a destination's name asks for. Raises CheckpointError where it is none."""
    for suffix in SUFFIXES:
        if path.name.endswith(suffix) and path.name != suffix:
            return suffix
    raise CheckpointError(
        f"DESTINATION must end in one of {', '.join(sorted(SUFFIXES))}, and is {path}; choose one of them"
    )


def is_checkpoint(path: Path) -> bool:
    """Whether a file is named as checkpoints are."""
    return any(path.name.endswith(suffix) and path.name != suffix for suffix in USUAL)


def layout_of(suffix: str) -> str:
    """Whose names and axes a written format's tensors have: "torch" or "keras"."""
    return BY_SUFFIX[suffix].layout


def read(path: Path, *, trusted: bool = False, at: str = "") -> Checkpoint:
    """Read a checkpoint. `trusted` files were written by this process; HDF5 then needs no process of its own.

    at: where in it the tensors lie. Raises CheckpointError for a file that is missing, is no checkpoint, is damaged or
    claims what it has not.
    """
    return container_of(path).read(path, trusted, at)


def read_together(paths: Sequence[Path]) -> list[Checkpoint]:
    """Read the parts of one network, of one container. Raises CheckpointError as `read` does."""
    first = container_of(paths[0])
    if first.read_parts is None:
        return [read(path) for path in paths]
    return first.read_parts(paths)


def container_of(path: Path) -> Container:
    """What a file is. Raises CheckpointError for one that is not there, or no checkpoint."""
    head = _head(path)
    names = _names(path) if head.startswith(ZIP_MAGIC) else frozenset[str]()
    for container in CONTAINERS:
        if container.fits(head, names):
            return container
    found = stranger(head)
    if names:
        inside = sorted(names)[0]
        what, step = f"is a zip of {len(names)} files, {inside} among them", "unpack it, and convert what is in it"
    elif head.startswith(ZIP_MAGIC):
        what, step = "is a zip archive that is not whole", "fetch it again"
    elif found:
        what, step = f"is {found.what}" if found.what != "empty" else "holds nothing", found.step
    else:
        kinds = ", ".join(container.name for container in CONTAINERS)
        what, step = f"begins as none of these ({kinds})", "save it as one of them"
    raise CheckpointError(f"SOURCE must be a checkpoint, and {path} {what}; {step}")


def _names(path: Path) -> frozenset[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return frozenset(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeError):
        return frozenset()


def write(path: Path, tensors: Sequence[Tensor], labels: Labels) -> None:
    """Write a checkpoint in the format that the name asks for. Raises OSError where the disk refuses."""
    BY_SUFFIX[format_of(path)].write(path, tensors, labels)


def _head(path: Path) -> bytes:
    """The first bytes of a file."""
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is not there" if not path.exists() else "is no ordinary file"
            raise CheckpointError(f"SOURCE must be a checkpoint file, and {path} {what}; check the name")
        with path.open("rb") as file:
            return file.read(LOOK)
    except OSError as error:
        raise CheckpointError(
            f"{path} must be readable, and is not ({error.strerror}); check its permissions"
        ) from None
