"""What stops a comparison. Every message is one sentence: the subject, what was expected, what was found, what next."""

import os
import re
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path

MOST = 600  # characters of a sentence
ROOM = 120  # of a list in it
WORDS = 240  # of what somebody else's exception says in it
COLOURS = re.compile(r"\x1b\[[\d;]*m")
NUMBERS = re.compile(r"\[[-+.\de\s\[\]]{40,}")  # an array, which Keras prints into its messages


class ParityError(Exception):
    """The comparison could not be made: exit code 2. details: the traceback, where another process has it."""

    most: int | None = MOST
    details = ""

    def __init__(self, message: str) -> None:
        super().__init__(message if self.most is None else short(message, self.most))


class TargetError(ParityError):
    """No such model, or the factory that was named does not give one."""


class UnmatchedError(ParityError):
    """Layers or weights of one side have no partner on the other; both lists are kept, whole."""

    def __init__(self, message: str, torch: Iterable[str] = (), keras: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.torch, self.keras = list(torch), list(keras)


class WorkerError(ParityError):
    """A framework's process stopped before it was done."""


class ModelError(WorkerError):
    """A model that cannot be built, or that fails by itself, with nobody looking."""


class InternalError(ParityError):
    """The check itself failed, which says nothing about the models."""


class CheckpointError(ParityError):
    """A checkpoint that cannot be read, recognised, used completely or written.

    faults: all that is wrong with it, names by what is wrong with them, whole; the message has the first few.
    """

    def __init__(self, message: str, faults: Mapping[str, Iterable[str]] | None = None) -> None:
        super().__init__(message)
        self.faults = {what: list(names) for what, names in (faults or {}).items()}


class UnwritableError(ParityError):
    """A file that was asked for cannot be written."""


def few(items: Iterable[str], room: int = ROOM, most: int | None = None) -> str:
    """A list in a sentence: as many of the items as there is room for, at least one, and how many more there are.

    most: that many at the most.
    """
    every = list(items)
    shown: list[str] = []
    for item in every[:most]:
        if shown and len(", ".join([*shown, item])) > room:
            break
        shown.append(short(item, room))
    left = len(every) - len(shown)
    return ", ".join(shown) + (f" and {left} more" if left else "")


def short(text: str, most: int) -> str:
    """A text of at most so many characters: cut in the middle, as the subject is at its start and the next step at
    its end."""
    if len(text) <= most:
        return text
    end = text[-(most // 2) :]
    start = text[: most - len(end) - len(" ... ")]
    return f"{start} ... {end}"


def words(error: BaseException, most: int = WORDS) -> str:
    """What somebody else's exception says, on one line: "KeyError: 'padding'"."""
    text = NUMBERS.sub("[...]", COLOURS.sub("", " ".join(str(error).split())))
    return short(f"{type(error).__name__}: {text}" if text else type(error).__name__, most)


def internal(error: BaseException, subject: str = "") -> InternalError:
    """The sentence for an exception that nobody foresaw. subject: on what the check failed, " on the torch model x"."""
    found = InternalError(
        f"the check itself failed{subject}, which says nothing about the models: {words(error)}{_place(error)}; "
        "run it again with PARITY_DEBUG=1 for the traceback, and report that"
    )
    found.details = traced(error)
    return found


def _place(error: BaseException) -> str:
    """The innermost line of this package that an exception came through."""
    home = Path(__file__).parent
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(home)]
    return f" (parity/{Path(frames[-1].filename).relative_to(home)}, line {frames[-1].lineno})" if frames else ""


def traced(error: BaseException) -> str:
    """The traceback of an exception, with what it came from: of one from another process, that process's."""
    return getattr(error, "details", "") or "".join(traceback.format_exception(error))


def debugging() -> bool:
    """Whether the user wants tracebacks."""
    return os.environ.get("PARITY_DEBUG", "") not in ("", "0")
