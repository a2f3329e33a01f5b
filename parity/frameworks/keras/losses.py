"""A loss's row and a Keras model's outputs -> what `compile` and `fit` are given: a loss and targets of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from parity.errors import ParityError
from parity.frameworks.outputs import Placed, given
from parity.frameworks.own import loaded, takes_truth_first
from parity.models.arrays import Array
from parity.models.inputs import Given, Inputs, filled, inputs_of
from parity.models.losses import Truth, is_own
from parity.models.recipe import Recipe
from parity.models.steps import Look, Step, is_output

from .devices import on_device
from .twins import ByHand


@dataclass(frozen=True)
class Outputs:
    """What a model gives, and how each of its tensors lies beside torch's.

    structure: with a key in place of each tensor. axes: by key, those that `np.transpose` makes torch's array by; None
    where numbers lie in one order and the shapes are others. shapes, torch: Keras's and torch's, without the batch.
    """

    structure: Any
    axes: dict[str, tuple[int, ...] | None]
    shapes: dict[str, tuple[int, ...]]
    torch: dict[str, tuple[int, ...]]

    def seen(self, key: str, array: Array) -> Array:
        """An output of Keras's in torch's order."""
        axes = self.axes[key]
        return array.reshape(-1, *self.torch[key]) if axes is None else np.transpose(array, axes)

    def class_axis(self, key: str) -> int:
        """Where Keras's last axis, its classes, is in torch's array."""
        axes = self.axes[key]
        return 1 if axes is None else axes.index(len(axes) - 1)

    def laid(self, key: str, truth: Truth) -> Array:
        """Targets as Keras has them."""
        axes, array = self.axes[key], truth.array
        if axes is None:
            return array.reshape(-1, *self.shapes[key]) if array.shape[1:] == self.torch[key] else array
        kept = [axis for n, axis in enumerate(axes) if n != truth.axis] if array.ndim == len(axes) - 1 else [*axes]
        return np.ascontiguousarray(np.transpose(array, np.argsort(kept)) if array.ndim > 1 else array)


def seen(side: Any, x: Given) -> dict[str, tuple[Array, Array]]:
    """By key, each output of floating-point numbers in float64, in torch's order, and as it lies."""
    found: dict[str, tuple[Array, Array]] = {}

    def keep(step: Step) -> None:
        if is_output(step.key) and step.output.dtype.kind == "f" and step.raw is not None:
            found[step.key] = step.output, step.raw

    side.trace(x, "float64", keep, Look(raw=True))
    return found


def outputs_of(side: Any, x: Given) -> Outputs:
    """Of a side's model, by two runs on x."""
    known, structure = seen(side, x), _returned(side, inputs_of(x))
    tensors = [(place, t) for place, t in given(structure, _tensors, side.expected) if _is_trained(place, t, known)]
    keys = {id(t): place.key for place, t in tensors}
    axes = {place.key: _axes(*known[place.key]) for place, _ in tensors}
    shapes = {place.key: tuple(t.shape[1:]) for place, t in tensors}
    torch = {place.key: known[place.key][0].shape[1:] for place, _ in tensors}
    return Outputs(keras.tree.map_structure(lambda t: keys.get(id(t)), structure), axes, shapes, torch)


def with_class_axes(side: Any, x: Given) -> dict[str, tuple[Array, int]]:
    """See `Side.outputs`; Keras's classes are along its last axis."""
    arrays, found = seen(side, x), outputs_of(side, x)
    return {key: (arrays[key][0], found.class_axis(key)) for key in found.axes}


def _returned(side: Any, x: Inputs) -> Any:
    """What the model gives for x in evaluation mode, as it gives it."""
    call = side.call(x)
    values = side.values(x, call, dict.fromkeys(x.names, keras.config.floatx()))
    with on_device(side.device):
        return side.model(*filled(call.args, values), training=False, **filled(call.kwargs, values))


def loss_on(recipe: Recipe, outputs: Outputs, truths: Mapping[str, Truth], found: Mapping[str, Any]) -> Any:
    """The loss of outputs by key, in their dtype."""
    total = None
    for key, truth in truths.items():
        if key in found and key in outputs.axes:
            dtype = keras.backend.standardize_dtype(found[key].dtype)
            y = _targets(recipe, outputs, key, truth, dtype)
            weight = _weights(recipe, y, truth, 1 + len(outputs.shapes[key]), dtype)
            made = loss_of(recipe)
            function = made if isinstance(made, keras.losses.Loss) else ByHand(made)
            function.dtype_policy = keras.dtype_policies.DTypePolicy(dtype)
            loss = function(y, found[key], weight)
            total = loss if total is None else total + loss
    return total


def _tensors(x: Any) -> list[Any]:
    return [x] if ops.is_tensor(x) else []


def _is_trained(place: Placed, x: Any, seen: Mapping[str, Any]) -> bool:
    return place.key in seen and keras.backend.is_float_dtype(x.dtype)


def _axes(ours: Array, theirs: Array) -> tuple[int, ...] | None:
    """Keras's axes in torch's order, told by the numbers."""
    if ours.ndim != theirs.ndim:
        return None
    straight = tuple(range(ours.ndim))
    moved = (0, ours.ndim - 1, *range(1, ours.ndim - 1))
    for axes in (straight, moved) if ours.ndim > 2 else (straight,):
        if tuple(theirs.shape[a] for a in axes) == ours.shape and np.array_equal(np.transpose(theirs, axes), ours):
            return axes
    return None


def compiled(recipe: Recipe, outputs: Outputs, truths: Mapping[str, Truth]) -> Any:
    """The loss of each output, as `compile` takes them. Raises ParityError where no output is trained."""
    if not any(key in truths for key in keras.tree.flatten(outputs.structure)):
        raise ParityError(
            "training needs an output that is a tensor of floating-point numbers on both sides, and Keras's model has "
            "none that torch's has too; give models around them that do"
        )
    return keras.tree.map_structure(lambda key: loss_of(recipe) if key in truths else None, outputs.structure)


def targets(recipe: Recipe, outputs: Outputs, truths: Mapping[str, Truth]) -> tuple[Any, Any]:
    """(targets, weights of samples or None), as `fit` takes them."""
    floatx = keras.config.floatx()
    laid = {key: _targets(recipe, outputs, key, truth, floatx) for key, truth in truths.items() if key in outputs.axes}
    count = len(next(iter(truths.values())).array)
    y = keras.tree.map_structure(lambda key: laid.get(key, np.zeros((count, 1))), outputs.structure)
    weights = {key: _weights(recipe, laid[key], truths[key], 1 + len(outputs.shapes[key]), floatx) for key in laid}
    if all(weight is None for weight in weights.values()):
        return y, None
    return y, keras.tree.map_structure(lambda key: weights.get(key), outputs.structure)


def _targets(recipe: Recipe, outputs: Outputs, key: str, truth: Truth, dtype: str) -> Array:
    array = outputs.laid(key, truth)
    if recipe.label_smoothing and array.dtype.kind == "i":
        return np.asarray(np.eye(outputs.shapes[key][-1], dtype=dtype)[array])
    return array.astype(dtype) if array.dtype.kind == "f" else array


def _weights(recipe: Recipe, laid: Array, truth: Truth, rank: int, dtype: str) -> Array | None:
    if recipe.class_weights:
        return np.asarray(recipe.class_weights)[laid].astype(dtype)
    if truth.weight is None:
        return None
    # Of as many axes as a loss has left: Keras lines (N,) up with the last of them.
    return truth.weight.reshape(-1, *(1,) * (rank - 2)).astype(dtype)


def loss_of(recipe: Recipe) -> Any:
    """What `compile` is given for an output."""
    own = recipe.keras_loss or (recipe.loss if is_own(recipe.loss) else "")
    if not own:
        return LOSSES[recipe.loss](recipe)
    option = "keras-loss" if recipe.keras_loss else "loss"
    function = loaded(own, option, keras.losses.Loss)
    if takes_truth_first(function, otherwise=bool(recipe.keras_loss)):
        return function
    return lambda y_true, y_pred: function(y_pred, y_true)


def _cross_entropy(recipe: Recipe) -> Any:
    if recipe.label_smoothing:  # only the loss over one-hot labels smooths them
        return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True, **_counted(recipe))


def _counted(recipe: Recipe) -> dict[str, Any]:
    """What is left out of a mean, and what it is over: torch divides by the weights of the labels that count."""
    return {
        "ignore_class": recipe.ignore_label,
        "reduction": "mean_with_sample_weight" if recipe.class_weights else "sum_over_batch_size",
    }


def _nll(recipe: Recipe) -> Any:
    def function(y_true: Any, y_pred: Any) -> Any:
        labels = ops.one_hot(ops.cast(y_true, "int32"), y_pred.shape[-1], dtype=y_pred.dtype)
        values = -ops.sum(labels * y_pred, -1)
        if recipe.ignore_label is None:
            return values
        # As Keras's own losses do: what is ignored is masked, and a mean is over the rest.
        keras.src.backend.set_keras_mask(values, ops.not_equal(ops.cast(y_true, "int32"), recipe.ignore_label))
        return values

    return ByHand(function, reduction=_counted(recipe)["reduction"])


def _smooth(recipe: Recipe) -> Any:
    huber = keras.losses.huber
    return ByHand(lambda t, y: huber(t, y, delta=recipe.delta) / recipe.delta)


def _triplet(recipe: Recipe) -> Any:
    """`torch.nn.TripletMarginLoss`: distances of norm 2, with 1e-6 added to each difference."""

    def function(y_true: Any, y_pred: Any) -> Any:
        third = ops.shape(y_pred)[0] // 3
        anchor, positive, negative = (y_pred[n * third : (n + 1) * third] for n in range(3))
        near, far = (ops.sqrt(ops.sum(ops.square(anchor - x + 1e-6), -1)) for x in (positive, negative))
        return ops.mean(ops.relu(near - far + recipe.margin))

    return ByHand(function)


LOSSES: dict[str, Callable[[Recipe], Any]] = {
    "cross_entropy": _cross_entropy,
    "cross_entropy_probabilities": lambda r: keras.losses.SparseCategoricalCrossentropy(**_counted(r)),
    "nll": _nll,
    "bce": lambda r: keras.losses.BinaryCrossentropy(),
    "bce_logits": lambda r: keras.losses.BinaryCrossentropy(from_logits=True),
    "mse": lambda r: keras.losses.MeanSquaredError(),
    "l1": lambda r: keras.losses.MeanAbsoluteError(),
    "smooth_l1": _smooth,
    "huber": lambda r: keras.losses.Huber(delta=r.delta),
    "kl": lambda r: keras.losses.KLDivergence(),
    "triplet": _triplet,
    "hinge": lambda r: keras.losses.Hinge(),
    "focal": lambda r: keras.losses.BinaryFocalCrossentropy(
        from_logits=True, apply_class_balancing=True, alpha=r.focal_alpha, gamma=r.focal_gamma
    ),
    "linear": lambda r: ByHand(lambda t, y: ops.sum(t * y), reduction="sum"),
}
