"""A Keras model as a Side, on any backend: walk it, read and set its weights, run it and see every layer."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from parity.frameworks.calling import Call
from parity.frameworks.drawing import Draw
from parity.frameworks.forcing import SideGradients
from parity.frameworks.machine import processor, torch_settings, usable_cores
from parity.frameworks.source import MADE, written
from parity.models.arrays import Array, Axes, Layout, fitting, placed, reordered
from parity.models.inputs import Given, Inputs, filled, inputs_of
from parity.models.kinds import held
from parity.models.layers import Found, LayerInfo, in_order
from parity.models.steps import NOTHING, Expected, Look, Names, Visit

from .devices import keras_devices, on_device
from .dtypes import computing_in, has_wide_types, retyped
from .inputs import calls, declared_of, laid, layouts, readings, whole_numbers
from .machine import allow_tf32, require_onednn, tensorflow_onednn, tensorflow_threads
from .parts import Parts, in_pieces, infos_in_pieces, read, shape_of
from .settings import keeps_biased_variance, keras_initial, keras_static, keras_trained, of_loss
from .tracer import KerasTrace, owner_of
from .walk import bare_variables, keras_variables, walk_keras


class KerasSide:
    """`model` stays as it was: a run in another dtype swaps the variables and puts the same ones back."""

    framework = "keras"

    def __init__(self, model: keras.Model, device: str | None = None) -> None:
        self.model = model
        self.device = device
        self.wide = False
        self.drawn: dict[str, Draw] = {}  # what the steps of the latest run draw, by their own names
        self.names = Names()
        self.exact: dict[int, Array] = {}
        self.expected: Expected | None = None
        self._chosen = 0  # of the ways to call the model
        self._met = False
        self._orders: dict[str, tuple[int, ...]] = {}
        self._columns: dict[str, tuple[int, ...]] = {}
        self._walk()
        self.allow_tf32(False)  # parity is a question about the program

    def _walk(self) -> None:
        self._walked = self.walked = list(walk_keras(self.model))  # by their own paths
        self._walked_bare = list(bare_variables(self.model, self._walked))
        self.bare = self._walked_bare
        self.found = self._walked  # under torch's names, once they are known
        self._own = {name: (v, axes) for name, v, axes in keras_variables([*self._walked, *self._walked_bare])}
        self._variables = {name: (variable, axes) for name, variable, axes in self.variables()}

    def _is_built(self) -> bool:
        """Whether every layer has its variables: a subclassed model may make them in its first call."""
        return all(getattr(entry.layer, "built", True) for entry in self._walked if entry.kind.weights)

    def allow_tf32(self, allowed: bool) -> None:
        """Let float32 products round to TF32's ten bits on a GPU that can, or not."""
        allow_tf32(allowed, keras.backend.backend())
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
        """(canonical name, variable, axes from torch's layout) for every variable of the known layers.

        Those that torch holds in other pieces come by torch's names, as `Parts`.
        """
        entries = [*self.found, *self.bare] if found is None else found
        held = self.names.held
        cut = {id(self._own[piece.keras.tensor][0]) for piece in held.pieces}
        along = {entry.path for entry in entries if entry.kind.along}
        for name, variable, axes in keras_variables(entries):
            if id(variable) in cut:
                continue
            path, _, tensor = name.rpartition(".")
            if path in self.names.shapes:
                axes = fitting(self.names.shapes[path], tuple(variable.shape)) or None
            rows = self._orders.get(path) if path in along or tensor == "weight" else None
            columns = None if path in along and rows else self._columns.get(path)
            if (rows or columns) and not isinstance(axes, Layout):
                axes = reordered(axes or (0,), tuple(variable.shape), rows, columns)
            yield name, variable, axes
        yield from in_pieces(held, self._own) if found is None else ()

    def rename(self, names: Names, layers: dict[str, str], orders: dict[str, tuple[int, ...]]) -> list[LayerInfo]:
        """Call steps and layers as the other side does; see Side."""
        self.names, self._orders = names, orders
        self._columns = {layers.get(path, path): numbers for path, numbers in names.columns.items()}
        self.found, self.bare = (
            [entry._replace(path=layers.get(entry.path, entry.path)) for entry in walked]
            for walked in (self._walked, self._walked_bare)
        )
        self._variables = {name: (variable, axes) for name, variable, axes in self.variables()}
        return self.layers()

    def layers(self) -> list[LayerInfo]:
        if not (self._met or self._is_built()):
            return []
        new = dict(zip(map(id, self._both_walked()), [*self.found, *self.bare], strict=True))
        ordered = in_order(self._walked, self._walked_bare)
        infos = [(entry.path, self._info(new[id(entry)])) for entry in ordered]
        return infos_in_pieces(infos, self.names.held)

    def _both_walked(self) -> list[Found]:
        return [*self._walked, *self._walked_bare]

    def _info(self, found: Found) -> LayerInfo:
        own = {name.rpartition(".")[2]: (variable, axes) for name, variable, axes in self.variables([found])}
        shapes = {name: shape_of(*each) for name, each in own.items()}
        settings = keras_static(found), keras_initial(found)
        trained = keras_trained(found, {name: variable for name, (variable, _) in own.items()})
        biased, made = keeps_biased_variance(found), written(MADE.of(owner_of(found.layer)))
        return LayerInfo(found.path, found.kind.name, shapes, *settings, biased=biased, trained=trained, made=made)

    def settle(self) -> list[LayerInfo]:
        """A Keras layer multiplies by what it holds, in evaluation."""
        return self.layers()

    def weights(self) -> Iterator[tuple[str, Array]]:
        for name, variable, axes in self.variables():
            yield name, read(variable, axes, ops.convert_to_numpy)

    def load(self, name: str, array: Array) -> None:
        variable, axes = self._variables[name]
        if isinstance(variable, Parts):
            for part, moved in variable.parted(array, self._kept):
                self._assign(part, moved)
            return
        self._assign(variable, placed(array, axes, partial(self._kept, variable)))

    def _kept(self, variable: Any) -> Array:
        """What a variable holds, or was to."""
        return np.asarray(self.exact.get(id(variable), ops.convert_to_numpy(variable)))

    def _assign(self, variable: Any, moved: Array) -> None:
        self.exact.pop(id(variable), None)
        variable.assign(moved)
        if moved.dtype == np.float64 and not np.array_equal(np.asarray(ops.convert_to_numpy(variable)), moved):
            self.exact[id(variable)] = moved  # what float64 runs have, as the variable cannot hold it

    def unknown_weights(self) -> list[str]:
        """Variables of the model that no row of the table of kinds knows."""
        known = {id(variable) for _, variable, _ in keras_variables([*self.found, *self.bare])}
        known |= {id(held(entry.layer, name)) for entry in self.found for name in entry.kind.trained}
        return [v.path for v in self.model.weights if id(v) not in known and "seed_generator" not in v.path]

    def randomize(self, x: Given, seed: int) -> None:
        raise NotImplementedError("probe weights are made on the torch side and copied")

    def fitted(self, x: Inputs, seed: int) -> Inputs:
        raise NotImplementedError("inputs are named and drawn on the torch side")

    def expect(self, expected: Expected) -> None:
        """Call outputs by torch's keys."""
        self.expected = expected

    def meet(self, x: Inputs) -> list[LayerInfo]:
        """Find out how the model takes x, which builds it if it is not yet; its layers then."""
        found = calls(self.model, x)
        whole = self._is_built() and all(getattr(entry.layer, "built", True) for entry in self._walked)
        if len(found) > 1 or not whole:
            self._chosen = self._try(x, found)
        if not whole:
            self._walk()
        self._met = True
        return self.layers()

    def _try(self, x: Inputs, found: list[Call]) -> int:
        """The first way to call the model that it takes. Raises what it says of the likeliest where there is none."""
        first: Exception | None = None
        for number, call, given in ((n, call, given) for given in readings(x) for n, call in enumerate(found)):
            own = keras.config.floatx()
            try:
                with on_device(self.device), warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of a call that fails, and may be the wrong one
                    values = self.values(given, call, dict.fromkeys(x.names, own))
                    self.model(*filled(call.args, values), training=False, **filled(call.kwargs, values))
            except Exception as error:  # noqa: BLE001 - a model may say in any way that it takes another structure
                first = first or error
            else:
                return number
        assert first is not None, "there is at least one way to call a model"
        raise first

    def call(self, x: Inputs) -> Call:
        """How the model is called on x."""
        found = calls(self.model, x)
        return found[min(self._chosen, len(found) - 1)]

    def values(self, x: Inputs, call: Call, dtypes: Mapping[str, str | None]) -> dict[str, Any]:
        """The arrays as tensors in Keras's layout; floats in these dtypes, whole numbers where one is stated."""
        lie = layouts(self.model, self._walked, x, call)
        made = {}
        for name, layout in lie.items():
            array = laid(x.batch_first(name), layout)
            made[name] = ops.convert_to_tensor(array, dtype=dtypes[name] if array.dtype.kind == "f" else None)
            if array.dtype.kind != "f" and dtypes[name] not in (None, "float16", "bfloat16"):
                made[name] = ops.cast(made[name], dtypes[name])
        return made

    def trace(self, x: Given, dtype: str, visit: Visit, look: Look = NOTHING, tape: Any = None) -> None:
        x = inputs_of(x)
        call = self.call(x)
        lie, declared = layouts(self.model, self._walked, x, call), declared_of(self.model, call)
        with (
            computing_in(dtype, self.wide),
            retyped(self.model, dtype, tape is not None or dtype != "float64", self.exact),
            whole_numbers(declared, x, dtype) as dtypes,
        ):
            tensors = self.values(x, call, dtypes)
            tracer = KerasTrace(self.model, self._walked, dtype, visit, look, self.names, tape)
            with on_device(self.device), plain_errors(), tracer:
                keys = x.keys
                started = {name: tracer.start(tensor, keys[name], lie[name]) for name, tensor in tensors.items()}
                args, kwargs = filled(call.args, started), filled(call.kwargs, started)
                tracer.finish(self.model(*args, training=tape is not None, **kwargs), self.expected)
        self.drawn = tracer.drawn

    def run(self, x: Given, dtype: str = "", training: bool = False) -> None:
        x, own = inputs_of(x), dtype or keras.config.floatx()
        call = self.call(x)
        variables = self.model.variables if training else []
        before = [(variable, ops.convert_to_numpy(variable).copy()) for variable in variables]
        cast = retyped(self.model, dtype) if dtype else nullcontext()
        try:
            with computing_in(own), cast, on_device(self.device), plain_errors():
                values = self.values(x, call, dict.fromkeys(x.names, own))
                self.model(*filled(call.args, values), training=training, **filled(call.kwargs, values))
        finally:
            for variable, value in before:
                variable.assign(value)

    def reruns(self) -> None:
        """The reference does."""

    def outputs(self, x: Given) -> dict[str, tuple[Array, int]]:
        from .losses import with_class_axes

        return with_class_axes(self, x)

    def gradients(self) -> SideGradients:
        from .gradients import KerasGradients

        return KerasGradients(self)

    def environment(self) -> dict[str, Any]:
        backend = keras.backend.backend()
        device = self.device or keras_devices()[-1]  # Keras chooses an accelerator where it sees one
        found = {"keras": keras.__version__, "backend": backend, "device": device, "tf32": self.tf32}
        return found | of_loss(self.model) | processor() | keras_settings()


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
