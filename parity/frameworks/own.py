"""A user's own function, "package.module:function" -> what it is called with, on either side."""

import inspect
from collections.abc import Callable
from typing import Any

from parity.errors import TargetError

from .build import attribute, parts, told_of

TRUE = ("y_true", "true", "target", "label", "truth", "y_t")  # how a parameter for targets may start


def loaded(spec: Any, option: str, *classes: type) -> Callable[..., Any]:
    """The function, an instance, or an instance of one of `classes`. Raises TargetError where there is none."""
    if not isinstance(spec, str):
        return _called(f"the {option}", spec, classes)
    module, name = parts(spec, option)
    with told_of(f"--{option} {spec} must be imported"):
        return _called(f"--{option} {spec}", attribute(module, name, option), classes)


def _called(who: str, value: Any, classes: tuple[type, ...]) -> Callable[..., Any]:
    value = value() if isinstance(value, type) and issubclass(value, classes or (object,)) else value
    if not callable(value):
        raise TargetError(f"{who} must be a function, and is a {type(value).__name__}; name the function")
    function: Callable[..., Any] = value
    return function


def ordered(function: Callable[..., Any], truth_first: bool) -> Callable[[Any, Any], Any]:
    """The function of (outputs, targets), whichever of the two it takes first: its parameters' names say it.

    truth_first: where they do not.
    """
    return (lambda y, t: function(t, y)) if takes_truth_first(function, truth_first) else function


def takes_truth_first(function: Callable[..., Any], otherwise: bool) -> bool:
    """Whether a loss takes targets before outputs."""
    called = getattr(function, "forward", None) or getattr(function, "call", None) or function
    try:
        names = [name.lower() for name in inspect.signature(called).parameters][:2]
    except (TypeError, ValueError):
        return otherwise
    first = [name.startswith(TRUE) for name in names]
    if any(first) and not all(first):
        return first[0]
    return otherwise
