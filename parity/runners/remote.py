"""A Side in a process of its own: imports and passes of the two frameworks overlap, and their libraries never meet."""

from collections.abc import Iterator
from typing import Any, NoReturn

from parity.errors import WorkerError

from .messages import receive, send
from .process import SideProcess
from .recording import Shelf


class RemoteSide:
    """The half that stays here. Calls are answered in order; `stream` yields what is emitted while the model runs."""

    def __init__(self, process: SideProcess, shelf: Shelf) -> None:
        self.framework, self.shelf = process.framework, shelf
        self._process, self._connection = process, process.connection

    def ask(self, method: str, *args: Any) -> None:
        """Send a request without waiting; `answer` collects it."""
        try:
            send(self._connection, (method, args))
        except (BrokenPipeError, ConnectionResetError):
            self._died()

    def answer(self) -> Any:
        """The next answer. Raises what the other process raised."""
        try:
            tag, value = receive(self._connection)
        except (EOFError, ConnectionResetError):
            self._died()
        if tag == "error":
            raise value
        return value

    def provide(self, value: Any) -> None:
        """Answer a forced run's question."""
        send(self._connection, ("value", value))

    def call(self, method: str, *args: Any) -> Any:
        self.ask(method, *args)
        return self.answer()

    def stream(self) -> Iterator[Any]:
        """What the request that was asked for emits, as it is made."""
        while (item := self.answer()) is not None:
            yield item

    def _died(self) -> NoReturn:
        code, words = self._process.last_words()
        last = f"; its last words: {words}" if words else ""
        raise WorkerError(
            f"the {self.framework} process must run to the end, and stopped with exit code {code}{last}; "
            f"try `python -c 'import {self.framework}'` in this environment"
        ) from None
