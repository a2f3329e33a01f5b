"""A side's process: receives requests, lets its Engine do them, sends what comes of it, until the connection closes."""

import os
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from parity.frameworks.alive import announce_to

from .blame import blamed
from .engine import Engine
from .messages import receive, send
from .process import give_back_memory
from .recording import Shelf

# After these, the other process has the machine to itself.
RUNS: set[Callable[..., Any]] = {Engine.record, Engine.teach, Engine.teach_rounding}


class Closed(BaseException):
    """Nobody asks any more. No Exception: what a model runs in must not take it for one of its own."""


class Worker:
    """Does one request after the other; while a training run waits, those that come then are done in it."""

    def __init__(
        self, connection: Connection, shelves: tuple[Shelf, Shelf], framework: str, spec: str, device: str
    ) -> None:
        self.connection = connection
        self.engine = Engine(framework, *shelves, spec, device, self._serve_while)

    def serve(self) -> None:
        """Until the connection closes."""
        self._serve_while(lambda: True)

    def _serve_while(self, wanted: Callable[[], bool]) -> None:
        while wanted():
            number, request, emits, args, kwargs = self._receive()
            try:
                self._send(number, "value", self._done(number, request, emits, args, kwargs))
            except Exception as error:  # noqa: BLE001 - whatever comes up is told in one sentence
                self._send(number, "error", blamed(error, self.engine, request))

    def _done(self, number: int, request: Callable[..., Any], emits: bool, args: Any, kwargs: Any) -> Any:
        emit = [lambda item: self._send(number, "item", item)] if emits else []
        value = request(self.engine, *emit, *args, **kwargs)
        if request in RUNS:
            give_back_memory()
        return value

    def _receive(self) -> Any:
        try:
            return receive(self.connection)
        except (EOFError, OSError):
            raise Closed from None

    def _send(self, number: int, tag: str, value: Any) -> None:
        try:
            send(self.connection, (number, tag, value))
        except OSError:
            raise Closed from None


def main(argv: list[str]) -> None:
    connection, shelf, theirs, framework, spec, device = argv
    shelves = Shelf(int(shelf)), Shelf(int(theirs))
    announce_to(sys.stderr.fileno())
    try:
        Worker(Connection(int(connection)), shelves, framework, spec, device).serve()
    except Closed:
        os._exit(0)  # skip the frameworks' slow shutdown


if __name__ == "__main__":
    main(sys.argv[1:])
