"""A Keras model as a Side, on any backend: walk it, read and set its weights, run it and see every layer."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
from keras import ops

from parity.errors import ParityError
from parity.frameworks.forcing import SideGradients
from parity.frameworks.machine import processor, torch_settings, usable_cores
from parity.models.arrays import Array, Axes, fitting, reordered, to_keras, to_torch, torch_shape
from parity.models.layers import Found, LayerInfo
from parity.models.steps import NOTHING, Look, Names, Visit

from .devices import keras_devices, on_device
from .dtypes import computing_in, has_wide_types, retyped
from .machine import require_onednn, tensorflow_onednn, tensorflow_threads
from .settings import keras_initial, keras_static
from .tracer import KerasTrace, input_layout
from .walk import bare_variables, keras_variables, walk_keras


class KerasSide:
    """`model` stays as it was: a run in another dtype swaps the variables and puts the same ones back."""

    framework = "keras"

    def __init__(self, model: keras.Model, device: str | None = None) -> None:
        self.model = model
        self.device = device
        self.wide = False
        self._walked = list(walk_keras(model))
        self._walked_bare = list(bare_variables(model, self._walked))
        self.bare = self._walked_bare
        self.found = self._walked  # under torch's names, once they are known
        self.names = Names()
        self._orders: dict[str, tuple[int, ...]] = {}
        self._variables = {name: (variable, axes) for name, variable, axes in self.variables()}
        self.allow_tf32(False)  # parity is a question about the program

    def allow_tf32(self, allowed: bool) -> None:
        """Let float32 products round to TF32's ten bits on a GPU that can, or not."""
        backend = keras.backend.backend()
        if backend == "tensorflow":
            import tensorflow as tf

            tf.config.experimental.enable_tensor_float_32_execution(allowed)
        elif backend == "jax":
            import jax

            settings: Any = jax.config
            settings.update("jax_default_matmul_precision", "tensorfloat32" if allowed else "highest")
        elif backend == "torch":
            import torch

            torch.backends.cuda.matmul.allow_tf32 = allowed
            torch.backends.cudnn.allow_tf32 = allowed
        self.tf32 = allowed

    def spare_cores(self, spared: int) -> None:
        """A backend's threads are its own affair: TensorFlow's cannot be changed once they run."""

    def allow_wide_types(self, allowed: bool) -> bool:
        """Let runs in every dtype have JAX's 64-bit types; whether that changes anything in this process."""
        self.wide = allowed
        return not has_wide_types()

    def require_onednn(self, asked: str) -> None:
        """Raise ParityError unless this process computes with oneDNN as is asked for."""
        require_onednn(asked, keras.backend.backend())

    def variables(self, found: list[Found] | None = None) -> Iterator[tuple[str, Any, Axes]]:
        """(canonical name, variable, axes from torch's layout) for every variable of the known layers."""
        for name, variable, axes in keras_variables([*self.found, *self.bare] if found is None else found):
            path, _, tensor = name.rpartition(".")
            if path in self.names.shapes:
                axes = fitting(self.names.shapes[path], tuple(variable.shape)) or None
            if path in self._orders and tensor == "weight" and isinstance(axes, tuple):
                axes = reordered(axes, tuple(variable.shape), self._orders[path])
            yield name, variable, axes

    def rename(self, names: Names, layers: dict[str, str], orders: dict[str, tuple[int, ...]]) -> list[LayerInfo]:
        """Call steps and layers as the other side does; see Side."""
        self.names, self._orders = names, orders
        self.found, self.bare = (
            [entry._replace(path=layers.get(entry.path, entry.path)) for entry in walked]
            for walked in (self._walked, self._walked_bare)
        )
        self._variables = {name: (variable, axes) for name, variable, axes in self.variables()}
        return self.layers()

    def layers(self) -> list[LayerInfo]:
        return [self._info(found) for found in [*self.found, *self.bare]]

    def _info(self, found: Found) -> LayerInfo:
        shapes = {}
        for name, variable, axes in self.variables([found]):
            shapes[name.rpartition(".")[2]] = torch_shape(tuple(variable.shape), axes)
        return LayerInfo(found.path, found.kind.name, shapes, keras_static(found), keras_initial(found))

    def weights(self) -> Iterator[tuple[str, Array]]:
        for name, variable, axes in self.variables():
            yield name, to_torch(ops.convert_to_numpy(variable), axes)

    def load(self, name: str, array: Array) -> None:
        variable, axes = self._variables[name]
        variable.assign(to_keras(array, axes))

    def unknown_weights(self) -> list[str]:
        """Variables of the model that no row of the table of kinds knows."""
        known = {id(variable) for _, variable, _ in keras_variables([*self.found, *self.bare])}
        return [v.path for v in self.model.weights if id(v) not in known and "seed_generator" not in v.path]

    def randomize(self, x: Array, seed: int) -> None:
        raise NotImplementedError("probe weights are made on the torch side and copied")

    def trace(self, x: Array, dtype: str, visit: Visit, look: Look = NOTHING, tape: Any = None) -> None:
        names = [tensor.name for tensor in getattr(self.model, "inputs", None) or ()]
        if len(names) > 1:
            raise ParityError(
                f"the Keras model must take one input, and takes {', '.join(names)}; "
                "compare a model around it that makes them of one"
            )
        with (
            computing_in(dtype, self.wide),
            retyped(self.model, dtype, cast_variables=tape is not None or dtype != "float64"),
        ):
            tensor = self._tensor(x, dtype)
            tracer = KerasTrace(self.model, self._walked, dtype, visit, look, self.names, tape)
            with on_device(self.device), plain_errors(), tracer:
                tracer.finish(self.model(tracer.start(tensor), training=tape is not None))

    def _tensor(self, x: Array, dtype: str) -> Any:
        """The model's input: an image lies as its first layer takes it, and whole numbers stay so."""
        inputs = np.moveaxis(x, 1, -1) if x.ndim > 2 and input_layout(self._walked) == "channels" else x
        floating = np.issubdtype(x.dtype, np.floating)
        return ops.convert_to_tensor(np.ascontiguousarray(inputs), dtype=dtype if floating else None)

    def run(self, x: Array, dtype: str = "", training: bool = False) -> None:
        variables = self.model.variables if training else []
        before = [(variable, ops.convert_to_numpy(variable).copy()) for variable in variables]
        cast = retyped(self.model, dtype) if dtype else nullcontext()
        try:
            with computing_in(dtype or keras.config.floatx()), cast, on_device(self.device), plain_errors():
                self.model(self._tensor(x, dtype or keras.config.floatx()), training=training)
        finally:
            for variable, value in before:
                variable.assign(value)

    def gradients(self) -> SideGradients:
        from .gradients import KerasGradients

        return KerasGradients(self)

    def environment(self) -> dict[str, Any]:
        backend = keras.backend.backend()
        device = self.device or keras_devices()[-1]  # Keras chooses an accelerator where it sees one
        found = {"keras": keras.__version__, "backend": backend, "device": device, "tf32": self.tf32}
        return found | processor() | keras_settings()


def keras_settings() -> dict[str, Any]:
    """The version and the settings of what computes for Keras. x64: whether float64 is float64 in this process."""
    backend = keras.backend.backend()
    found = {"x64": has_wide_types(), "floatx": keras.config.floatx()}
    if backend == "jax":
        import jax

        return found | {"jax": jax.__version__, "threads": usable_cores()}
    if backend == "tensorflow":
        import tensorflow as tf

        return found | {"tensorflow": tf.__version__, "threads": tensorflow_threads(), "onednn": tensorflow_onednn()}
    import torch

    return found | torch_settings(torch)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Let an exception come out of a model as it was raised: Keras wraps it in a new one, layer by layer."""
    before = keras.config.is_traceback_filtering_enabled()
    keras.config.disable_traceback_filtering()
    try:
        yield
    finally:
        if before:
            keras.config.enable_traceback_filtering()


@contextmanager
def blank_initializers() -> Iterator[None]:
    """Zeros for random initial weights, for a model that gets others at once: random ones are a fourth of a build."""
    module = keras.src.initializers.random_initializers
    before = module.random

    def zeros(shape: Any, *_: Any, dtype: Any = None, **__: Any) -> Any:
        return ops.zeros(shape, dtype)

    module.random = SimpleNamespace(**vars(before) | dict.fromkeys(("normal", "truncated_normal", "uniform"), zeros))
    try:
        yield
    finally:
        module.random = before
