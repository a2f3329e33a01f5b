"""What a row of the table is: everything that parity knows of one kind of layer, as plain data and small functions.

The functions read a layer's attributes, or an array, by name; none needs a framework.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from parity.models.arrays import Array, Axes

Names = tuple[str, ...]
Shape = tuple[int, ...]
Weight = tuple[
    str, str, Callable[[Shape], Axes]
]  # torch's name, Keras's, and the layout of Keras's array, by its shape
Weights = dict[str, Array]  # by torch's names, in torch's layout
Static = dict[str, Any]  # settings by name
Formula = Callable[[Array, Weights, Static], Array]
Rerun = Callable[[Any, tuple[Any, ...], dict[str, Any], Static], Any]  # torch, and tensors of its


@dataclass(frozen=True)
class Setting:
    """A setting that must be equal as data. torch, keras: how each side's layer states it, in torch's terms.

    by_effect: acts on the forward pass alone, and on all of it at one size: where the numbers agree, so does it.
    """

    name: str
    torch: Callable[[Any], Any]
    keras: Callable[[Any], Any]
    by_effect: bool = True


@dataclass(frozen=True)
class Exact:
    """A stand-in for a backend operation of Keras's that TensorFlow does not compute in float64 (see exact.py).

    run: called with `keras.ops` and then as the operation is; None from it: here the operation is exact itself;
    NotImplemented: it is not, and this stands in for none.
    """

    operation: str
    run: Callable[..., Any]
    reason: str


@dataclass(frozen=True)
class Kind:
    """One kind of layer. `torch` and `keras` are class names, looked up along a class's base classes.

    weights: its tensors, each with its layout in Keras (layouts.py). settings: what must be equal (settings.py).
    layout: what the axes of its output mean. "channels": (N, C, ...) in torch and (N, ..., C) in Keras; "equal": the
    same in both; "input": as its input's.
    functions: torch functions that compute the same in `forward`, by the name that torch itself gives them.
    operations: the same for Keras, as names in its backend modules ("nn.relu"); activations go by the last part.
    exact: of these operations, those that Keras does not compute in float64.
    rerun: what it computes, by torch's own operations, for a cause to be proven on (reruns.py); an activation without
    one is the function that `functions` names. formula: the same in NumPy, where torch is not at hand (formulas.py).
    """

    name: str
    torch: Names = ()
    keras: Names = ()
    weights: tuple[Weight, ...] = ()
    settings: tuple[Setting, ...] = ()
    layout: str = "input"
    functions: Names = ()
    operations: Names = ()
    exact: tuple[Exact, ...] = ()
    rerun: Rerun | None = None
    formula: Formula | None = None
    test: Callable[[Any], bool] | None = None  # what else must hold of a layer of these classes
    # torch functions that compute it of its weights: what a `forward` of a layer's own calls for its base's part.
    computed: Names = ()
    # What it does.
    idle: bool = False  # computes nothing in evaluation mode: needs no partner
    moves: bool = False  # moves numbers and computes nothing
    ends: str = ""  # of moves: what a move that makes a "vector" of an image, or an "image" of a vector, is shown as
    merges: bool = False  # joins tensors, as an operator does in a model written by hand
    commutes: bool = False  # of merges: the order of what it joins does not matter
    first: str = "out"  # of a kind that sums: whether torch's weight has outputs, or inputs ("in"), on its first axis
    sums: bool = False  # is linear, but for its bias: sums of products with its weights
    flat: bool = False  # its weight has a column for every number of a vector, which may be a flattened image
    along: bool = False  # its weights have a number for every number of a vector, which may be a flattened image
    # Of weights that a layer may be without, what each is where it changes nothing; see folds.py.
    neutral: tuple[tuple[str, float], ...] = (("bias", 0.0),)
    folded: str = "the statistics"  # what it is folded into
    recurs: str = ""  # goes over a "sequence", one step after another, or is the "cell" that takes one step
    family: str = ""  # of a recurrent kind: what its cell and its sequence have in common, which is its weights
    gates: int = 0  # of a recurrent kind: its kernels have as many blocks of rows
    states: int = 0  # what it carries from step to step
    trained: Names = ()  # tensors of Keras's layer that its call in evaluation does not read: no weights
    fold: Callable[[Weights, Static, str], Weights | None] | None = None  # one that the other side has no place for
    normalises: str = ""  # subtracts means and divides by deviations, each over the "batch", "groups" or "features"
    squeezed: bool = False  # a global pool: (N, C, 1, 1) in torch and (N, C) in Keras are the same tensor
    to_one: str = ""  # the kind that its function is where it leaves one number a channel
    bare: bool = False  # a tensor that a model computes with itself, outside of any layer: it is no step
    spare: bool = False  # a bare tensor that is no weight: it needs no partner
    pads: bool = False  # adds zeros around an image, as a layer behind it with padding of its own can
    padded: float | None = None  # what its own padding holds; None: it has none
    activation: bool = False  # is applied to what a layer gave, and may be forgotten or taken for another
    alone: str = "missing or extra activation"  # of what has no weights: the fault's name where one side alone has it
    fixed: bool = False  # an activation that nothing can be told: its name says all of what it does
    idempotent: bool = False  # applied twice, it is as applied once
    dead: tuple[float, ...] = ()  # outputs that it gives only where its derivative is zero: it sends nothing back there
    draws: Names = ()  # draws random numbers in training, but none where all of these attributes that it has are 0
    # What a probe must give it beside random numbers. "rows": whole numbers, of rows of its weight; "statistics":
    # running statistics that are not those of no batch.
    probe: str = ""
    # Layers in one, in order: (name, the Keras class that each is like, what it has otherwise); see Part in walk.py.
    parts: tuple[tuple[str, str, tuple[tuple[str, Any], ...]], ...] = ()
    opaque: bool = False  # its weights lie in many ways: each is told, and paired, as a tensor outside of layers
    known: bool = True
    weighted: bool = False  # of a layer that no row knows: whether it has weights, and so axes of its own
    noun: str = ""  # what a reader calls one; by default its name


def held(layer: Any, name: str) -> Any:
    """A layer's attribute, of what it holds where the name has a dot ("cell.kernel"); None where it has none.

    A number in brackets is a row of an array that has rows: "bias[1]".
    """
    name, _, row = name.partition("[")
    found = layer
    for part in name.split("."):
        found = getattr(found, part, None) if part else None
    return None if row and (found is None or len(found.shape) == 1) else found


def holder(layer: Any, name: str) -> tuple[Any, str]:
    """What has an attribute of that name, and what it calls it: of "cell.dropout" the cell."""
    owner, _, last = name.rpartition(".")
    return (held(layer, owner) if owner else layer), last


def ranked(name: str, *ranks: int) -> Names:
    """`name` with each number of spatial axes in the place of {}; by default 1, 2 and 3."""
    return tuple(name.format(rank) for rank in ranks or (1, 2, 3))


def within(module: str, *functions: str) -> Names:
    """Functions of one module, as operations are named."""
    return tuple(f"{module}.{name}" for name in functions)
