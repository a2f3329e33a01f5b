"""A Keras layer that goes over a sequence -> all its outputs in the order of time, and from these what it gives."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

ALL = ("return_sequences", "return_state")
FUSED = ("_can_attempt_fused_lstm", "_can_attempt_fused_gru")  # of both directions in one kernel, past their layers


def takes(layer: Any, kwargs: dict[str, Any]) -> bool:
    """Whether a layer can be run so here: without a mask, and without states that it keeps from call to call."""
    return kwargs.get("mask") is None and not layer.stateful


def states_of(kwargs: dict[str, Any]) -> list[Any]:
    """The states that a layer is called with."""
    return [state for state in keras.tree.flatten(kwargs.get("initial_state")) if state is not None]


def outputs_of(layer: Any, call: Callable[..., Any], kwargs: dict[str, Any]) -> Callable[..., Any]:
    """What gives, for (N, T, in) and first states, all outputs (N, T, H) in the order of time, and last cell states."""

    def run(x: Any, *states: Any) -> Any:
        own = kwargs | ({"initial_state": list(states)} if states else {})
        with _giving_all(layer):
            sequence, _, *cells = call(x, **own)
        return (ops.flip(sequence, 1) if layer.go_backwards else sequence, *cells)

    return run


@contextmanager
def _giving_all(layer: Any) -> Iterator[None]:
    own = vars(layer)
    before = {name: own[name] for name in ALL}
    own.update(dict.fromkeys(ALL, True))
    try:
        yield
    finally:
        own.update(before)


def last_of(layer: Any, sequence: Any) -> Any:
    """The output after the last step that the layer takes."""
    return sequence[:, 0] if layer.go_backwards else sequence[:, -1]


def as_made(layer: Any, sequence: Any) -> Any:
    """The outputs in the order in which the layer makes them."""
    return ops.flip(sequence, 1) if layer.go_backwards else sequence
