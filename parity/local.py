"""A Side in this process, with the interface of a remote one: for models that are already in memory."""

import queue
import threading
from collections.abc import Iterator
from typing import Any

from .capture import Capture, Record, Side


class LocalSide:
    """Answers at once; `stream` runs the model in a thread that stays one Record ahead of the reader."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.framework = side.framework
        self._capture: Capture | None = None
        self._answer: Any = None

    def ask(self, method: str, *args: Any) -> None:
        """Do what is asked; `answer` collects it."""
        owner = self if hasattr(self, method) else self.side
        self._answer = None if method == "stream" else getattr(owner, method)(*args)

    def answer(self) -> Any:
        return self._answer

    def call(self, method: str, *args: Any) -> Any:
        self.ask(method, *args)
        return self.answer()

    def start(self) -> Any:
        return self.side.layers()

    def load(self, items: Any) -> None:
        for name, array in items:
            self.side.load(name, array)

    def weights(self) -> Any:
        return self.side.weights()

    def prepare(self, x: Any, dtype: str) -> Any:
        self._capture = Capture(self.side, x, dtype)
        return self._capture.prepare()

    def stream(self) -> Iterator[Record]:
        items: queue.Queue[Any] = queue.Queue(maxsize=1)

        def run() -> None:
            try:
                assert self._capture is not None
                self._capture.stream(items.put)
                items.put(None)
            except BaseException as error:  # noqa: BLE001 - handed to the reader
                items.put(error)

        threading.Thread(target=run, daemon=True).start()
        while (item := items.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    def close(self) -> None:
        """Nothing to end."""
