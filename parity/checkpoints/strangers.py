"""Files and folders that are no checkpoint, or one that is not read here -> what they are, and what to do."""

from collections.abc import Callable
from typing import NamedTuple

LOOK = 512  # bytes


class Stranger(NamedTuple):
    """What a file is, told by its first bytes, and the next step."""

    what: str
    fits: Callable[[bytes], bool]
    step: str


def _begins(*heads: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.lstrip().startswith(heads) if heads[0][:1] == b"<" else head.startswith(heads)


UNPACK = "unpack it, and convert what is in it"
STRANGERS = (
    Stranger("empty", lambda head: not head, "fetch it again"),
    Stranger(
        "a pointer of Git LFS, not the file itself",
        _begins(b"version https://git-lfs"),
        "fetch the file with `git lfs pull`",
    ),
    Stranger(
        "a page of HTML, as servers send in place of a file",
        lambda head: head.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html", b"<head")),
        "download the file itself",
    ),
    Stranger(
        "an OpenVINO model's description",
        lambda head: head.startswith(b"<?xml") and b"<net" in head,
        "convert the weights it was exported from",
    ),
    Stranger("XML", _begins(b"<?xml"), "download the file itself"),
    Stranger("packed with gzip", _begins(b"\x1f\x8b"), UNPACK),
    Stranger("packed with xz", _begins(b"\xfd7zXZ"), UNPACK),
    Stranger("packed with bzip2", _begins(b"BZh"), UNPACK),
    Stranger("packed with zstd", _begins(b"\x28\xb5\x2f\xfd"), UNPACK),
    Stranger("a 7z or RAR archive", _begins(b"7z\xbc\xaf", b"Rar!"), UNPACK),
    Stranger("a tar archive", lambda head: head[257:262] == b"ustar", UNPACK),
    Stranger(
        "a single NumPy array, or several behind one another as Equinox writes them",
        _begins(b"\x93NUMPY"),
        "save all arrays by name with numpy.savez",
    ),
    Stranger("GGUF, llama.cpp's format", _begins(b"GGUF"), "convert what it was made from"),
    Stranger("a TensorFlow Lite model", lambda head: head[4:8] == b"TFL3", "convert what it was made from"),
    Stranger("JSON", _begins(b"{", b"["), "name the weights beside it"),
    Stranger(
        "a message pack, as Flax saves its trees",
        lambda head: (0x80 < head[0] <= 0x8F or head[0] in (0xDE, 0xDF)) and b"params" in head,
        "save its arrays with numpy.savez under the names of one of the schemes",
    ),
    Stranger("a script", _begins(b"#!"), "name the weights"),
)


class Folder(NamedTuple):
    """A folder that is one checkpoint of many files: what it is, by the names in it, and the next step."""

    what: str
    fits: Callable[[frozenset[str]], bool]
    step: str


def _has(*ends: str) -> Callable[[frozenset[str]], bool]:
    return lambda names: any(name.endswith(ends) for name in names)


FOLDERS = (
    Folder(
        "a distributed checkpoint of torch (.distcp)",
        _has(".distcp"),
        "make one file of it with torch.distributed.checkpoint.format_utils.dcp_to_torch_save(FOLDER, FILE)",
    ),
    Folder(
        "a SavedModel of TensorFlow without its variables",
        _has("saved_model.pb", "keras_metadata.pb"),
        "fetch its folder variables too",
    ),
    Folder(
        "a checkpoint of Orbax",
        _has("_CHECKPOINT_METADATA", "manifest.ocdbt", "_METADATA", "_sharding"),
        "restore it and save its arrays with numpy.savez under the names of one of the schemes",
    ),
    Folder("an OpenVINO model", _has(".xml"), "convert the weights it was exported from"),
)
FILES = {  # of which one alone is nothing
    ".distcp": FOLDERS[0],
    "saved_model.pb": FOLDERS[1],
}


def folder_of(names: frozenset[str]) -> Folder | None:
    """What a folder of these names is as a whole."""
    return next((each for each in FOLDERS if each.fits(names)), None)


def part_of(name: str) -> Folder | None:
    """What a file is a part of, by its name's end."""
    return next((each for end, each in FILES.items() if name.endswith(end)), None)


def stranger(head: bytes) -> Stranger | None:
    """What a file that no container fits is; None where nobody knows."""
    return next((each for each in STRANGERS if each.fits(head[:LOOK])), None)
