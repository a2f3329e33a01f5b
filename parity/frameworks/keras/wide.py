"""A run in float64 goes in; what Keras would round to float32 on its way, casts and Python numbers, stays in float64.

A program asks for float32 by name ("float32" is what it computes in, and float64 is what it is compared in), and a
backend makes float32 of a Python number before it makes float64 of that: TensorFlow's cast of 0.1 is off by 1e-9.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from inspect import signature
from typing import Any

import keras
import numpy as np

from parity.models.arrays import is_coarse

INSIDE = ("keras.src.backend.", "tensorflow.")  # whose kernels know where they need float32

# What makes an array of a dtype that is asked for.
MAKERS = ("arange", "array", "eye", "full", "linspace", "logspace", "ones", "tri", "zeros")
OF_TENSORFLOW = ("eye", "linspace", "one_hot", "ones", "zeros")  # the same of a program written for it

_kept = [True]  # whether float32 is replaced now
_told: list[Callable[[Any], None]] = []  # who is told of float32 that is made float64


@contextmanager
def keeping_float64() -> Iterator[None]:
    """Let the backend's `cast` and `convert_to_tensor` give float64 wherever float32 is asked for."""
    core, core_numpy = keras.src.backend.core, keras.src.backend.numpy
    cast, convert = core.cast, core.convert_to_tensor
    own = f"keras.src.backend.{keras.backend.backend()}."
    with ExitStack() as stack:
        for name, module in list(sys.modules.items()):
            if name.startswith("keras.src."):
                asked = not name.startswith(own) or module is core
                stack.enter_context(_patched(module, "cast", cast, partial(_cast, asked)))
                stack.enter_context(_patched(module, "convert_to_tensor", convert, partial(_convert, asked)))
        for module, names in ((core_numpy, MAKERS), (keras.src.backend.nn, ("one_hot",))):
            for name in names:
                stack.enter_context(_patched(module, name, getattr(module, name), _make))
        tensorflow = sys.modules.get("tensorflow")
        if tensorflow is not None:  # Keras's own backend calls it too, and a program written for it
            stack.enter_context(_patched(tensorflow, "cast", tensorflow.cast, _tensorflow_cast))
            for name in OF_TENSORFLOW:
                stack.enter_context(_patched(tensorflow, name, getattr(tensorflow, name), _make_in_tensorflow))
        yield


@contextmanager
def _patched(module: Any, name: str, held: Any, new: Callable[..., Any]) -> Iterator[None]:
    if module.__dict__.get(name) is not held:
        yield
        return
    setattr(module, name, partial(new, held))
    try:
        yield
    finally:
        setattr(module, name, held)


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


def _make(make: Any, *args: Any, **kwargs: Any) -> Any:
    """An array that the program asks for in float32, which is what it computes in, by name or by saying nothing."""
    if not _kept[0]:
        return make(*args, **kwargs)
    given = signature(make).bind(*args, **kwargs)
    dtype = given.arguments.get("dtype")
    if dtype is None:
        made = make(*args, **kwargs)
        if keras.backend.standardize_dtype(made.dtype) != "float32":
            return made
    elif not _is_float(dtype):
        return make(*args, **kwargs)
    given.arguments["dtype"] = "float64" if dtype is None else _wide(dtype)
    return make(*given.args, **given.kwargs)


def _make_in_tensorflow(make: Any, *args: Any, **kwargs: Any) -> Any:
    return make(*args, **kwargs) if _is_inside(sys._getframe(1)) else _make(make, *args, **kwargs)


def _is_inside(caller: Any) -> bool:
    return str(caller.f_globals.get("__name__", "")).startswith(INSIDE)


def _cast(asked: bool, cast: Any, x: Any, dtype: Any) -> Any:
    """asked: by the model, and not by the backend, which knows where its kernels need float32."""
    if not _kept[0] or not _is_float(dtype):
        return cast(x, dtype)
    dtype = _wide(dtype) if asked else dtype
    array = _numbers(x)
    return cast(_seen(x), dtype) if array is None else keras.src.backend.core.convert_to_tensor(_widened(array), dtype)


def _tensorflow_cast(cast: Any, x: Any, dtype: Any, name: str | None = None) -> Any:
    """TensorFlow's own, which makes float32 of a Python number before it makes float64 of that."""
    if not _kept[0] or not _is_float(dtype):
        return cast(x, dtype, name)
    asked = not _is_inside(sys._getframe(1))
    array = _numbers(x)
    exact = _seen(x) if array is None else sys.modules["tensorflow"].constant(_widened(array))
    return cast(exact, _wide(dtype) if asked else dtype, name)


def _convert(asked: bool, convert: Any, x: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
    if not _kept[0] or not (dtype is None or _is_float(dtype)):
        return convert(x, dtype, *args, **kwargs)
    wanted = _wide(dtype) if asked and dtype is not None else dtype
    array = _numbers(x)
    if array is not None:
        floats = dtype is not None or array.dtype.kind == "f"
        return convert(_widened(array) if floats else x, wanted, *args, **kwargs)
    made = convert(_seen(x), wanted, *args, **kwargs)
    narrow = dtype is None and keras.backend.standardize_dtype(made.dtype) == "float32"
    return convert(made, "float64") if narrow else made


def _seen(x: Any) -> Any:
    """x, which is told of if it is a tensor in float32."""
    if keras.src.backend.core.is_tensor(x) and keras.backend.standardize_dtype(x.dtype) == "float32":
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
