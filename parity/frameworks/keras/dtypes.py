"""Let a Keras model compute in another dtype, and put everything back as it was."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import keras
from keras import ops


@contextmanager
def retyped(model: keras.Model, dtype: str, cast_variables: bool = True) -> Iterator[None]:
    """Let the model compute in `dtype` and put everything back as it was.

    Without `cast_variables` Keras casts each variable where it is used: to float64 that changes nothing, and a whole
    model in float64 would be twice its size. What a training step writes into them needs them cast.
    """
    undo: list[Callable[[], None]] = [_promote_float64()]
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
        for variable in variables if cast_variables else ():
            if variable.dtype.startswith(("float", "bfloat")) and variable.dtype != dtype:
                value = ops.cast(variable.value, dtype)
                undo.append(_set(variable, "_value", variable._value))
                undo.append(_set(variable, "_dtype", dtype))
                variable._initialize(value)
        yield
    finally:
        for step in reversed(undo):
            step()


def _float64_allowed() -> Any:
    """JAX makes float32 of every float64 unless it is told not to."""
    if keras.backend.backend() != "jax":
        return nullcontext()
    import jax

    return jax.enable_x64(True)


def _promote_float64() -> Callable[[], None]:
    """Let float64 stay float64: on other backends than TensorFlow, Keras's promotion makes float32 of it."""
    narrower = keras.src.backend.common.dtypes.BIT64_TO_BIT32_DTYPE
    before = narrower["float64"]
    narrower["float64"] = "float64"
    return lambda: narrower.__setitem__("float64", before)


def _policy(dtype: str, variable_dtype: str, cast_variables: bool) -> Any:
    policy = keras.dtype_policies.DTypePolicy(dtype)
    if not cast_variables:
        policy._variable_dtype = variable_dtype  # Keras casts on use where the two differ
    return policy


def _set(owner: Any, name: str, value: Any) -> Callable[[], None]:
    before = getattr(owner, name)
    object.__setattr__(owner, name, value)
    return lambda: object.__setattr__(owner, name, before)
