"""ONNX's models -> their weights by name, and what the graph states of the layers that take them.

Read by the numbers of ONNX's messages; the package is not needed, and no operation is run. Exporters fold norms into
convolutions, whose weights have other numbers then, under the same names: a graph without norms is none of ours.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from parity.errors import CheckpointError
from parity.models.arrays import Array

from .checkpoint import Checkpoint, mapped, view
from .tensors import BFLOAT16
from .wire import WireFault, fields, packed, signed, text

DTYPES: dict[int, np.dtype[Any]] = {  # ONNX's numbers
    1: np.dtype("<f4"),
    2: np.dtype("u1"),
    3: np.dtype("i1"),
    6: np.dtype("<i4"),
    7: np.dtype("<i8"),
    9: np.dtype("?"),
    10: np.dtype("<f2"),
    11: np.dtype("<f8"),
    16: BFLOAT16,
}
IDLE = frozenset(  # what a network of the family may compute besides its layers: sums, means, shapes, zeros for padding
    [
        "Add",
        "Cast",
        "CastLike",
        "Concat",
        "Constant",
        "ConstantOfShape",
        "Dropout",
        "Expand",
        "Flatten",
        "Gather",
        "GlobalAveragePool",
        "Identity",
        "Pad",
        "ReduceMean",
        "Relu",
        "Reshape",
        "Shape",
        "Slice",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    ]
)
OF_IMAGES = frozenset(["Cast", "CastLike", "Constant", "Conv", "Identity", "Shape"])  # what an image may go through
Node = dict[int, list[Any]]  # a message's values by their fields' numbers


def is_model(head: bytes) -> bool:
    """Whether a file begins as a model does: with a small version, then its producer, graph or sets of operations."""
    return (
        head[:1] == b"\x08"
        and len(head[1:2]) > 0
        and head[1] < 64
        and head[2:3] in (b"\x12", b"\x1a", b"\x3a", b"\x42")
    )


def read_onnx(path: Path) -> Checkpoint:
    """Read a model's weights. Raises CheckpointError for one that is no model."""
    try:
        graphs = [value for number, value in fields(mapped(path)) if number == 7]
        if not graphs:
            raise WireFault("it has no graph")
        graph = _message(graphs[0])
        tensors = dict(_initializer(_message(each), path) for each in graph.get(5, ()))
        nodes = [_message(each) for each in graph.get(1, ())]
        images = {text(_message(each)[1][0]) for each in graph.get(11, ())} - tensors.keys()
        modules = dict(_modules(nodes, tensors, images))
    except (WireFault, ValueError, TypeError, KeyError, IndexError) as fault:
        raise CheckpointError(
            f"{path} begins as an ONNX model or another protocol buffer, and is no sound model ({fault}); convert the "
            "weights it was exported from"
        ) from None
    used = {text(name) for node in nodes for name in node.get(1, ())}
    held = {name: array for name, array in tensors.items() if name in used and (array.ndim or "." in name)}
    return Checkpoint({name: a for name, a in held.items() if a.dtype.kind not in "iu"}, modules=modules)


def _message(data: Any) -> Node:
    found: Node = {}
    for number, value in fields(data):
        found.setdefault(number, []).append(value)
    return found


def _initializer(tensor: Node, path: Path) -> tuple[str, Array]:
    name = text(tensor[8][0])
    shape = tuple(signed(size) for each in tensor.get(1, ()) for size in packed(each))
    dtype = DTYPES.get(tensor.get(2, [0])[0])
    subject = f"{name} in {path}"
    if dtype is None:
        raise CheckpointError(f"{subject} must be of numbers that NumPy has, and is not; export it in float32")
    if tensor.get(14, [0])[0]:
        return name, _outside(tensor, path, subject, dtype, shape)
    if 9 in tensor:
        return name, view(np.frombuffer(tensor[9][0], "u1"), subject, dtype, shape, 0)
    listed = tensor.get(4 if dtype == np.dtype("<f4") else 10 if dtype == np.dtype("<f8") else 7, [])
    if dtype.kind == "f":
        return name, np.frombuffer(b"".join(map(bytes, listed)), dtype).reshape(shape)
    return name, np.array([signed(number) for each in listed for number in packed(each)], dtype).reshape(shape)


def _outside(tensor: Node, path: Path, subject: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    """A tensor in a file beside the model."""
    said = {text(pair[1][0]): text(pair[2][0]) for pair in map(_message, tensor.get(13, ()))}
    file = said.get("location", "")
    if set(file) & set("/\\\0") or not path.with_name(file or "?").is_file():
        raise CheckpointError(f"{subject} must lie in a file beside it, and {file!r} is none; fetch it")
    return view(mapped(path.with_name(file)), subject, dtype, shape, int(said.get("offset", "0")))


def _modules(nodes: list[Node], tensors: dict[str, Array], images: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, settings) of the layers, in torch's words, each called as its weight is; `tensors` get torch's axes.

    images: what the model takes. What is done to it before the first layer, a crop or an order of channels, is odd.
    """
    for number, node in enumerate(nodes):
        kind, names = text(node[4][0]), [text(name) for name in node.get(1, ())]
        settings = dict(_attribute(_message(each)) for each in node.get(5, ()))
        weight = names[1] if len(names) > 1 else ""
        path = weight.rpartition(".")[0] or f"{kind.lower()} {number}"
        before = bool(names) and names[0] in images
        if before and kind in ("Cast", "CastLike", "Identity"):
            images.update(text(name) for name in node.get(2, ()))
        if kind in ("Conv", "MaxPool"):
            yield path, _window(kind, settings, tensors.get(weight))
        elif kind == "BatchNormalization":
            yield path, {"class": "BatchNorm2d", "eps": settings.get("epsilon", 1e-5)}
        elif kind in ("Gemm", "MatMul"):
            if weight in tensors and not settings.get("transB") and tensors[weight].ndim == 2:
                tensors[weight] = tensors[weight].T
        elif kind not in IDLE or (before and kind not in OF_IMAGES):
            yield path, {"class": kind, "odd": True}


def _window(kind: str, settings: dict[str, Any], kernel: Array | None) -> dict[str, Any]:
    pads = settings.get("pads", [0, 0, 0, 0])
    half = len(pads) // 2
    even = tuple(pads[:half]) if pads[:half] == pads[half:] else f"{pads}, which is uneven"
    size = kernel.shape[2:] if kernel is not None else settings.get("kernel_shape", ())
    ones = (1,) * half
    return {
        "class": "Conv2d" if kind == "Conv" else "MaxPool2d",
        "kernel_size": tuple(size),
        "stride": tuple(settings.get("strides", ones)),
        "padding": even if settings.get("auto_pad", "NOTSET") == "NOTSET" else settings["auto_pad"],
        "dilation": tuple(settings.get("dilations", ones)),
        "groups": settings.get("group", 1),
    }


def _attribute(message: Node) -> tuple[str, Any]:
    """(name, value): a number, whole numbers, or text."""
    name = text(message[1][0])
    if 8 in message:
        return name, [signed(number) for each in message[8] for number in packed(each)]
    if 3 in message:
        return name, signed(message[3][0])
    if 2 in message:
        return name, float(f"{np.frombuffer(message[2][0], '<f4')[0]:.7g}")
    return name, text(message[4][0]) if 4 in message else None
