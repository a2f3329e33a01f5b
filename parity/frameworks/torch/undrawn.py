"""A torch function that draws random numbers in training goes in, with its arguments; those that draw none come out.

Two frameworks cannot draw the same numbers. Dropout layers are set to evaluation (`gradients.trained_in`); this is for
what a forward calls itself, as attention does.
"""

import inspect
from collections.abc import Callable
from typing import Any

from parity.models.kinds import FUNCTIONS

# The argument that says so, and what it then is; by default `training`, of every kind that draws.
DRAWS: dict[str, tuple[str, int, Any]] = {
    "multi_head_attention_forward": ("training", 13, False),
    "scaled_dot_product_attention": ("dropout_p", 4, 0.0),
}


def undrawn(function: Callable[..., Any], name: str, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """The arguments with which nothing is drawn."""
    found = DRAWS.get(name) or (_training(function) if name in FUNCTIONS and FUNCTIONS[name].draws else None)
    if found is None:
        return args, kwargs
    argument, place, value = found
    if len(args) > place:
        return (*args[:place], value, *args[place + 1 :]), kwargs
    return args, kwargs | {argument: value}


def _training(function: Callable[..., Any]) -> tuple[str, int, Any] | None:
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # a built-in, which is called from within one that has a signature
        return None
    return ("training", names.index("training"), False) if "training" in names else None
