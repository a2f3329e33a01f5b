"""A run in float64 goes in; what Keras would round to float32 on its way, casts and Python numbers, stays in float64.

A program asks for float32 by name ("float32" is what it computes in, and float64 is what it is compared in), and a
backend makes float32 of a Python number before it makes float64 of that: TensorFlow's cast of 0.1 is off by 1e-9.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import keras
import numpy as np

from parity.models.arrays import is_coarse

_kept = [True]  # whether float32 is replaced now
_told: list[Callable[[Any], None]] = []  # who is told of float32 that is made float64


@contextmanager
def keeping_float64() -> Iterator[None]:
    """Let the backend's `cast` and `convert_to_tensor` give float64 wherever float32 is asked for."""
    core = keras.src.backend.core
    new = {
        core.cast: partial(_cast, core.cast, core.convert_to_tensor, core.is_tensor),
        core.convert_to_tensor: partial(_convert, core.convert_to_tensor, core.is_tensor),
    }
    with ExitStack() as stack:
        for name, module in list(sys.modules.items()):
            if name.startswith("keras.src."):
                for attribute in ("cast", "convert_to_tensor"):
                    held = module.__dict__.get(attribute)
                    if held in new:
                        setattr(module, attribute, new[held])
                        stack.callback(setattr, module, attribute, held)
        yield


@contextmanager
def as_it_is() -> Iterator[None]:
    """In here float32 is what it says."""
    before, _kept[0] = _kept[0], False
    try:
        yield
    finally:
        _kept[0] = before


@contextmanager
def telling(told: Callable[[Any], None]) -> Iterator[None]:
    """Let `told` know of every array or tensor in float32 that is made float64."""
    _told.append(told)
    try:
        yield
    finally:
        _told.remove(told)


def _cast(cast: Any, convert: Any, is_tensor: Any, x: Any, dtype: Any) -> Any:
    if not _kept[0] or not _is_float(dtype):
        return cast(x, dtype)
    array = None if is_tensor(x) else _numbers(x)
    return cast(_seen(x, is_tensor), _wide(dtype)) if array is None else convert(_widened(array), _wide(dtype))


def _convert(convert: Any, is_tensor: Any, x: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
    if not _kept[0] or not (dtype is None or _is_float(dtype)):
        return convert(x, dtype, *args, **kwargs)
    if is_tensor(x):
        narrow = keras.backend.standardize_dtype(x.dtype) == "float32"
        dtype = "float64" if dtype is None and narrow else dtype
        return convert(_seen(x, is_tensor), None if dtype is None else _wide(dtype), *args, **kwargs)
    array = _numbers(x)
    floats = array is not None and (dtype is not None or array.dtype.kind == "f")
    return convert(_widened(array) if floats else x, None if dtype is None else _wide(dtype), *args, **kwargs)


def _seen(x: Any, is_tensor: Any) -> Any:
    """x, which is told of if it is a tensor in float32."""
    if is_tensor(x) and keras.backend.standardize_dtype(x.dtype) == "float32":
        for told in _told:
            told(x)
    return x


def _widened(array: Any) -> Any:
    if array.dtype == np.float32 and is_coarse(array):
        for told in _told:
            told(array)
    return array.astype(np.float64)


def _is_float(dtype: Any) -> bool:
    return str(keras.backend.standardize_dtype(dtype)).startswith(("float", "bfloat"))


def _wide(dtype: Any) -> Any:
    return "float64" if keras.backend.standardize_dtype(dtype) == "float32" else dtype


def _numbers(x: Any) -> Any:
    """A number, an array or a list of such, none of them a tensor, as an array; None of anything else."""
    if isinstance(x, bool | np.bool_):
        return None
    if isinstance(x, int | float | np.number | np.ndarray):
        array = np.asarray(x)
        return array if array.dtype.kind in "fiu" else None
    if isinstance(x, list | tuple) and x and all(_numbers(each) is not None for each in x):
        return np.asarray(x) if len({np.shape(each) for each in x}) == 1 else None
    return None
