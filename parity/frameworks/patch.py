"""Give an object of the user's a method of its own for a while, and leave it as it was."""

from collections.abc import Callable
from functools import partial
from typing import Any


def patch(owner: Any, name: str, method: Any) -> Callable[[], Any]:
    """Set the method past what a framework does about attributes; returns what undoes it.

    One that the user has given that very object before is put back.
    """
    own = vars(owner)
    undo = partial(own.__setitem__, name, own[name]) if name in own else partial(own.pop, name, None)
    own[name] = method
    return undo
