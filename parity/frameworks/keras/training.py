"""Keras's half of a lock-step run: `compile` and `fit`, watched by a callback.

What `fit` does not show (the gradients, one batch's own loss, the rate of a step) is copied into variables where Keras
has it: the optimizer's `apply` and the loss tracker's `update_state` are wrapped on that one instance, and do what they
did. The variables belong to these two: on JAX a step is a pure function, and returns what they and the model own alone.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from parity.frameworks.adapter import Trained
from parity.models.arrays import Array, to_keras
from parity.models.clipping import Applied
from parity.models.inputs import inputs_of
from parity.models.keys import Key, is_statistic, role_of, slots
from parity.models.losses import Truths
from parity.models.recipe import Recipe

from . import twins
from .drawing import Replaying, is_replayed
from .dtypes import real_dtype
from .inputs import laid, layouts
from .losses import Outputs, compiled, loss_on, outputs_of, targets
from .optimizers import callbacks, make_optimizer, state_of
from .own_step import OwnRun
from .parts import Parts, own_of, read, shape_of


def set_dtype(dtype: str) -> None:
    """For every layer, optimizer, loss and metric that is made from now on."""
    keras.config.set_floatx("float64" if dtype == "float64" else "float32")
    keras.config.set_dtype_policy(dtype)


class KerasTrainer:
    """Trains `side`'s model itself, which was built in its dtype."""

    def __init__(self, side: Any) -> None:
        self.side = side
        self.model = side.model
        for entry in side.found:
            _, kind, layer = entry
            for name in kind.draws if not is_replayed(entry) else ():  # two frameworks cannot draw the same numbers
                if hasattr(layer, name):
                    setattr(layer, name, 0.0)

    def train(
        self, recipe: Recipe, x: Array, y: Truths, visit: Callable[[Trained], None], units: Sequence[float] = ()
    ) -> None:
        """See `Trainer`. It is compared, and takes no nudged runs."""
        outputs = outputs_of(self.side, x[:2])
        widest = real_dtype("float64" if keras.config.floatx() == "float64" else "float32")
        replaying = Replaying(self.side.walked, self.side.drawn, recipe.batch_size, widest)
        if recipe.own_step:
            OwnRun(self.side, recipe, outputs, replaying).run(self._inputs(x), y, visit)
            return
        run = _Run(self.side, recipe, visit, outputs, replaying)
        self.model.compile(optimizer=run.optimizer, loss=compiled(recipe, outputs, y))
        run.watch(self.model.optimizer, self.model._loss_tracker)
        wanted, weights = targets(recipe, outputs, y)
        self.model.fit(
            self._inputs(x),
            wanted,
            sample_weight=weights,
            batch_size=recipe.batch_size,
            epochs=-(-recipe.steps // recipe.epoch_steps),
            shuffle=False,
            verbose=0,
            callbacks=[run, *callbacks(recipe)],
        )

    def draws(self, recipe: Recipe, x: Array, y: Truths) -> list[Array]:
        """The losses of two passes in training mode: from the same weights, they differ where numbers are drawn."""
        inputs = ops.convert_to_tensor(self._inputs(x), dtype=keras.config.floatx())
        kept = [(variable, np.array(variable)) for variable in self.model.non_trainable_variables]
        outputs = outputs_of(self.side, x[:2])
        losses = []
        for _ in range(2):
            made = keras.tree.flatten(self.model(inputs, training=True))
            found = dict(zip(keras.tree.flatten(outputs.structure), made, strict=False))
            loss = loss_on(recipe, outputs, y, found)
            losses.append(np.asarray(ops.convert_to_numpy(loss), np.float64).reshape(1))
        for variable, value in kept:
            variable.assign(value)
        return losses

    def _inputs(self, x: Array) -> Array:
        given = inputs_of(x)
        (layout,) = layouts(self.model, self.side.found, given, self.side.call(given)).values()
        inputs = laid(x, layout)
        return inputs.astype(keras.config.floatx()) if np.issubdtype(x.dtype, np.floating) else inputs


class _Run(keras.callbacks.Callback):
    """One `fit`: its optimizer, and what each step has made."""

    def __init__(
        self,
        side: Any,
        recipe: Recipe,
        visit: Callable[[Trained], None],
        outputs: Outputs,
        replaying: Replaying,
    ) -> None:
        super().__init__()
        self.replaying = replaying
        self.outputs = outputs
        self.latest: dict[str, Any] = {}  # outputs, by key
        self.side, self.recipe, self.visit = side, recipe, visit
        self.variables = {name: (variable, axes) for name, variable, axes in side.variables()}
        trained = [(name, *self.variables[name]) for name in self.variables if not is_statistic(name)]
        trained = [entry for entry in trained if entry[1].trainable]
        split: tuple[list[Any], list[Any]] = ([], [])
        own = {id(v): (v, s, shape_of(v, axes)) for _, x, a in trained for v, axes, s in own_of(x, a)}
        for variable, whole, _ in own.values():
            split[not recipe.decays(whole)].append(variable)
        self.trained = {name for name, _, _ in trained}
        self.optimizer = make_optimizer(recipe, *split, {key: shape for key, (_, _, shape) in own.items()})
        for variable, whole, _ in own.values():
            if recipe.penalises(whole):
                variable.regularizer = twins.Penalty(recipe.l1, recipe.l2)
        self.applied = Applied(recipe)
        self.own = own.keys()
        self.gradients: dict[int, Any] = {}  # by the variable's id
        self.scalars: dict[str, Any] = {}
        self.kept: dict[Key, Array] = {}
        self.steps = 0

    def watch(self, optimizer: Any, tracker: Any) -> None:
        """Wrap what the model calls on its optimizer and on the metric that gets each batch's loss, and its loss."""
        apply, update_state = optimizer.apply, tracker.update_state
        model, compute_loss = self.side.model, self.side.model.compute_loss

        def watched_loss(x: Any = None, y: Any = None, y_pred: Any = None, *args: Any, **options: Any) -> Any:
            loss = compute_loss(x, y, y_pred, *args, **options)
            added = [ops.sum(ops.cast(more, widest)) for more in model.losses]
            self.scalars["added"].assign(sum(added) if added else ops.zeros((), widest))
            for key, output in zip(
                keras.tree.flatten(self.outputs.structure), keras.tree.flatten(y_pred), strict=False
            ):
                if key in self.latest and tuple(output.shape[1:]) == self.outputs.shapes[key]:
                    self.latest[key].assign(ops.cast(output, widest))
            return loss

        def watched_apply(grads: Any, trainable_variables: Any = None) -> None:
            self.scalars["rate"].assign(ops.cast(optimizer.learning_rate, self.scalars["rate"].dtype))
            for gradient, variable in zip(grads, trainable_variables or self.trainable, strict=True):
                if id(variable) in self.own and gradient is not None:
                    self.gradients[id(variable)].assign(ops.convert_to_tensor(gradient))
            apply(grads, trainable_variables)

        def watched_update_state(loss: Any, *args: Any, **kwargs: Any) -> Any:
            self.scalars["loss"].assign(ops.cast(loss, self.scalars["loss"].dtype))
            return update_state(loss, *args, **kwargs)

        self.trainable = list(self.side.model.trainable_variables)
        optimizer.build(self.trainable)
        for variable in self.trainable:
            if id(variable) in self.own:
                own = optimizer.add_variable_from_reference(variable, name="latest_gradient")
                self.gradients[id(variable)] = own
        widest = real_dtype("float64")
        self.scalars["rate"] = optimizer.add_variable((), dtype=widest, name="latest_rate")
        self.scalars["loss"] = tracker.add_variable((), "zeros", dtype=widest, name="latest")
        self.scalars["added"] = tracker.add_variable((), "zeros", dtype=widest, name="latest_added")
        for n, (key, shape) in enumerate(self.outputs.shapes.items()):
            whole = (self.recipe.batch_size, *shape)
            self.latest[key] = tracker.add_variable(whole, "zeros", dtype=widest, name=f"latest_output_{n}")
        model.__dict__["compute_loss"] = watched_loss
        optimizer.__dict__["apply"] = watched_apply
        tracker.__dict__["update_state"] = watched_update_state
        self.optimizer = optimizer

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._settle()
        self.replaying.go_to(self.steps)
        tensors = [(role_of(name), name) for name in self.variables]
        states = [(slot, name) for slot in slots(self.recipe) for name in self.trained]
        self.kept = {key: self.read(key) for key in (*tensors, *states)}

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.steps += 1
        self._settle()
        if self.applied.changes:
            self.applied.add(self.steps, {name: self.read(("gradient", name)) for name in self.trained})
        self.visit(self)
        if self.steps == self.recipe.steps:
            self.model.stop_training = True

    def _settle(self) -> None:
        """Let the variables hold what the last step has made: JAX keeps that apart until it is asked."""
        if hasattr(self.side.model, "jax_state_sync"):
            self.side.model.jax_state_sync()

    def read(self, key: Key) -> Array:
        """What a key names, after the step, in torch's layout, as float64."""
        what, name = key
        if what in self.scalars:
            return np.array([float(ops.convert_to_numpy(self.scalars[what]))])
        if what == "output":
            return self.outputs.seen(name, np.array(ops.convert_to_numpy(self.latest[name]), dtype=np.float64))
        if what == "iterations":
            return np.array([float(ops.convert_to_numpy(self.optimizer.iterations))])
        variable, axes = self.variables[name]
        if what == "applied":
            found = self.applied.gradients.get(name) if self.applied.changes else self.read(("gradient", name))
            return np.zeros(shape_of(variable, axes)) if found is None else found
        return read(variable, axes, partial(self._held, what, name in self.trained))

    def _held(self, what: str, trained: bool, variable: Any) -> Array:
        """What one variable holds of a kind: itself, its gradient, its state."""
        held, factor = variable, 1.0
        if (what == "gradient" or what in slots(self.recipe)) and not trained:
            return np.zeros(tuple(variable.shape))
        if what == "gradient":
            held = self.gradients[id(variable)]
        elif trained and (what == "ema" or what in slots(self.recipe)):
            held, factor = state_of(self.recipe, self.optimizer, variable, what)
            if held is None:
                return np.zeros(tuple(variable.shape))
        array = np.array(ops.convert_to_numpy(held), dtype=np.float64)
        return array if factor == 1.0 else array * factor

    def before(self, key: Key) -> Array:
        """A weight, statistic or state before the step."""
        return self.kept[key]

    def write(self, key: Key, array: Array) -> None:
        """Set a weight, statistic or state, given in torch's layout."""
        what, name = key
        variable, axes = self.variables[name]
        if isinstance(variable, Parts):
            parts = list(variable.parted(array, partial(self._held, what, name in self.trained)))
        else:
            parts = [(variable, to_keras(array, axes))]
        for each, value in parts:
            held, factor = each, 1.0
            if what != role_of(name):
                held, factor = state_of(self.recipe, self.optimizer, each, what)
            if held is not None:
                held.assign(value / factor)

    def distances(self, keys: list[Key]) -> list[dict[str, tuple[float, float]]]:
        raise NotImplementedError("nudged runs are made on the torch side")
