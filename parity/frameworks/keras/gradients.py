"""A Keras model's training step: free in float64, and forced on the other side's numbers in any dtype."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops

from parity.frameworks.forcing import Lesson, SideGradients, cotangent, loss_of
from parity.frameworks.side import Codec, Watching
from parity.models.arrays import Array
from parity.models.inputs import Given, is_input
from parity.models.keys import is_statistic
from parity.models.kinds import holder
from parity.models.losses import are_probabilities
from parity.models.steps import Look, StepInfo, info, is_output
from parity.verdict.measured import Name

from .drawing import is_replayed
from .dtypes import computing_in, retyped
from .losses import Outputs, loss_on, outputs_of
from .parts import Parts, read
from .recorders import recording


class KerasGradients(SideGradients):
    """On the backends that record as they run: tensorflow and torch."""

    def steps(self, x: Given, look: Look) -> list[StepInfo]:
        found: list[StepInfo] = []
        with self._training("float64"):
            self.side.trace(x, "float64", lambda step: found.append(info(step)), look, Watching())
        return found

    def free(self, emit: Callable[[tuple[str, Array]], None], x: Given, seed: int, look: Look) -> None:
        """Run forward and backward in float64; emit loss, input gradient, every tensor's gradient or statistic."""
        lies = self._lies(x)
        with self._training("float64"), recording() as recorder:
            tape = _Free(recorder)
            self.side.trace(x, "float64", lambda step: None, look, tape)
            added = self._added_losses()
            ends, starts, loss = self._ends(tape, seed, lies)
            variables = self._trained()
            sources = [*(x for _, x, _ in tape.inputs), *variables.values()]
            made = recorder.gradients([*ends, *added], [*starts, *map(ops.ones_like, added)], sources)
            emit(("loss", loss + sum(_numpy(loss) for loss in added)))
            for (key, leaf, codec), gradient in zip(tape.inputs, made, strict=False):
                emit((key, codec.array(ops.zeros_like(leaf) if gradient is None else gradient)))
            gradients = dict(zip(variables, made[len(tape.inputs) :], strict=True))
            for name, array in (*self._gradients(gradients), *self._statistics()):
                emit((name, array))

    def _lies(self, x: Given) -> Outputs | None:
        return None if self.aim is None else outputs_of(self.side, x)

    def _ends(self, tape: "_Free", seed: int, lies: Outputs | None) -> tuple[list[Any], list[Any], Array]:
        """Where the backward pass starts, with which gradients; and the loss."""
        if self.aim is not None and lies is not None:
            found = {key: x for key, x, _ in tape.outputs}
            total = loss_on(self.aim.recipe, lies, self.aim.truths, found)
            return [total], [ops.ones_like(total)], _numpy(total).reshape(1)
        outputs = [codec.array(x) for _, x, codec in tape.outputs]
        given = zip(outputs, tape.outputs, strict=True)
        starts = [codec.like(cotangent(array.shape, seed), x) for array, (_, x, codec) in given]
        return [x for _, x, _ in tape.outputs], starts, loss_of(outputs, seed)[0]

    def run_forced(self, lesson: Lesson, x: Given, dtype: str, look: Look) -> None:
        own = self.aim is not None and self.aim.recipe.own_loss and not lesson.lowered  # the table's are proven once
        lies = self._lies(x) if own else None
        with self._training(dtype), recording() as recorder:
            tape = _Pupil(recorder)
            self.side.trace(x, dtype, lesson.visit, look, tape)
            variables = self._trained()
            added = self._added_losses()
            aimed = []
            if self.aim is not None and lies is not None:
                found = {key: x for key, (x, _) in tape.finals.items()}
                aimed = [loss_on(self.aim.recipe, lies, self.aim.truths, found)]
            more = sum(float(_numpy(loss).sum()) for loss in added)
            lesson.add_loss(more, float(_numpy(aimed[0])) if aimed else None)
            made = tape.gradients(lesson, list(variables.values()), added, aimed)
            if aimed:
                made, finals = made[: -len(tape.finals)], made[-len(tape.finals) :]
                lesson.add_gradients(tape.of_loss(lesson, finals))
            lesson.add_gradients(
                (name, None if gradient is None else codec.array(gradient))
                for (name, (_, codec)), gradient in zip(tape.sources.items(), made, strict=False)
            )
            gradients = dict(zip(variables, made[len(tape.sources) :], strict=True))
            lesson.add_gradients((("tensor", name), array) for name, array in self._gradients(gradients))
            lesson.add_statistics(self._statistics())

    @contextmanager
    def _training(self, dtype: str) -> Iterator[None]:
        """The model in `dtype`, where what draws draws what torch does, or nothing; afterwards as it was."""
        model = self.side.model
        trained = {id(variable) for variable in model.trainable_variables}
        before = [(v, ops.convert_to_numpy(v).copy()) for v in model.variables if id(v) not in trained]
        others = (found for found in self.side.found if not is_replayed(found))
        drawing = [holder(found.layer, name) for found in others for name in found.kind.draws]
        rates = [(layer, name, getattr(layer, name)) for layer, name in drawing if hasattr(layer, name)]
        # What is run again for the backward pass (keras.RematScope) is run by itself, and no gradient is seen in there.
        again = [(layer, layer._remat_mode) for layer in model._flatten_layers() if getattr(layer, "_remat_mode", None)]
        try:
            for layer, _ in again:
                layer._remat_mode = None
            for layer, name, _ in rates:
                setattr(layer, name, 0.0)  # two frameworks cannot draw the same numbers
            with computing_in(dtype, self.side.wide), retyped(model, dtype, exact=self.side.exact):
                yield
        finally:
            for layer, mode in again:
                layer._remat_mode = mode
            for layer, name, rate in rates:
                setattr(layer, name, rate)
            for variable, value in before:
                variable.assign(value)

    def _added_losses(self) -> list[Any]:
        """What the model adds to any loss it is trained by: regularizers of weights and outputs, `add_loss`."""
        return [loss for loss in self.side.model.losses if _floating(loss)]

    def _trained(self) -> dict[int, Any]:
        """What is trained, by the variable's id."""
        found = ((name, each) for name, v, _ in self.side.variables() for each in _variables(v))
        return {id(v): v.value for name, v in found if v.trainable and not is_statistic(name)}

    def _gradients(self, found: dict[int, Any]) -> Iterator[tuple[str, Array]]:
        """Every parameter's gradient in torch's layout, zeros for none."""

        def gradient(variable: Any) -> Array:
            made = found.get(id(variable))
            return np.zeros(tuple(variable.shape)) if made is None else _numpy(made)

        for name, variable, axes in self.side.variables():
            if not is_statistic(name):
                yield name, read(variable, axes, gradient)

    def _statistics(self) -> Iterator[tuple[str, Array]]:
        for name, variable, axes in self.side.variables():
            if is_statistic(name):
                yield name, read(variable, axes, lambda each: _numpy(each.value))


def _variables(variable: Any) -> list[Any]:
    """A variable, or those that one of torch's tensors is in."""
    return [each for each, _ in variable.variables] if isinstance(variable, Parts) else [variable]


def _numpy(x: Any) -> Array:
    return np.asarray(ops.convert_to_numpy(ops.cast(x, "float64")))


def _floating(x: Any) -> bool:
    return bool(keras.backend.is_float_dtype(x.dtype))


class _Free:
    """The Tape of the free run."""

    def __init__(self, recorder: Any) -> None:
        self.recorder = recorder
        self.inputs: list[tuple[str, Any, Codec]] = []
        self.outputs: list[tuple[str, Any, Codec]] = []

    def made(self, key: str, x: Any, taught: Any, codec: Codec) -> Any:
        if is_output(key) and not _floating(x):
            return x
        if is_output(key):
            self.outputs.append((key, x, codec))
        elif is_input(key) and _floating(x):
            leaf = self.recorder.watched(x)
            self.inputs.append((key, leaf, codec))
            return self.recorder.copied(leaf)
        return x

    def fed(self, feeds: str, x: Any, codec: Codec) -> Any:
        return x


class _Pupil:
    """The Tape of a forced run: every step starts from leaves that hold the teacher's numbers."""

    def __init__(self, recorder: Any) -> None:
        self.recorder = recorder
        self.targets: dict[str, tuple[Any, Codec]] = {}
        self.sources: dict[Name, tuple[Any, Codec]] = {}
        self.finals: dict[str, tuple[Any, Codec]] = {}  # the teacher's outputs, of which a loss is taken

    def made(self, key: str, x: Any, taught: Any, codec: Codec) -> Any:
        if is_output(key) and taught is not None and _floating(x):
            self.finals[key] = self.recorder.watched(taught), codec
        if not is_input(key) and _floating(x):
            self.targets[key] = x, codec
        if not _floating(x) or is_output(key) or (taught is None and not is_input(key)):
            return x
        leaf = self.recorder.watched(x if taught is None else taught)
        self.sources["gradient", key] = leaf, codec
        return self.recorder.copied(leaf)

    def fed(self, feeds: str, x: Any, codec: Codec) -> Any:
        if not _floating(x):
            return x
        x = self.recorder.fed(x)
        self.sources["into", feeds] = x, codec
        return x

    def gradients(self, lesson: Lesson, variables: list[Any], added: list[Any], aimed: list[Any]) -> list[Any]:
        """One backward pass to all that was taught: from every step's output, with the teacher's gradient, from the
        losses that the model adds itself, and from the one that it is trained by (`aimed`) to the teacher's outputs.
        """
        # One at a time: together the arrays are as large as all that the model computes.
        upstream = ((lesson.upstream(key), x, codec) for key, (x, codec) in self.targets.items())
        known = [(x, codec.like(start, x)) for start, x, codec in upstream if start is not None and _fits(start, x)]
        wanted = [*(x for x, _ in self.sources.values()), *variables]
        wanted += [x for x, _ in self.finals.values()] if aimed else []
        ends = [*(x for x, _ in known), *added, *aimed]
        starts = [*(start for _, start in known), *(ops.full_like(loss, lesson.scale) for loss in (*added, *aimed))]
        made: list[Any] = self.recorder.gradients(ends, starts, wanted)
        return made

    def of_loss(self, lesson: Lesson, found: list[Any]) -> Iterator[tuple[Name, Array | None]]:
        """The gradient of this side's own loss at the teacher's outputs.

        Along rows that add up to 1 only what moves them is a gradient: of two losses that are equal there, one may
        divide by the row's sum.
        """
        for (key, (x, codec)), gradient in zip(self.finals.items(), found, strict=True):
            theirs = lesson.board.get(("gradient", key))
            array = None if gradient is None else codec.array(gradient)
            if array is not None and theirs is not None and are_probabilities(codec.array(x), 1):
                array = array + (theirs - array).mean(1, keepdims=True)
            yield ("gradient", key), array


def _fits(start: Array, x: Any) -> bool:
    """An output of another size cannot start from the teacher's gradient; it is at fault anyway."""
    return start.size == int(np.prod(tuple(x.shape)))
