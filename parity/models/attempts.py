"""What may fail without harm, such as the search for a cause: a function or an iterator -> what it gave until then."""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from parity.errors import (
    debugging,
    traced,
    words as words,  # of an exception, for rooms that know no other errors
)

T = TypeVar("T")
D = TypeVar("D")


def attempt(function: Callable[[], T], default: Callable[[Exception], D]) -> T | D:
    """What a function returns, or, where it raises, what the default makes of that."""
    try:
        return function()
    except Exception as error:  # noqa: BLE001 - whatever it is, the verdict stands without it
        _told(error)
        return default(error)


def attempts(make: Callable[[], Iterable[T]]) -> Iterator[T]:
    """The items of an iterable, up to the first that raises."""
    try:
        yield from make()
    except Exception as error:  # noqa: BLE001 - see above
        _told(error)


def _told(error: Exception) -> None:
    if debugging():
        print(traced(error), file=sys.stderr)
