"""Files that are no checkpoint, or one that is not read here -> what they are, by their first bytes, and what to do."""

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
    Stranger("XML", _begins(b"<?xml"), "download the file itself"),
    Stranger("packed with gzip", _begins(b"\x1f\x8b"), UNPACK),
    Stranger("packed with xz", _begins(b"\xfd7zXZ"), UNPACK),
    Stranger("packed with bzip2", _begins(b"BZh"), UNPACK),
    Stranger("packed with zstd", _begins(b"\x28\xb5\x2f\xfd"), UNPACK),
    Stranger("a 7z or RAR archive", _begins(b"7z\xbc\xaf", b"Rar!"), UNPACK),
    Stranger("a tar archive", lambda head: head[257:262] == b"ustar", UNPACK),
    Stranger("a single NumPy array", _begins(b"\x93NUMPY"), "save all arrays by name with numpy.savez"),
    Stranger("GGUF, llama.cpp's format", _begins(b"GGUF"), "convert what it was made from"),
    Stranger("a TensorFlow Lite model", lambda head: head[4:8] == b"TFL3", "convert what it was made from"),
    Stranger("JSON", _begins(b"{", b"["), "name the weights beside it"),
    Stranger(
        "an ONNX model or another protocol buffer",
        lambda head: head[:1] == b"\x08" and head[2:3] in (b"\x12", b"\x1a", b"\x3a"),
        "convert the weights it was exported from",
    ),
    Stranger(
        "a message pack, as Flax saves its trees",
        lambda head: (0x80 < head[0] <= 0x8F or head[0] in (0xDE, 0xDF)) and b"params" in head,
        "save its arrays with numpy.savez under the names of one of the schemes",
    ),
    Stranger("a script", _begins(b"#!"), "name the weights"),
)


def stranger(head: bytes) -> Stranger | None:
    """What a file that no container fits is; None where nobody knows."""
    return next((each for each in STRANGERS if each.fits(head[:LOOK])), None)
