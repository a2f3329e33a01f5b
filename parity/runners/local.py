"""A Side in this process, with the interface of a remote one: for models that are already in memory."""

import queue
import threading
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from parity.frameworks.side import Side, weights_of
from parity.models.arrays import Array
from parity.models.steps import Look

from .messages import Ask
from .recorder import Runner
from .recording import Shelf

STREAMS = ("compare", "forced", "replay")  # few numbers: made at once

THREADS = ("free_gradients", "forced_gradients")


class _ClosedError(Exception):
    """The reader is gone."""


class LocalSide:
    """Answers at once. What streams runs in a thread that stays one item ahead of the reader."""

    def __init__(self, side: Side, shelf: Shelf) -> None:
        self.side, self.shelf = side, shelf
        self.runner = Runner(side, shelf)
        self.framework = side.framework
        self._answer: Any = None
        self._items: queue.Queue[Any] = queue.Queue(maxsize=1)
        self._replies: queue.Queue[Any] = queue.Queue(maxsize=1)
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def ask(self, method: str, *args: Any) -> None:
        """Do what is asked, or start the thread that does; `answer` or `stream` collects it."""
        if method in THREADS:
            self._answer = self._items
            self._thread = threading.Thread(target=self._run, args=(method, *args), daemon=True)
            self._thread.start()
        elif method in STREAMS:
            self._answer = []
            getattr(self.runner, method)(self._answer.append, *args)
        else:
            owner = next(owner for owner in (self, self.runner, self.side) if hasattr(owner, method))
            self._answer = getattr(owner, method)(*args)

    def _run(self, method: str, *args: Any) -> None:
        try:
            getattr(self, f"_{method}")(*args)
            self._put(None)
        except _ClosedError:
            pass  # nobody reads any more; the model has been put back as it was
        except BaseException as error:  # noqa: BLE001 - handed to the reader
            self._items.put(error)

    def _free_gradients(self, x: Array, seed: int, look: Look) -> None:
        self.gradients.free(self._put, x, seed, look)

    def _forced_gradients(self, x: Array, dtype: str, look: Look) -> None:
        self._put(self.gradients.forced(Ask(self._put, self._replies.get), x, dtype, look))

    def _put(self, item: Any) -> None:
        while not self._closed.is_set():
            try:
                return self._items.put(item, timeout=0.1)
            except queue.Full:
                continue
        raise _ClosedError

    def answer(self) -> Any:
        """The answer, or a stream's next item. Raises what the thread raised."""
        if self._answer is not self._items:
            return self._answer
        item = self._items.get()
        if isinstance(item, BaseException):
            raise item
        return item

    def provide(self, value: Any) -> None:
        """Answer a forced run's question."""
        self._replies.put(value)

    def call(self, method: str, *args: Any) -> Any:
        """Ask and answer."""
        self.ask(method, *args)
        return self.answer()

    def stream(self) -> Iterator[Any]:
        """What the request that was asked for emits."""
        if self._answer is not self._items:
            yield from self._answer
            return
        while (item := self.answer()) is not None:
            yield item

    def start(self, *_: Any) -> Any:
        """The model is built already."""
        return self.side.layers()

    def share_cores(self, cores: int) -> None:
        """The user's own process keeps its threads."""

    def weights_of(self, path: str) -> dict[str, Array]:
        return weights_of(self.side, path)

    @cached_property
    def gradients(self) -> Any:
        return self.side.gradients()

    def kept_gradient(self, what: str, key: str) -> Array | None:
        kept: Array | None = self.gradients.kept(what, key)
        return kept

    def forced_by_itself(self, x: Array, dtype: str, look: Look) -> Any:
        return self.gradients.forced_by_itself(x, dtype, look)

    def forget_gradients(self) -> None:
        self.gradients.forget()

    def close(self) -> None:
        """Stop a run that nobody reads to its end, so that its hooks come off the model."""
        self._closed.set()
        if self._thread is not None and self._thread.is_alive():
            if self._replies.empty():
                self._replies.put(None)  # it may be waiting for an answer
            self._thread.join()
