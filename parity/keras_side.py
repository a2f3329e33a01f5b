"""A Keras model as a Side, on any backend: walk it, read and set its weights, run it and see every layer."""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops

from .capture import NOTHING, LayerInfo, Look, Step, Visit
from .compare import Array
from .paths import Found, walk_keras
from .static import keras_static
from .weights import keras_variables, to_keras, to_torch, torch_shape


class KerasSide:
    """`model` stays as it was: a run in another dtype swaps the variables and puts the same ones back."""

    framework = "keras"

    def __init__(self, model: keras.Model, device: str = "cpu") -> None:
        self.model = model
        self.device = device
        self.found = list(walk_keras(model))
        self._variables = {name: (variable, axes) for name, variable, axes in keras_variables(self.found)}
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.config.experimental.enable_tensor_float_32_execution(False)

    def layers(self) -> list[LayerInfo]:
        return [self._info(found) for found in self.found]

    def _info(self, found: Found) -> LayerInfo:
        shapes = {}
        for name, variable, axes in keras_variables([found]):
            shapes[name.rpartition(".")[2]] = torch_shape(tuple(variable.shape), axes)
        return LayerInfo(found.path, found.kind.name, shapes, keras_static(found))

    def weights(self) -> Iterator[tuple[str, Array]]:
        for name, variable, axes in keras_variables(self.found):
            yield name, to_torch(ops.convert_to_numpy(variable), axes)

    def load(self, name: str, array: Array) -> None:
        variable, axes = self._variables[name]
        variable.assign(to_keras(array, axes))

    def unknown_weights(self) -> list[str]:
        """Variables of the model that no row of the table of kinds knows."""
        known = {id(variable) for _, variable, _ in keras_variables(self.found)}
        return [v.path for v in self.model.weights if id(v) not in known and "seed_generator" not in v.path]

    def randomize(self, x: Array, seed: int) -> None:
        raise NotImplementedError("probe weights are made on the torch side and copied")

    def trace(self, x: Array, dtype: str, visit: Visit, look: Look = NOTHING) -> None:
        floating = np.issubdtype(x.dtype, np.floating)
        inputs = np.moveaxis(x, 1, -1) if x.ndim > 2 else x
        with retyped(self.model, dtype):
            tensor = ops.convert_to_tensor(np.ascontiguousarray(inputs), dtype=dtype if floating else None)
            tracer = _Tracer(self.found, visit, look)
            with tracer:
                tracer.start(tensor)
                tracer.finish(self.model(tensor, training=False))

    def environment(self) -> dict[str, Any]:
        backend = keras.backend.backend()
        found = {"keras": keras.__version__, "backend": backend, "device": self.device, "tf32": False}
        if backend == "tensorflow":
            import tensorflow as tf

            found |= {"tensorflow": tf.__version__, "threads": tf.config.threading.get_intra_op_parallelism_threads()}
            found["tf32"] = tf.config.experimental.tensor_float_32_execution_enabled()
        return found


@contextmanager
def retyped(model: keras.Model, dtype: str) -> Iterator[None]:
    """Let the model compute in `dtype`, variables included, and put everything back as it was."""
    undo: list[Callable[[], None]] = []
    layers = list(model._flatten_layers())
    variables = {id(v): v for v in model.variables}.values()
    try:
        for layer in layers:
            undo.append(_set(layer, "_dtype_policy", keras.dtype_policies.DTypePolicy(dtype)))
            if type(layer).__name__ == "InputLayer" and layer._dtype.startswith(("float", "bfloat")):
                undo.append(_set(layer, "_dtype", dtype))
            inputs = [x for x in getattr(layer, "_inputs", None) or [] if x.dtype.startswith(("float", "bfloat"))]
            undo.extend(_set(x, "_dtype", dtype) for x in inputs)
        for variable in variables:
            if variable.dtype.startswith(("float", "bfloat")) and variable.dtype != dtype:
                value = ops.cast(variable.value, dtype)
                undo.append(_set(variable, "_value", variable._value))
                undo.append(_set(variable, "_dtype", dtype))
                variable._initialize(value)
        yield
    finally:
        for step in reversed(undo):
            step()


def _set(owner: Any, name: str, value: Any) -> Callable[[], None]:
    before = getattr(owner, name)
    object.__setattr__(owner, name, value)
    return lambda: object.__setattr__(owner, name, before)


class _Tracer:
    """Wraps the `call` of every leaf layer for as long as it is entered."""

    def __init__(self, found: list[Found], visit: Visit, look: Look) -> None:
        self.found, self.visit, self.look = found, visit, look
        self.calls: dict[str, int] = {}
        self.produced: dict[int, tuple[Any, str]] = {}  # id -> (weak reference to a tensor, key of its step)

    def __enter__(self) -> "_Tracer":
        for found in self.found:
            if found.kind.name != "identity":
                found.layer.__dict__["call"] = self._wrapped(found)  # past Keras's attribute tracking
        return self

    def __exit__(self, *error: Any) -> None:
        for found in self.found:
            found.layer.__dict__.pop("call", None)

    def _wrapped(self, found: Found) -> Any:
        call = found.layer.call

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            self.calls[found.path] = self.calls.get(found.path, 0) + 1
            tensors = keras.tree.flatten(args)
            sources = [self._source(x) for x in tensors]
            fed = {id(x): self._fed(x, f"{self._name(found)}<{i}", found) for i, x in enumerate(tensors)}
            args = keras.tree.map_structure(lambda x: fed[id(x)], args)
            wanted = self._name(found) in self.look.want
            inputs = tuple(map(as_array, keras.tree.flatten(args))) if wanted else ()
            output = call(*args, **kwargs)
            replaced = self.visit(Step(self._name(found), found.kind.name, as_array(output), sources, inputs=inputs))
            output = output if replaced is None else _like(replaced, output)
            self._remember(output, self._name(found))
            return output

        return wrapper

    def _name(self, found: Found) -> str:
        call = self.calls[found.path]
        return found.path if call == 1 else f"{found.path}#{call}"

    def _source(self, x: Any) -> str:
        known = self.produced.get(id(x))
        return known[1] if known is not None and known[0]() is x else "glue"

    def _fed(self, x: Any, feeds: str, found: Found) -> Any:
        """The tensor that goes into a layer: seen, and perhaps replaced, if no layer made it or it is watched."""
        if self._source(x) != "glue" and feeds not in self.look.watch:
            return x
        parent = found.path.rpartition(".")[0]
        replaced = self.visit(Step(f"{parent}.glue" if parent else "glue", "glue", as_array(x), feeds=feeds))
        x = x if replaced is None else _like(replaced, x)
        self._remember(x, feeds)
        return x

    def _remember(self, x: Any, key: str) -> None:
        self.produced[id(x)] = (weakref.ref(x), key)

    def start(self, x: Any) -> None:
        """The model's input is nobody's glue."""
        self._remember(x, "input")

    def finish(self, output: Any) -> None:
        """The model's own output is the last step: what is done after the last layer shows there."""
        self.visit(Step("output", "output", as_array(output), [self._source(output)]))


def as_array(x: Any) -> Array:
    """A NumPy array (N, C, ...) of a Keras tensor (N, ..., C): the axes move, the memory stays."""
    if keras.backend.standardize_dtype(x.dtype) in ("bfloat16", "float16"):
        x = ops.cast(x, "float32")
    array = ops.convert_to_numpy(x)
    return np.moveaxis(array, -1, 1) if array.ndim > 2 else array


def _like(array: Array, x: Any) -> Any:
    last = np.moveaxis(array, 1, -1) if array.ndim > 2 else array
    return ops.convert_to_tensor(np.ascontiguousarray(last), dtype=x.dtype)
