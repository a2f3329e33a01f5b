"""A torch module with a `forward` of its own -> where in it is the part that its base computes, of its own weights."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from parity.models.kinds import FUNCTIONS
from parity.models.layers import Found

OWN = ("forward", "_conv_forward")  # what a class has in the place of its base's


class Reached(BaseException):
    """A forward has come to its base's part. No Exception: a model that catches those must not catch this one."""


class Overridden:
    """What is heard while a module's own forward runs.

    The base's function is known by the module's parameters: a kernel that was standardised first is another one. What
    such a forward pads before a layer that has padding is this layer's padding, not a step before it.
    """

    def __init__(self, entry: Found) -> None:
        self.entry = entry
        held = (getattr(entry.layer, name, None) for name, _, _ in entry.kind.weights)
        self.parameters = {id(tensor) for tensor in held if isinstance(tensor, torch.nn.Parameter)}
        self.reached = False
        self.padded: dict[int, tuple[torch.Tensor, torch.Tensor, Callable[..., Any]]] = {}

    def is_base(self, name: str, parameters: set[int]) -> bool:
        """Whether a call of a function, on these parameters by id, is the base's part."""
        return name in self.entry.kind.computed and self.parameters <= parameters

    def pads(self, name: str) -> bool:
        """Whether a function is a part of the padding that the layer has."""
        known = FUNCTIONS.get(name)
        return not self.reached and known is not None and known.pads and self.entry.kind.padded is not None

    def pad(self, function: Callable[..., Any], x: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        """Pad, and remember what was."""
        output = function(x, *args, **kwargs)
        self.padded[id(output)] = output, x, lambda y: function(y, *args, **kwargs)
        return output

    def base(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[torch.Tensor, Callable[[torch.Tensor], Any]]:
        """The tensor that the base's part works on, from before it was padded, and what it computes of that."""
        self.reached = True
        rest = {name: value for name, value in kwargs.items() if name != "input"}
        x = args[0] if args else kwargs["input"]
        steps: list[Callable[..., Any]] = [lambda y: function(y, *args[1:], **rest)]
        while id(x) in self.padded:
            _, x, pad = self.padded[id(x)]
            steps.insert(0, pad)
        return x, partial(_in_turn, steps)


def _in_turn(steps: list[Callable[..., Any]], x: torch.Tensor) -> Any:
    for step in steps:
        x = step(x)
    return x


def is_split(entry: Found) -> bool:
    """Whether a layer's class has put a method in the place of its base's, and goes by a name of its own.

    What goes by its base's name is to be that layer, whole, whether it computes the same or not.
    """
    mro = type(entry.layer).__mro__
    base = next((cls for cls in mro if _is_torchs(cls)), object)
    if not entry.kind.computed or mro[0].__name__ == base.__name__:
        return False
    return any(name in vars(cls) for cls in mro if not _is_torchs(cls) for name in OWN)


def _is_torchs(cls: type) -> bool:
    return f"{cls.__module__}.".startswith("torch.") or cls is object
