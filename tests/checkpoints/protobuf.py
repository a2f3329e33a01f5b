"""Messages of protocol buffers, and an ONNX model of a network, written by hand: no package is needed for them."""

import struct
from typing import Any

import numpy as np


def number(value: int) -> bytes:
    out = b""
    value &= (1 << 64) - 1
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(key: int, value: Any) -> bytes:
    """A field: a whole number, a float, or bytes and text."""
    if isinstance(value, int):
        return number(key << 3) + number(value)
    if isinstance(value, float):
        return number(key << 3 | 5) + struct.pack("<f", value)
    data = value.encode() if isinstance(value, str) else value
    return number(key << 3 | 2) + number(len(data)) + data


def attribute(name: str, value: Any) -> bytes:
    if isinstance(value, float):
        return field(5, field(1, name) + field(2, value) + field(20, 1))
    if isinstance(value, int):
        return field(5, field(1, name) + field(3, value) + field(20, 2))
    return field(5, field(1, name) + field(8, b"".join(map(number, value))) + field(20, 7))


def node(kind: str, inputs: list[str], output: str, **settings: Any) -> bytes:
    parts = [field(1, name) for name in inputs] + [field(2, output), field(4, kind)]
    return field(1, b"".join(parts + [attribute(*each) for each in settings.items()]))


def initializer(name: str, array: np.ndarray) -> bytes:
    dims = b"".join(map(number, array.shape))
    kind = {"float32": 1, "float16": 10, "float64": 11, "int64": 7}[array.dtype.name]
    return field(5, field(1, dims) + field(2, kind) + field(8, name) + field(9, array.tobytes()))


def onnx_model(tensors: dict[str, np.ndarray], nodes: list[bytes], image: str = "x") -> bytes:
    graph = (
        field(11, field(1, image))
        + b"".join(nodes)
        + field(2, "main")
        + b"".join(initializer(*each) for each in tensors.items())
    )
    return field(1, 8) + field(2, "pytorch") + field(7, graph) + field(8, field(2, 17))


def onnx_nodes(words: dict[str, Any], tensors: dict[str, np.ndarray]) -> list[bytes]:
    """A node for each layer, with the settings that `words` state of it (see `graph.module_words`)."""
    made = []
    for name in tensors:
        path, _, leaf = name.rpartition(".")
        if leaf != "weight":
            continue
        if path == "fc":
            made.append(node("Gemm", ["x", name, "fc.bias"], "y", transB=1))
        elif f"{path} epsilon" in words:
            leaves = ("weight", "bias", "running_mean", "running_var")
            inputs = ["x", *(f"{path}.{each}" for each in leaves)]
            made.append(node("BatchNormalization", inputs, "y", epsilon=float(words[f"{path} epsilon"])))
        else:
            pads, strides = words[f"{path} padding"], words[f"{path} strides"]
            inputs = ["x", name, *([f"{path}.bias"] if f"{path}.bias" in tensors else [])]
            made.append(
                node("Conv", inputs, "y", pads=[pads] * 4, strides=[strides] * 2, group=words[f"{path} groups"])
            )
        made.append(node("Relu", ["y"], "x"))
    return made
