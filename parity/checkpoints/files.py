"""Checkpoint files as NumPy arrays by stored name: which format a file has, and the one way to read and write each.

The format comes from the name and is checked by the first bytes. Nothing in a file is ever executed, every size is
checked against the file before memory is taken, and arrays are views of the mapped file wherever it allows that. Only
`.pth`, `.pt` and writing `.keras` import a framework.
"""

from collections.abc import Sequence
from pathlib import Path

from parity.errors import CheckpointError

from .checkpoint import ZIP_MAGIC, Checkpoint, Labels
from .tensors import Tensor

SUFFIXES = (".weights.h5", ".safetensors", ".keras", ".pth", ".pt", ".h5")  # the longest that fits is the format

PARTS = (*SUFFIXES, ".bin")  # transformers' and accelerate's older name for torch's own format, in parts above all

TORCH = (".pth", ".pt", ".safetensors", ".bin")  # the others hold Keras's names and layout

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"

LEGACY_TORCH_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


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
    return "torch" if suffix in TORCH else "keras"


def read(path: Path, *, trusted: bool = False) -> Checkpoint:
    """Read a checkpoint. `trusted` files were written by this process; HDF5 then needs no process of its own.

    Raises CheckpointError for a file that is missing, is not what its name says, is damaged or claims what it has not.
    """
    suffix = _checked_format(path)
    if suffix == ".safetensors":
        from .safetensors_file import read_safetensors

        return read_safetensors(path)
    if suffix in TORCH:
        from .torch_pickle import read_torch

        return read_torch(path)
    if suffix == ".keras":
        from .keras_archive import read_keras

        return read_keras(path, trusted)
    from .hdf5 import read_hdf5

    return read_hdf5(path, trusted=trusted)


def read_together(paths: Sequence[Path]) -> list[Checkpoint]:
    """Read the parts of one network, of one format. Raises CheckpointError as `read` does."""
    if _checked_format(paths[0]) in TORCH:
        return [read(path) for path in paths]
    from .hdf5 import read_hdf5_parts

    for path in paths[1:]:
        _checked_format(path)
    return read_hdf5_parts(paths)


def _checked_format(path: Path) -> str:
    """The format that a file's name and its first bytes agree on."""
    suffix, content = format_of(path, parts=True), _content(path)
    torch = ("zip", "torch")
    wanted = {".safetensors": ("safetensors",), ".keras": ("zip",), ".pth": torch, ".pt": torch, ".bin": torch}
    if content not in wanted.get(suffix, ("HDF5",)):
        expected = " or ".join(wanted.get(suffix, ("HDF5",)))
        raise CheckpointError(f"{path} must hold {expected} data, as its name says, and holds {content}; rename it")
    return suffix


def write(path: Path, tensors: Sequence[Tensor], labels: Labels) -> None:
    """Write a checkpoint in the format that the name asks for. Raises OSError where the disk refuses."""
    suffix = format_of(path)
    if suffix == ".safetensors":
        from .safetensors_file import write_safetensors

        write_safetensors(path, tensors, labels)
    elif suffix in TORCH:
        from .torch_pickle import write_torch

        write_torch(path, tensors)
    elif suffix == ".keras":
        from .keras_archive import write_keras

        write_keras(path, tensors, labels)
    else:
        from .hdf5 import write_hdf5

        write_hdf5(path, tensors, labels, legacy=suffix == ".h5")


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
    if head.startswith(HDF5_MAGIC):
        return "HDF5"
    if head.startswith(ZIP_MAGIC):
        return "zip"
    if head.startswith(LEGACY_TORCH_MAGIC):
        return "torch"
    return "safetensors" if head[8:9] == b"{" else "something else" if head else "nothing"
