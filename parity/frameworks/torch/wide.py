"""A torch function that asks for float32 goes in; the same that asks for float64 comes out, for a run in float64.

Norms, softmax and rotary embeddings of others cast to float32 inside, whatever they are given ("x.float()"): what is
compared in float64 is computed in it all the way. What asks for less than float32 is left as it is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch
from torch.nn import functional
from torch.utils import _pytree as pytree


def _with_own_epsilon(function: Callable[..., Any]) -> Callable[..., Any]:
    """By default it is the distance from 1 to the next number of the dtype: of float32, which the program has."""

    @wraps(function)
    def run(x: Any, shape: Any, weight: Any = None, eps: float | None = None) -> Any:
        return function(x, shape, weight, torch.finfo(torch.float32).eps if eps is None else eps)

    return run


WIDE: dict[Any, Callable[..., Any]] = {
    torch.Tensor.float: torch.Tensor.double,
    functional.rms_norm: _with_own_epsilon(functional.rms_norm),
}
NAMED = {"torch.FloatTensor": "torch.DoubleTensor", "torch.cuda.FloatTensor": "torch.cuda.DoubleTensor"}


def in_float64(function: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Callable[..., Any], Any, Any]:
    """The function and its arguments with float64 wherever they have float32."""
    if any(map(_is_narrow, (*args, *kwargs.values()))):
        args, kwargs = pytree.tree_map(_wide, (args, kwargs))
    return WIDE.get(function, function), args, kwargs


def _is_narrow(x: Any) -> bool:
    return x is torch.float32 or x is torch.FloatTensor or (isinstance(x, str) and x in NAMED)


def _wide(x: Any) -> Any:
    if isinstance(x, str):
        return NAMED.get(x, x)
    return torch.float64 if _is_narrow(x) else x


def run_wide(function: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Any, str]:
    """A function's output, and what it lacks: torch has some in no float64, which then run in float32."""
    try:
        return function(*args, **kwargs), ""
    except RuntimeError as error:
        floats = {x.dtype for x in pytree.tree_leaves((args, kwargs)) if _is_float(x)}
        if floats != {torch.float64}:
            raise
        try:
            output = function(*_cast(args, torch.float32), **_cast(kwargs, torch.float32))
        except Exception:  # noqa: BLE001 - it was not for want of float64
            raise error from None
    return _cast(output, torch.float64), f"torch has no float64 of {getattr(function, '__name__', 'a call').strip('_')}"


def _cast(args: Any, dtype: torch.dtype) -> Any:
    return pytree.tree_map(lambda x: x.to(dtype) if _is_float(x) else x, args)


def _is_float(x: Any) -> bool:
    return isinstance(x, torch.Tensor) and x.is_floating_point()


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """For tensors that a model makes itself, or an optimizer's states without a parameter's shape."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
