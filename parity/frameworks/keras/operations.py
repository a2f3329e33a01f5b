"""An ear on Keras's backend functions while a model runs: what `keras.ops`, activations and operators call in the end.

The table of kinds names the functions ("nn.relu"). Whoever listens gets each call before it is made.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras.src.backend as backend

from parity.models.kinds import KINDS, Kind

Heard = Callable[[str, Kind, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]


@contextmanager
def listening(heard: Heard) -> Iterator[None]:
    """Let `heard(name, kind, function, args, kwargs)` answer every call of a function that the table names."""
    undo: list[tuple[Any, str, Any]] = []
    try:
        for kind in KINDS:
            for name in kind.operations:
                module = getattr(backend, name.partition(".")[0], None) if "." in name else None
                short = name.rpartition(".")[2]
                function = getattr(module, short, None)
                if function is not None:
                    undo.append((module, short, function))
                    setattr(module, short, _wrapped(heard, name, kind, function))
        yield
    finally:
        for module, short, function in reversed(undo):
            setattr(module, short, function)


def _wrapped(heard: Heard, name: str, kind: Kind, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return heard(name, kind, function, args, kwargs)

    return wrapper
