"""A Side in this process, with the interface of a remote one: for models that are already in memory."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

from .capture import Capture, Record, Side, Step
from .compare import Array, difference

STREAMS = ("stream", "replay", "forced")


class LocalSide:
    """Answers at once. What streams runs in a thread that stays one item ahead of the reader."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.framework = side.framework
        self._capture: Capture | None = None
        self._answer: Any = None
        self._items: queue.Queue[Any] = queue.Queue(maxsize=1)
        self._replies: queue.Queue[Any] = queue.Queue(maxsize=1)

    def ask(self, method: str, *args: Any) -> None:
        """Do what is asked, or start the thread that does; `answer` or `stream` collects it."""
        if method in STREAMS:
            self._answer = self._items
            threading.Thread(target=self._run, args=(method, *args), daemon=True).start()
        else:
            owner = self if hasattr(self, method) else self.side
            self._answer = getattr(owner, method)(*args)

    def _run(self, method: str, watch: frozenset[str]) -> None:
        assert self._capture is not None
        visit: Callable[..., Any] = self._exchange if method == "forced" else self._items.put
        try:
            getattr(self._capture, method)(visit, watch)
            self._items.put(None)
        except BaseException as error:  # noqa: BLE001 - handed to the reader
            self._items.put(error)

    def _exchange(self, step: Step) -> Array | None:
        self._items.put(step.key)
        theirs: Array | None = self._replies.get()
        if theirs is not None:
            self._items.put(difference(step.output, theirs))
        return theirs

    def answer(self) -> Any:
        """The answer, or a stream's next item. Raises what the thread raised."""
        if self._answer is not self._items:
            return self._answer
        item = self._items.get()
        if isinstance(item, BaseException):
            raise item
        return item

    def provide(self, value: Any) -> None:
        """Answer a `forced` run's question."""
        self._replies.put(value)

    def call(self, method: str, *args: Any) -> Any:
        """Ask and answer."""
        self.ask(method, *args)
        return self.answer()

    def stream(self) -> Iterator[Record]:
        """The Records of a `stream` or `replay` request that was asked for."""
        while (item := self.answer()) is not None:
            yield item

    def start(self) -> Any:
        return self.side.layers()

    def load(self, items: Any) -> None:
        for name, array in items:
            self.side.load(name, array)

    def weights(self) -> Any:
        return self.side.weights()

    def prepare(self, x: Array, dtype: str) -> Any:
        self._capture = Capture(self.side, x, dtype)
        return self._capture.prepare()

    def close(self) -> None:
        """Nothing to end."""
