"""A user's own training step, "package.module:function" -> what is called with a batch, and the loss that it gives.

`function(model, x, y)` does one whole step with an optimizer of its own, which it makes in its first call or finds on
the model, and returns the loss. A class or a function of the model alone, `factory(model)`, makes what is called with
(x, y). Every run has a module of its own: what one keeps in globals is none of another's.
"""

import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from parity.errors import ParityError, TargetError, words
from parity.models.arrays import Array

from .build import attribute, parts, told_of

Batch = tuple[Any, ...]
AS_ONE = ("batch", "data")  # how an argument that is a pair of x and y may start


def stepping(spec: str, option: str, model: Any) -> Callable[..., float]:
    """What a batch is given to. Raises TargetError where there is none."""
    module, name = parts(spec, option)
    with told_of(f"--{option} {spec} must be imported"):
        value = _anew(module, name, option)
        step, takes = _made(value, model) if callable(value) else (value, None)
    if not callable(step) or takes is None:
        raise TargetError(
            f"--{option} {spec} must be a function of (model, x, y), or of a model, which gives one of (x, y), and "
            f"gives a {type(step).__name__}; return the function"
        )

    def run(*batch: Any) -> float:
        try:
            found = step(*takes(batch))
        except Exception as error:
            raise ParityError(
                f"--{option} {spec} must do a training step with {_shapes(batch)}, and raised {words(error)}; it is "
                "called with (model, x, y), in the framework's own layout (targets: --targets)"
            ) from error
        return _loss(found, f"--{option} {spec}")

    return run


def _anew(module: str, name: str, option: str) -> Any:
    """The attribute, of a module that is run again: it has no other run's optimizer."""
    value = attribute(module, name, option)
    found = importlib.util.find_spec(module)
    if found is None or found.loader is None or not found.has_location:
        return value
    fresh = importlib.util.module_from_spec(found)
    known = sys.modules[module]
    try:
        sys.modules[module] = fresh  # a class finds its own module there
        found.loader.exec_module(fresh)
    finally:
        sys.modules[module] = known
    return getattr(fresh, name)


def _made(value: Any, model: Any) -> tuple[Any, Callable[[Batch], Batch]]:
    """What is called with a batch, and how: x and y, x alone, or both as one."""
    if isinstance(value, type) or len(_placed(value, needed=True)) == 1:
        made = value(model)
        return made, _taking(_placed(made))
    return lambda *batch: value(model, *batch), _taking(_placed(value)[1:])


def _taking(names: list[str]) -> Callable[[Batch], Batch]:
    if len(names) == 1 and names[0].startswith(AS_ONE):
        return lambda batch: (batch,)
    return lambda batch: batch[: len(names)]


def _placed(function: Any, needed: bool = False) -> list[str]:
    """The arguments that a function takes by place, or those of them that it needs."""
    if not callable(function):
        return []
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ["model", "x", "y"]
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return ["model", "x", "y"]
    placed = (each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD))
    return [each.name for each in placed if not needed or each.default is each.empty]


def _shapes(batch: Batch) -> str:
    names = ("x", "y")
    return " and ".join(
        f"{name} {getattr(each, 'shape', type(each).__name__)}" for name, each in zip(names, batch, strict=False)
    )


def _loss(found: Any, who: str) -> float:
    """The loss of what a step returns: a number, the first of several, or what is called so."""
    value: Any = found.get("loss") if isinstance(found, Mapping) else found
    value = value[0] if isinstance(value, list | tuple) and value else value
    array = _numbers(value)
    if array.size != 1:
        what = "nothing" if value is None else f"a {type(found).__name__}"
        raise ParityError(f"{who} must return its loss, one number, and returns {what}; end it with `return loss`")
    return float(array.reshape(-1)[0])


def _numbers(value: Any) -> Array:
    """A tensor of either framework, or a number, as an array; an empty one of anything else."""
    try:
        value = value.detach().cpu() if hasattr(value, "detach") else value
        return np.zeros(0) if value is None else np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return np.zeros(0)
