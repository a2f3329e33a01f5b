"""Messages between this program's own processes, over a private socket; no file is ever unpickled.

A message is pickled and its arrays follow as raw bytes, in the order in which their memory lies.
"""

import pickle
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from parity.models.arrays import Array

from .recording import memory_order


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
        self.base = np.asarray(array.transpose(self.order), order="C")

    def array(self) -> Array:
        return self.base.transpose(np.argsort(self.order))


def _packed(message: Any) -> Any:
    """The message with every array in a tuple, or list, made ready to travel."""
    if isinstance(message, np.ndarray):
        return _Permuted(message)
    return type(message)(map(_packed, message)) if type(message) in (tuple, list) else message


def _unpacked(message: Any) -> Any:
    if isinstance(message, _Permuted):
        return message.array()
    return type(message)(map(_unpacked, message)) if type(message) in (tuple, list) else message
