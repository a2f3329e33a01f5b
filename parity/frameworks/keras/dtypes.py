"""Let a Keras model compute in another dtype, and put everything back as it was."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import keras
from keras import ops

from .wide import keeping_float64


@contextmanager
def computing_in(dtype: str, wide: bool = False, casts: bool = True) -> Iterator[None]:
    """Let float64 be float64 if that is the dtype; any other is left as the process has it, unless `wide`.

    wide: JAX's 64-bit types in this run too, which asks whether they are what a run without them lacks. casts: whether
    what asks for float32 by name gets float64 too; a training run is what its user would train.
    """
    exact = dtype == "float64"
    with _wide_types(wide or exact), _float64_kept() if exact else nullcontext(), _casts(exact and casts):
        yield


def _casts(exact: bool) -> AbstractContextManager[None]:
    return keeping_float64() if exact else nullcontext()


def _wide_types(wanted: bool) -> AbstractContextManager[Any]:
    if not wanted or keras.backend.backend() != "jax":
        return nullcontext()
    import jax

    allowed: AbstractContextManager[Any] = jax.enable_x64(True)
    return allowed


@contextmanager
def _float64_kept() -> Iterator[None]:
    narrower = keras.src.backend.common.dtypes.BIT64_TO_BIT32_DTYPE
    before = narrower["float64"]
    narrower["float64"] = "float64"
    try:
        yield
    finally:
        narrower["float64"] = before


def has_wide_types() -> bool:
    """Whether float64 is float64 in this process, outside of `computing_in`."""
    return real_dtype("float64") == "float64"


def real_dtype(name: str) -> str:
    """What arrays have that are asked for in this dtype: on JAX without 64-bit types not what their variable says."""
    if keras.backend.backend() != "jax":
        return name
    import jax

    return str(jax.dtypes.canonicalize_dtype(name))


def dtype_of(variable: Any) -> str:
    """The dtype of a variable's array, whatever the variable says that it is."""
    return str(keras.backend.standardize_dtype(variable.value.dtype))


@contextmanager
def retyped(
    model: keras.Model, dtype: str, cast_variables: bool = True, exact: Mapping[int, Any] | None = None
) -> Iterator[None]:
    """Let the model compute in `dtype` and put everything back as it was.

    Without `cast_variables` Keras casts each variable where it is used: to float64 that changes nothing, and a whole
    model in float64 would be twice its size. What a training step writes into them needs them cast. exact: the values
    in float64 of variables that cannot hold them, by the variable's id.
    """
    exact = (exact or {}) if dtype == "float64" else {}
    undo: list[Callable[[], None]] = []
    layers = list(model._flatten_layers())
    layers += [layer._functional for layer in layers if getattr(layer, "_functional", None)]  # inside a Sequential
    variables = {id(v): v for v in model.variables}.values()
    try:
        for layer in layers:
            undo.append(_set(layer, "_dtype_policy", _policy(dtype, layer.variable_dtype, cast_variables)))
            if type(layer).__name__ == "InputLayer" and layer._dtype.startswith(("float", "bfloat")):
                undo.append(_set(layer, "_dtype", dtype))
            inputs = [x for x in getattr(layer, "_inputs", None) or [] if x.dtype.startswith(("float", "bfloat"))]
            undo.extend(_set(x, "_dtype", dtype) for x in inputs)
        for variable in variables:
            held = dtype_of(variable)
            wanted = (
                cast_variables or id(variable) in exact or held != variable.dtype
            )  # by whose name Keras would not cast it on use
            if wanted and held.startswith(("float", "bfloat")) and held != dtype:
                value = ops.cast(variable.value, dtype)
                if id(variable) in exact:
                    value = ops.convert_to_tensor(exact[id(variable)], dtype=dtype)
                undo.append(_set(variable, "_value", variable._value))
                undo.append(_set(variable, "_dtype", dtype))
                variable._initialize(value)
        yield
    finally:
        for step in reversed(undo):
            step()


def _policy(dtype: str, variable_dtype: str, cast_variables: bool) -> Any:
    policy = keras.dtype_policies.DTypePolicy(dtype)
    if not cast_variables:
        policy._variable_dtype = variable_dtype  # Keras casts on use where the two differ
    return policy


def _set(owner: Any, name: str, value: Any) -> Callable[[], None]:
    before = getattr(owner, name)
    object.__setattr__(owner, name, value)
    return lambda: object.__setattr__(owner, name, before)
