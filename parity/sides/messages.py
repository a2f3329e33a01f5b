"""Messages between this program's own processes, over a private socket; no file is ever unpickled.

A message is pickled and its arrays follow as raw bytes, in the order in which their memory lies.
"""

import pickle
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from parity.capture import Record, memory_order
from parity.compare import Array


def send(connection: Connection, message: Any) -> None:
    """Pickle a message and send its arrays behind it, uncopied."""
    buffers: list[pickle.PickleBuffer] = []
    data = pickle.dumps(_packed(message), protocol=5, buffer_callback=buffers.append)
    connection.send_bytes(len(buffers).to_bytes(4, "little") + data)
    for buffer in buffers:
        connection.send_bytes(buffer.raw())


def receive(connection: Connection) -> Any:
    """The next message."""
    data = connection.recv_bytes()
    buffers = [connection.recv_bytes() for _ in range(int.from_bytes(data[:4], "little"))]
    return _unpacked(pickle.loads(data[4:], buffers=buffers))


class _Permuted:
    """An array whose axes are permuted in memory: pickle would copy it, so it travels as its memory lies."""

    def __init__(self, array: Array) -> None:
        self.order = memory_order(array)
        self.base = np.ascontiguousarray(array.transpose(self.order))

    def array(self) -> Array:
        return self.base.transpose(np.argsort(self.order))


def _packed(message: Any) -> Any:
    tag, value = message
    if isinstance(value, Record):
        value.step.output = _Permuted(value.step.output)  # type: ignore[assignment]
        value.low = None if value.low is None else _Permuted(value.low)  # type: ignore[assignment]
    elif isinstance(value, np.ndarray):
        value = _Permuted(value)
    return tag, value


def _unpacked(message: Any) -> Any:
    tag, value = message
    if isinstance(value, Record):
        value.step.output = value.step.output.array()  # type: ignore[attr-defined]
        value.low = None if value.low is None else value.low.array()  # type: ignore[attr-defined]
    elif isinstance(value, _Permuted):
        value = value.array()
    return tag, value
