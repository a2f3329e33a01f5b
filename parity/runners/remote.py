"""A Side in a process of its own as a Runner: imports and passes overlap, and two frameworks never meet."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from signal import Signals
from typing import Any, Concatenate, Generic, NoReturn, ParamSpec, TypeVar

from parity.errors import ParityError, WorkerError

from .engine import Engine
from .messages import receive, send
from .process import TRAINING, SideProcess
from .recording import Shelf
from .requests import Requests
from .runner import Emit, Pending

P = ParamSpec("P")
T = TypeVar("T")


class RemoteRunner(Requests):
    """The half that stays here: numbers its requests, and gives each what comes back under its number."""

    def __init__(self, process: SideProcess, shelf: Shelf) -> None:
        self.framework, self.shelf = process.framework, shelf
        self._process, self._connection = process, process.connection
        self._open: dict[int, _Answer[Any]] = {}
        self._asked = 0

    def _ask(self, request: Callable[Concatenate[Engine, P], T], *args: P.args, **kwargs: P.kwargs) -> Pending[T]:
        return self._send(_Answer[T](self.receive), request, False, args, kwargs)

    def _stream(
        self, request: Callable[Concatenate[Engine, Emit[T], P], None], *args: P.args, **kwargs: P.kwargs
    ) -> Iterator[T]:
        return iter(self._send(_Answer[T](self.receive), request, True, args, kwargs))

    def _send(
        self, answer: "_Answer[T]", request: Callable[..., Any], emits: bool, args: tuple[Any, ...], kwargs: Any
    ) -> "_Answer[T]":
        self._asked += 1
        self._open[self._asked] = answer
        try:
            send(self._connection, (self._asked, request, emits, args, kwargs))
        except (BrokenPipeError, ConnectionResetError):
            self._died()
        return answer

    def receive(self) -> None:
        """Wait for the next message, and give it to whom it is for."""
        try:
            number, tag, value = receive(self._connection)
        except (EOFError, ConnectionResetError):
            self._died()
        answer = self._open[number]
        if tag == "item":
            answer.items.append(value)
        else:
            answer.value, answer.error = (value, None) if tag == "value" else (None, value)
            answer.done = True
            del self._open[number]

    def _died(self) -> NoReturn:
        code, step, words = self._process.last_words()
        if code < 0:  # what it had printed by then, TensorFlow's start-up, is not why
            while_ran = f" while {step} ran" if step else ""
            raise WorkerError(
                f"the {self.framework} process must run to the end, and was ended by {_signal(-code)}{while_ran}: the "
                "framework's own failure, or the system's, and no difference between the models; run the model by "
                "itself on the same input"
            ) from None
        last = f"; its last words: {words}" if words else ""
        raise WorkerError(
            f"the {self.framework} process must run to the end, and stopped with exit code {code}{last}; "
            f"try `python -c 'import {self.framework}'` in this environment"
        ) from None


def _signal(number: int) -> str:
    """A signal's name, SIGFPE, or its number where it has none."""
    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"


class _Answer(Generic[T]):
    """What has come back of one request so far: items, then its value or error."""

    def __init__(self, receive: Callable[[], None]) -> None:
        self.receive = receive
        self.items: deque[T] = deque()
        self.value: Any = None
        self.error: ParityError | None = None
        self.done = False

    def result(self) -> T:
        while not self.done:
            self.receive()
        if self.error is not None:
            raise self.error
        value: T = self.value
        return value

    def __iter__(self) -> Iterator[T]:
        while self.items or not self.done:
            if self.items:
                yield self.items.popleft()
            else:
                self.receive()
        self.result()


@contextmanager
def both_frameworks(*frameworks: str, onednn: str = "as-is") -> Iterator[tuple[RemoteRunner, RemoteRunner]]:
    """torch's process and Keras's, or two others', each of which trains any number of models, one after another.

    What a step has made comes through a file that each shares with this process.
    """
    first, second = frameworks or ("torch", "keras")
    shelves = Shelf(), Shelf()
    processes = [SideProcess(first, "", shelves[0].descriptor, environment=TRAINING)]
    try:
        other = SideProcess(
            second, "", shelves[1].descriptor, theirs=shelves[0].descriptor, environment=TRAINING, onednn=onednn
        )
        processes.append(other)
        yield RemoteRunner(processes[0], shelves[0]), RemoteRunner(other, shelves[1])
    finally:
        for process in processes:
            process.end()
