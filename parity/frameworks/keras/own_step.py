"""Keras's half of a run of a user's own steps: batches go in, weights and what else was seen of each step come out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import keras
import numpy as np
from keras import ops

from parity.errors import ParityError
from parity.frameworks.adapter import Trained
from parity.frameworks.own_step import stepping
from parity.models.arrays import Array, to_keras, to_torch
from parity.models.keys import Key, is_statistic, role_of
from parity.models.losses import Truths
from parity.models.recipe import Recipe

from .drawing import Replaying
from .losses import Outputs, targets
from .wide import keeping_float64


class OwnRun:
    """A user's steps of `side`'s model, batch after batch."""

    def __init__(self, side: Any, recipe: Recipe, outputs: Outputs, replaying: Replaying) -> None:
        self.side, self.recipe, self.outputs, self.replaying = side, recipe, outputs, replaying
        self.variables = {name: (variable, axes) for name, variable, axes in side.variables()}
        self.names = {id(variable): name for name, (variable, _) in self.variables.items()}
        self.gradients: dict[str, Array] = {}
        self.kept: dict[Key, Array] = {}
        self.loss = 0.0

    def run(self, x: Array, y: Truths, visit: Callable[[Trained], None]) -> None:
        """Every step; `visit` after each. x: as Keras takes it."""
        step = stepping(self.recipe.keras_step, "keras-step", self.side.model)
        for number in range(self.recipe.steps):
            start = number % self.recipe.epoch_steps * self.recipe.batch_size
            batch = slice(start, start + self.recipe.batch_size)
            self._step(step, number, x[batch], {key: truth.of(batch) for key, truth in y.items()})
            visit(self)

    def _step(self, step: Callable[..., float], number: int, x: Array, y: Truths) -> None:
        self.replaying.go_to(number)
        self.kept = {(role_of(name), name): self._array(name) for name in self.variables}
        self.gradients = {}
        if getattr(self.side.model, "compiled", False):
            self.side.model.reset_metrics()  # or train_on_batch returns the mean of all losses so far
        wide = keeping_float64() if keras.config.floatx() == "float64" else nullcontext()
        with wide, self._seeing():
            self.loss = step(ops.convert_to_tensor(x), self._targets(y))
        if hasattr(self.side.model, "jax_state_sync"):
            self.side.model.jax_state_sync()
        if number == 0 and all(np.array_equal(self.kept[key], self._array(key[1])) for key in self.kept):
            raise ParityError(
                f"--keras-step {self.recipe.keras_step} must change the model's weights, and none of {len(self.kept)} "
                "has changed; call model.train_on_batch(x, y), or optimizer.apply with the gradients, in it"
            )

    def _targets(self, y: Truths) -> Any:
        laid, _ = targets(self.recipe, self.outputs, y)
        wanted = [ops.convert_to_tensor(array) for array in keras.tree.flatten(laid)]
        return wanted[0] if len(wanted) == 1 else tuple(wanted)

    @contextmanager
    def _seeing(self) -> Iterator[None]:
        """Note the gradients that an optimizer is given, where they are numbers: in a compiled step they are none."""
        base = keras.src.optimizers.base_optimizer.BaseOptimizer
        apply = base.apply

        def seen(optimizer: Any, grads: Any, trainable_variables: Any = None) -> Any:
            known = trainable_variables or getattr(optimizer, "_trainable_variables", ())
            for gradient, variable in zip(grads, known, strict=False):
                name = self.names.get(id(variable))
                array = None if gradient is None else _numbers(gradient)
                if name is not None and array is not None:
                    self.gradients[name] = array
            return apply(optimizer, grads, trainable_variables)

        base.apply = seen
        try:
            yield
        finally:
            base.apply = apply

    def _array(self, name: str) -> Array:
        variable, axes = self.variables[name]
        return to_torch(np.array(ops.convert_to_numpy(variable), dtype=np.float64), axes)

    def read(self, key: Key) -> Array:
        """What a key names, after the step, in torch's layout, as float64; NaN for a gradient that was not seen."""
        what, name = key
        if what == "loss":
            return np.array([self.loss])
        if what != "gradient":
            return self._array(name)
        found = self.gradients.get(name)
        if found is None:
            trained = self.variables[name][0].trainable or is_statistic(name)
            return np.full_like(self._array(name), np.nan if trained else 0.0)
        return to_torch(found, self.variables[name][1])

    def before(self, key: Key) -> Array:
        """A weight or statistic before the step."""
        return self.kept[key]

    def write(self, key: Key, array: Array) -> None:
        """Set a weight or statistic, given in torch's layout."""
        variable, axes = self.variables[key[1]]
        variable.assign(to_keras(array, axes))

    def distances(self, keys: list[Key]) -> list[dict[str, tuple[float, float]]]:
        raise NotImplementedError("nudged runs are made on the torch side")


def _numbers(x: Any) -> Array | None:
    try:
        return np.asarray(ops.convert_to_numpy(x), dtype=np.float64)
    except Exception:  # noqa: BLE001 - a tensor of a graph has no numbers, and each backend says so otherwise
        return None
