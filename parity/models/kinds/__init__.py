"""The table of layer kinds: a layer, or a kind's name, goes in; its row comes out.

A row is all it takes to add a kind: which classes and functions of both frameworks are one, where its weights and
settings are, what it computes and what must be known of it (kind.py). No other file of parity names a kind: what a file
must know of one, it asks the row. A file here has the rows of one family.
"""

from functools import cache
from typing import Any

from parity.models.arrays import Array

from .activations import ACTIVATIONS
from .bare import BARE, bare
from .idle import IDLE
from .joints import JOINTS
from .kind import Kind, Static, Weights, held, holder
from .moves import MOVES
from .norms import NORMS
from .pools import POOLS, is_global
from .products import PRODUCTS
from .recurrent import CELL, CONV_LSTM, RECURRENT, SEQUENCE, runs_each_step
from .settings import function_of

# The first row that fits is it.
KINDS: tuple[Kind, ...] = (
    *PRODUCTS,
    *RECURRENT,
    CONV_LSTM,
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


def are_alike(one: str, other: str) -> bool:
    """Whether two kinds have the same weights: they are one, or a cell and what goes over a sequence with it."""
    return one == other or (named(one).family == named(other).family != "")


def by_formula(kind: str, inputs: tuple[Array, ...], weights: Weights, static: Static) -> Array | None:
    """A layer's output by its kind's formula, where no framework is at hand: of numbers out of files."""
    formula = named(kind).formula
    return None if formula is None else formula(inputs[0], weights, {"inputs": inputs[1:]} | static)


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
    for cls in type(layer).__mro__:
        for kind in KINDS:
            classes = kind.torch if framework == "torch" else kind.keras
            if cls.__name__ in classes and _is_one(layer, cls, kind, framework):
                return kind
    return Kind(names[0].lower(), known=False)


def _is_one(layer: Any, cls: type, kind: Kind, framework: str) -> bool:
    """Whether a layer whose class, or base, has a name of the kind is of it.

    What only is called so must have the kind's settings, and no other tensors: a "Conv2d" may be a block.
    """
    home = f"{cls.__module__}.".startswith(f"{framework}.")
    if not (home and cls is type(layer)) and framework == "torch" and not _looks_like(layer, kind):
        return False
    return kind.test is None or bool(kind.test(layer))


def _looks_like(layer: Any, kind: Kind) -> bool:
    try:
        for setting in kind.settings:
            setting.torch(layer)
    except (AttributeError, TypeError):
        return False
    own = {name for name, _ in layer.named_parameters()}
    return own <= {name for name, _, _ in kind.weights}


def kind_of_class(name: str, framework: str) -> Kind:
    """The first row that has a framework's class of that name."""
    return next(kind for kind in KINDS if name in (kind.torch if framework == "torch" else kind.keras))


def _short(operations: tuple[str, ...]) -> set[str]:
    return {name.rpartition(".")[2] for name in operations}


__all__ = [
    "CELL",
    "FUNCTIONS",
    "KINDS",
    "SEQUENCE",
    "Kind",
    "are_alike",
    "bare",
    "by_formula",
    "held",
    "holder",
    "is_global",
    "is_keras_layer",
    "kind_of",
    "kind_of_class",
    "move_to",
    "named",
    "runs_each_step",
]
