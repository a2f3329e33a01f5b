"""An ear on Keras's backend functions while a model runs: what `keras.ops`, activations and operators call in the end.

The table of kinds names the functions ("nn.relu"). Whoever listens gets each call before it is made.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import keras.src.backend as backend

from parity.models.kinds import KINDS, Kind

Heard = Callable[[str, Kind, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]


@contextmanager
def listening(heard: Heard) -> Iterator[None]:
    """Let `heard(name, kind, function, args, kwargs)` answer every call of a function that the table names."""
    with ExitStack() as stack:
        for kind in KINDS:
            for name in kind.operations:
                stack.enter_context(replaced(name, partial(_told, heard, name, kind)))
        yield


def _told(heard: Heard, name: str, kind: Kind, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return heard(name, kind, function, args, kwargs)


@contextmanager
def replaced(name: str, answer: Callable[..., Any]) -> Iterator[None]:
    """Let `answer(function, *args, **kwargs)` answer every call of one function of the backend's, if it has that."""
    module = getattr(backend, name.partition(".")[0], None) if "." in name else None
    short = name.rpartition(".")[2]
    function = getattr(module, short, None)
    if module is None or function is None:
        yield
        return

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return answer(function, *args, **kwargs)

    setattr(module, short, wrapper)
    try:
        yield
    finally:
        setattr(module, short, function)
