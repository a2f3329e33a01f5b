"""The table of layer kinds: a layer, or a kind's name, goes in; its row comes out.

A row is all it takes to add a kind: which classes and functions of both frameworks are one, where its weights and
settings are, what it computes and what must be known of it (kind.py). No other file of parity names a kind: what a file
must know of one, it asks the row. A file here has the rows of one family.
"""

from functools import cache
from typing import Any

from .activations import ACTIVATIONS
from .bare import BARE, bare
from .idle import IDLE
from .joints import JOINTS
from .kind import Kind
from .moves import MOVES
from .norms import NORMS
from .pools import POOLS, is_global
from .products import PRODUCTS
from .settings import function_of

# The first row that fits is it.
KINDS: tuple[Kind, ...] = (
    *PRODUCTS,
    *NORMS,
    *POOLS,
    *MOVES,
    *ACTIVATIONS,
    *IDLE,
    *JOINTS,
    *BARE,
)
# The rows of torch's functions, by the names that torch gives them.
FUNCTIONS = {name: kind for kind in reversed(KINDS) for name in kind.functions}


@cache
def named(name: str) -> Kind:
    """The row of a kind; of a name that the table has not, a row of that name alone.

    A kind whose weights lie in several ways has a row for each; all else in them is the same.
    """
    return next((kind for kind in KINDS if kind.name == name), Kind(name, known=False))


def move_to(end: str) -> Kind:
    """The row of a move that makes a "vector" of an image, or an "image" of a vector."""
    return next(kind for kind in KINDS if kind.ends == end)


def is_keras_layer(value: Any) -> bool:
    """Whether `value` is a Keras layer (or model), told without importing Keras."""
    return any(cls.__name__ == "Layer" and cls.__module__.startswith("keras.") for cls in type(value).__mro__)


def kind_of(layer: Any, framework: str) -> Kind:
    """The row of the table for a layer or an activation function; for an unknown class a row of that name alone."""
    names = [cls.__name__ for cls in type(layer).__mro__]
    if framework == "keras" and names[0] == "Activation":
        layer = layer.activation
        names = [cls.__name__ for cls in type(layer).__mro__]
    if framework == "keras" and not is_keras_layer(layer):
        name = function_of(layer)[0]
        return next((kind for kind in KINDS if name in _short(kind.operations)), Kind(name, known=False))
    for name in names:
        for kind in KINDS:
            classes = kind.torch if framework == "torch" else kind.keras
            if name in classes and (kind.test is None or kind.test(layer)):
                return kind
    return Kind(names[0].lower(), known=False)


def kind_of_class(name: str, framework: str) -> Kind:
    """The first row that has a framework's class of that name."""
    return next(kind for kind in KINDS if name in (kind.torch if framework == "torch" else kind.keras))


def _short(operations: tuple[str, ...]) -> set[str]:
    return {name.rpartition(".")[2] for name in operations}


__all__ = [
    "FUNCTIONS",
    "KINDS",
    "Kind",
    "bare",
    "is_global",
    "is_keras_layer",
    "kind_of",
    "kind_of_class",
    "move_to",
    "named",
]
