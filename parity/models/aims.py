"""A recipe and both models' outputs -> the loss that they are trained by, and the targets that it is drawn. Pure."""

from dataclasses import dataclass, replace

import numpy as np

from parity.errors import few

from .arrays import Array
from .kinds import named
from .layers import LayerInfo
from .losses import DOMAINS, LOSSES, Truth, Truths, are_probabilities, drawn, outside
from .recipe import Recipe, RecipeError, check_loss

Outputs = dict[str, tuple[Array, int]]  # by key: torch's of a few samples, and along which axis its classes are


@dataclass(frozen=True)
class Aim:
    """What a training step is of: the loss, and what it compares each output with."""

    recipe: Recipe
    truths: Truths


def common(ours: Outputs, theirs: Outputs) -> Outputs:
    """torch's outputs that Keras gives too, with the axis that is Keras's last. Raises RecipeError for none."""
    found = {key: (array, theirs[key][1]) for key, (array, _) in ours.items() if key in theirs}
    if not found:
        raise RecipeError(
            "training needs an output that is a tensor of floating-point numbers in both models, and there is none: "
            f"torch gives {few(ours) or 'none'}, Keras {few(theirs) or 'none'}; compare models around them that do"
        )
    return found


def chosen(recipe: Recipe, outputs: Outputs, layers: list[LayerInfo]) -> Recipe:
    """The recipe with its loss: the one that is asked for, or cross entropy of class scores, else a weighted sum.

    Raises RecipeError where the outputs are not what the loss takes.
    """
    if recipe.own_loss:
        kind = "labels" if _are_scores(outputs, layers) else "normal"
        return replace(recipe, targets=recipe.targets or kind)
    name = recipe.loss
    if not name:
        labels = recipe.label_smoothing or recipe.class_weights or recipe.ignore_label is not None
        name = "cross_entropy" if labels or _are_scores(outputs, layers) else "linear"
    if name == "cross_entropy" and all(are_probabilities(array, axis) for array, axis in outputs.values()):
        name = "cross_entropy_probabilities"
    recipe = replace(recipe, loss=name)
    check_loss(recipe)
    for key, (array, axis) in outputs.items():
        _raise_on_outside(recipe, key, array, axis)
    return recipe


def _are_scores(outputs: Outputs, layers: list[LayerInfo]) -> bool:
    """Whether the model is a classifier: one output, a row of two numbers or more, made by a dense layer."""
    ((array, _), *more) = outputs.values()
    dense = bool(layers) and named(layers[-1].kind).flat
    return not more and dense and array.ndim == 2 and array.shape[1] >= 2


def _raise_on_outside(recipe: Recipe, key: str, array: Array, axis: int) -> None:
    loss = LOSSES[recipe.loss]
    told = outside(loss.takes, array, axis)
    if told:
        raise RecipeError(
            f"--loss {loss.name} needs outputs that are {DOMAINS[loss.takes]}, and those of {key} {told}; "
            "choose another loss, such as bce_logits, cross_entropy or mse"
        )
    if loss.name == "bce" and are_probabilities(array, axis):
        raise RecipeError(
            f"--loss bce is for sigmoid outputs, and the rows of {key} add up to 1, as a softmax's: Keras's would take "
            "the numbers before the softmax for those before a sigmoid; use --loss cross_entropy"
        )
    if loss.targets == "labels":
        _raise_on_labels(recipe, key, array, axis)
    if recipe.loss == "triplet" and (array.ndim != 2 or recipe.batch_size < 3):
        raise RecipeError(
            f"--loss triplet needs rows of numbers and a batch of 3 at least, and {key} gives {array.shape[1:]} in "
            f"batches of {recipe.batch_size}; choose another loss or --batch-size"
        )


def _raise_on_labels(recipe: Recipe, key: str, array: Array, axis: int) -> None:
    classes = array.shape[axis] if array.ndim > 1 else 1
    if classes < 2:
        raise RecipeError(
            f"--loss {recipe.loss} needs two classes at least, and {key} gives {classes}, whose loss is always 0 and "
            "proves nothing; use --loss bce_logits or mse"
        )
    if recipe.class_weights and len(recipe.class_weights) != classes:
        raise RecipeError(
            f"--class-weights must be one for each of the {classes} classes, and are {len(recipe.class_weights)}; "
            "give as many"
        )
    if recipe.ignore_label is not None and not 0 <= recipe.ignore_label < classes:
        raise RecipeError(
            f"--ignore-label must be one of the {classes} labels that are drawn, from 0, and is {recipe.ignore_label}; "
            "give one of them"
        )


def truths(recipe: Recipe, outputs: Outputs, count: int) -> dict[str, Truth]:
    """Targets of `count` samples for every output."""
    kind = recipe.targets if recipe.own_loss else LOSSES[recipe.loss].targets
    draw = np.random.default_rng([recipe.seed, 1])
    found = {}
    for key, (array, axis) in outputs.items():
        targets = drawn(kind, (count, *array.shape[1:]), axis, recipe.batch_size, draw)
        weight = draw.uniform(0.5, 2.0, count) if recipe.sample_weights else None
        found[key] = Truth(targets, axis, weight)
    return found
