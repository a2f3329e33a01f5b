"""Run a Keras model and see every layer, every activation fused into one, and every known operation between them."""

import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial, wraps
from types import MethodType
from typing import Any

import keras
import numpy as np
from keras import ops

from parity.errors import ParityError
from parity.frameworks.made import Made
from parity.frameworks.patch import patch
from parity.frameworks.source import Places
from parity.frameworks.tracer import Trace
from parity.models.arrays import Array, channels_first, channels_last, is_coarse
from parity.models.kinds import SEQUENCE, Kind, is_global, runs_each_step
from parity.models.layers import Found
from parity.models.source import Sources
from parity.models.steps import Look, Names, Visit

from . import recurrent
from .drawing import noise_of_layer
from .exact import CONVOLUTIONS, EXACT, NOTE, REASONS, close, in_float32, lacking, widened
from .inputs import input_layout
from .operations import listening, replaced
from .operators import overhearing
from .parts import is_of
from .source import joined
from .stages import STAGES, linear
from .walk import Part, base_call, keras_scopes
from .wide import as_it_is, telling

CONSTANT = "computes with numbers that Keras has in float32"
LACKING = lacking()
Stage = tuple[Found, Callable[..., Any]]


class KerasTrace(Trace):
    """Wraps the `call` of every layer, and listens to the backend's functions, for as long as it is entered."""

    side = "keras"

    def __init__(
        self, model: Any, found: list[Found], dtype: str, visit: Visit, look: Look, names: Names, tape: Any = None
    ) -> None:
        self.model, self.found = model, found
        self.inexact = dtype == "float64" and keras.backend.backend() == "tensorflow"  # the others compute in it
        self.shapes: dict[tuple[int, ...], str] = {}  # the layout of the latest tensor of a shape
        self.containers = list(keras_scopes(model))
        self.overheard: dict[int, tuple[Any, Sources]] = {}  # id -> (what recognises the tensor, what made it)
        self.known = False  # whether a layer of a known kind runs
        self.owners = {entry.path: owner_of(entry.layer) for entry in found}
        paths = {entry.path for entry in found} | {path for path, _ in self.containers}
        super().__init__(visit, look, names, tape, input_layout(found), paths)

    def __enter__(self) -> "KerasTrace":
        bases: dict[type, dict[int, list[Stage]]] = {}
        for owner, base, own in _stages(self.found):
            if base is None:
                self.stack.callback(patch(owner, "call", partial(self._run, own)))
            else:  # its own `call` runs as a container's
                bases.setdefault(base, {})[id(owner)] = own
        for base, layers in bases.items():
            self._listen_to(base, layers)
        for _, layer in self.containers:
            for name in recurrent.FUSED if hasattr(layer, recurrent.FUSED[0]) else ():
                self.stack.callback(patch(layer, name, lambda *args, **kwargs: False))
        for path, layer in self.containers:
            run = partial(self._at_once, path, layer, layer.call) if runs_each_step(layer) else layer.call
            self.stack.callback(patch(layer, "call", partial(self.enter, path, run)))
        self.stack.enter_context(overhearing(self._overhear))
        self.stack.enter_context(listening(self._heard))
        self._weights = {id(variable._value) for variable in self.model.variables}
        self.stack.enter_context(telling(self._constant))
        for name in CONVOLUTIONS if self.inexact else ():
            self.stack.enter_context(replaced(name, partial(self._exactly, name)))
        return self

    def joined(self, path: str) -> Places:
        return joined(self.owners.get(path), self.calls.get(path, 1) - 1)

    def _overhear(self, output: Any) -> None:
        """Note the lines that made a tensor, where no layer does."""
        for x in () if self.running else self.tensors(output):
            self.overheard[id(x)] = self.mark(x), self._where()

    def _listen_to(self, base: Any, layers: dict[int, list[Stage]]) -> None:
        """Run what a class's `call` does to these layers, by id, as their computations."""
        plain = vars(base)["call"]

        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            own = layers.get(id(layer))
            return plain(layer, *args, **kwargs) if own is None else self._run(own, *args, **kwargs)

        base.call = wraps(plain)(call)
        self.stack.callback(setattr, base, "call", plain)

    def _constant(self, x: Any) -> None:
        """A float32 number that is no weight was rounded by the program: the other may have one that was not."""
        if self.known or self.narrow or id(x) in self._weights or not is_coarse(np.asarray(x)):
            return
        with as_it_is():
            if not is_of(np.asarray(x), self.model.variables):
                self.narrow = CONSTANT

    def _run(self, own: list[Stage], *args: Any, **kwargs: Any) -> Any:
        output = None
        for entry, run in own:
            path, kind, _ = entry
            if self.running:
                output = run(*args, **kwargs)
            else:
                self.noise = noise_of_layer(entry, self.tensors(args)) if kind.draws else None
                self.known = kind.known and not kind.opaque  # what such a layer has in float32 are its weights
                run = run if kind.known or not self.inexact else partial(self._narrowly, run)
                output = self._layer(path, kind, run, args, kwargs)
                self.known = False
            args, kwargs = (output,), {}
        return output

    def _narrowly(self, run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a layer of the user's; where TensorFlow has an operation in it in no float64, in float32."""
        try:
            return run(*args, **kwargs)
        except LACKING as error:
            with as_it_is():
                try:
                    output = run(*in_float32(args), **in_float32(kwargs))
                except Exception:  # noqa: BLE001 - it was not for want of float64
                    raise error from None
        self.narrow = f"TensorFlow has no float64 of an operation in {type(getattr(run, '__self__', run)).__name__}"
        return keras.tree.map_structure(widened, output)

    def _layer(self, path: str, kind: Kind, run: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        layer = getattr(run, "__self__", None)
        if kind.recurs != SEQUENCE or layer is None or not recurrent.takes(layer, kwargs):
            return self.layer(path, kind, run, args, kwargs)
        return self._over_time(path, kind, layer, run, args, kwargs)

    def _at_once(self, path: str, wrapper: Any, call: Callable[..., Any], x: Any, **kwargs: Any) -> Any:
        """Run what a layer does to each step of a sequence on all of them, which are as many samples."""
        inner = [entry.kind for entry in self.found if entry.path.startswith(f"{path}.")]
        if kwargs.get("mask") is not None:
            return call(x, **kwargs)
        if self.tape is not None and any(kind.normalises == "batch" for kind in inner):
            raise ParityError(
                f"{path} must do the same to all steps at once, and in training the norm in it takes the statistics of "
                "each step by itself; compare without gradients, or run its layer on a batch of all steps"
            )
        own = {"training": kwargs.get("training")} if wrapper.layer._call_has_training_arg else {}
        if len(inner) == 1 and (inner[0].flat or inner[0].activation or inner[0].idle):
            return wrapper.layer(x, **own)  # it takes any number of axes
        steps = tuple(x.shape[:2])
        samples = self._merge(Kind("reshape_steps"), path, lambda x: ops.reshape(x, (-1, *x.shape[2:])), (x,), {})
        out = wrapper.layer(samples, **own)
        each = self._merge(Kind("reshape_steps"), path, lambda y: ops.reshape(y, (*steps, *y.shape[1:])), (out,), {})
        if self.of(out).layout == "channels":
            self._remember(each, replace(self.of(each), layout="frames"))
        return each

    def _over_time(self, path: str, kind: Kind, layer: Any, run: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Run a layer that goes over a sequence as a step that gives all outputs, and take from them what it gives."""
        kwargs = dict(zip(("sequences", "initial_state", "mask", "training"), args, strict=False)) | kwargs
        x, states = kwargs.pop("sequences"), recurrent.states_of(kwargs)
        every = recurrent.outputs_of(layer, run, kwargs)
        sequence, *cells = self.layer(path, kind, every, (x, *states), {})

        def taken(take: Callable[[Any, Any], Any]) -> Any:
            return self._merge(Kind("getitem"), path, partial(take, layer), (sequence,), {})

        last = taken(recurrent.last_of) if layer.return_state or not layer.return_sequences else None
        every = sequence if not layer.go_backwards else taken(recurrent.as_made)
        output = every if layer.return_sequences else last
        return (output, last, *cells) if layer.return_state else output

    def _heard(self, name: str, kind: Kind, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        run = partial(self._exactly, name, function) if self.inexact and name in EXACT else function
        if self.running:
            return run(*args, **kwargs)
        if not kind.squeezed:
            return self.function(kind, run, args, kwargs)
        with self.quiet():  # a mean is a global pool if it leaves one number a channel
            one = is_global(tuple(args[0].shape), tuple(run(*args, **kwargs).shape))
        return self.function(kind, run, args, kwargs, known=one)

    def _exactly(self, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The exact equivalent's result, if it is one to float32's precision; else Keras's own."""
        x = next(iter(self.tensors(args)), None)
        if x is None or keras.backend.standardize_dtype(x.dtype) != "float64":
            return function(*args, **kwargs)
        with self.quiet():
            exact = EXACT[name](*args, **kwargs)
            if exact is None:
                return function(*args, **kwargs)
            with as_it_is():
                own = ops.convert_to_numpy(function(*in_float32(args), **in_float32(kwargs)))
        if exact is NotImplemented or not close(own, ops.convert_to_numpy(exact)):
            self.narrow = f"TensorFlow {REASONS[name]}"
            return function(*args, **kwargs)
        self.note = NOTE.format(REASONS[name])
        return exact

    def tensors(self, args: Any) -> list[Any]:
        return [x for x in keras.tree.flatten(args) if keras.ops.is_tensor(x)]

    def swapped(self, args: Any, new: dict[int, Any]) -> Any:
        return keras.tree.map_structure(lambda x: new.get(id(x), x), args)

    def mark(self, x: Any) -> Any:
        return weakref.ref(x)

    def is_marked(self, mark: Any, x: Any) -> bool:
        return mark() is x

    def of(self, x: Any) -> Made:
        made = super().of(x)
        if made.key is not None or made.origins is not None or made.path or made.since is not None:
            return made
        # What is no step and no glue of a name: it lies as the latest tensor of that shape, or rank.
        layout = self.shapes.get(tuple(x.shape)) or self.shapes.get((len(x.shape),)) or self.layout
        mark, called = self.overheard.get(id(x), (None, ()))
        return Made(None, layout, called=called if mark is not None and self.is_marked(mark, x) else ())

    def _remember(self, x: Any, made: Made) -> None:
        self.shapes[tuple(x.shape)] = self.shapes[(len(x.shape),)] = made.layout
        super()._remember(x, made)

    def to_array(self, x: Any, layout: str, squeezed: bool) -> Array:
        """The axes move, the memory stays."""
        if keras.backend.standardize_dtype(x.dtype) in ("bfloat16", "float16"):
            x = ops.cast(x, "float32")
        array = np.asarray(ops.convert_to_numpy(x))
        if squeezed and array.ndim > 2 and {1} in (set(array.shape[1:-1]), set(array.shape[2:])):
            return array.reshape(array.shape[0], -1)
        return channels_first(array, layout)

    def to_tensor(self, array: Array, like: Any, layout: str) -> Any:
        last = np.asarray(channels_last(array, layout), order="C")
        last = last if last.ndim == len(like.shape) else last.reshape(tuple(like.shape))  # (N, C) for (N, 1, 1, C)
        return ops.convert_to_tensor(last, dtype=like.dtype)

    def of_positions(self, array: Array) -> Any:
        return ops.convert_to_tensor(array)

    @property
    def channels_last(self) -> bool:
        return True


def _stages(found: list[Found]) -> Iterator[tuple[Any, type | None, list[Stage]]]:
    """Every layer, the class whose `call` its own makes use of, and its computations, each with what runs it."""
    owners: dict[int, list[Found]] = {}
    for entry in found:
        owners.setdefault(id(owner_of(entry.layer)), []).append(entry)
    for own in owners.values():
        owner, base = owner_of(own[0].layer), base_call(own[0])
        call = owner.call if base is None else MethodType(vars(base)["call"], owner)
        yield owner, base, [(entry, _runner(entry, owner, call, len(own) > 1)) for entry in own]


def owner_of(layer: Any) -> Any:
    return layer.owner if isinstance(layer, Part) else layer


def _runner(found: Found, owner: Any, call: Callable[..., Any], fused: bool) -> Callable[..., Any]:
    if not isinstance(found.layer, Part):
        return partial(linear, owner, call) if fused else call
    return partial(STAGES[found.layer.name], owner)
