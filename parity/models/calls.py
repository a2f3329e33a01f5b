"""What a program calls between layers, as plain data, and edits of that: what is tried where a step is at fault."""

from dataclasses import dataclass
from typing import Any

from .source import Sources


@dataclass(frozen=True)
class Call:
    """One call of a function in what makes a step's output, in the order of execution; the last one makes it.

    arguments: those that are no tensors, by name. tensors: how many tensors it joins. called: the lines of the user's
    that call it. names: of all its arguments, in their order, where they are known. step: the step that it is, if it
    is one; fed: those that gave its tensors.
    """

    name: str
    arguments: tuple[tuple[str, Any], ...]
    tensors: int
    called: Sources = ()
    names: tuple[str, ...] = ()
    step: str = ""
    fed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Edit:
    """A change of one call, by its number: what is done, of which argument or tensor, and to what.

    "argument": the argument of that name has another value. "skip": the call gives its tensor of that number. "swap":
    its first two tensors have changed places. "take": it gives one place, `value`, of the axis `name`. "given": a
    function is applied to its tensor `value`. "then": one is applied to what it gives. "function": another function is
    called, by torch's name. "reduce": a function takes the whole of an axis. "mask": the argument of that name is a
    "causal" mask, the "opposite" of the one that it is, or "none".
    """

    call: int
    what: str
    name: str = ""
    value: Any = None
