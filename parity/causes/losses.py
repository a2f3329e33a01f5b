"""Losses and gradients that differ from equal outputs -> how one side's loss differs from the other's."""

from collections.abc import Iterator

import numpy as np

from parity.models.arrays import Array
from parity.verdict.cause import Cause
from parity.verdict.difference import STRUCTURE_LINE, difference
from parity.verdict.training import LINE, Fault

from .rerun import factor as factor_of
from .scene import Scene


def other_loss(scene: Scene, fault: Fault) -> Cause | None:
    """Whether all that differs is the loss: a multiple, other smoothing, what a model adds, or another function."""
    if fault.what != "loss":
        return None
    return _multiple(scene) or _smoothed(scene)


def added_loss(scene: Scene, fault: Fault) -> Cause | None:
    """What Keras's model adds to its loss by itself: all that the losses differ by."""
    if fault.what != "loss":
        return None
    ours, theirs = scene.step.loss
    _, (more, *_) = scene.both_read(("added", ""))
    size = max(abs(ours), abs(theirs))
    if not more or not abs(theirs - more - ours) <= LINE * size:
        return None
    told = f"Keras's model adds {more:.9g} to its loss by itself (add_loss, or a regularizer), and torch's adds nothing"
    return Cause("added loss", "", f"{told}: so assumed, the losses are {abs(theirs - more - ours) / size:.1e} apart")


def other_function(scene: Scene, fault: Fault) -> Cause | None:
    """Equal outputs and other losses: it is the loss function, not a layer."""
    if fault.what != "loss":
        return None
    worst = 0.0
    for key in scene.truths:
        ours, theirs = scene.both_read(("output", key))
        size = float(np.abs(ours).max(initial=0.0))
        if ours.shape != theirs.shape or not size:
            return None
        worst = max(worst, float(np.abs(theirs - ours).max()) / size)
    if not worst <= LINE:
        return None
    losses = "{:.9g} in torch and {:.9g} in Keras".format(*scene.step.loss)
    told = f"the outputs are equal ({worst:.1e} of their scale), and their losses are {losses}"
    return Cause("loss function", "", f"{told}; look for from_logits, a softmax taken twice, epsilon, or other targets")


def _multiple(scene: Scene) -> Cause | None:
    """A factor, or a sum where the other takes a mean: it multiplies every gradient too."""
    ours, theirs = scene.step.loss
    if not ours or not np.isfinite(theirs / ours):
        return None
    factor, left = theirs / ours, 0.0
    for name in scene.parameters():
        mine, other = scene.gradients(name)
        terms = float(scene.torch.read(("size", name)).result().max())
        size = max(float(np.abs(other).max(initial=0.0)), abs(factor) * terms)
        if size:
            left = max(left, float(np.abs(other - factor * mine).max()) / size)
    if not left <= LINE:
        return None
    told = f"Keras's loss and every gradient are {factor:.9g} times torch's (so assumed, {left:.1e} is left)"
    what = next(_reductions(factor, _counts(scene)), None)
    return Cause("loss factor", "", told) if what is None else Cause("loss reduction", "", f"{told}: {what}")


def _reductions(factor: float, counts: dict[float, str]) -> Iterator[str]:
    """Over what one side sums and the other takes a mean, if that makes Keras's loss `factor` times torch's."""
    for ratio, more, less in ((factor, "Keras", "torch"), (1 / factor, "torch", "Keras")):
        for count, what in counts.items():
            if count != 1 and np.isclose(ratio, count, rtol=LINE):
                yield f"{more} sums over {what}, {less} takes the mean"


def _counts(scene: Scene) -> dict[float, str]:
    """What a mean may be over in this step, with its number."""
    batch, recipe = scene.recipe.batch_size, scene.recipe
    if len(scene.truths) != 1:
        return {batch: f"the batch of {batch}"}
    ((key, truth),) = scene.truths.items()
    found = counted(np.asarray(scene.torch.read(("output", key)).result()).shape, truth.axis)
    if recipe.class_weights:
        weights = np.asarray(recipe.class_weights)[truth.array]
        found.setdefault(float(weights.mean()), "samples, each by its weight, and divides by their number")
    if recipe.ignore_label is not None:
        found.setdefault(1 / float((truth.array != recipe.ignore_label).mean()), "the labels that count")
    return found


def counted(shape: tuple[int, ...], axis: int) -> dict[float, str]:
    """What a mean over outputs of this shape (N, ...) may be over, with its number; of equal ones the likeliest.

    axis: of their classes.
    """
    batch, size = shape[0], int(np.prod(shape))
    classes = shape[axis] if len(shape) > 1 else 1
    each, places = size // batch, size // classes
    rest = {
        each: f"the {each} numbers of each output",
        size: f"all {size} numbers of the batch",
        classes: f"the {classes} classes",
        each // classes: f"the {each // classes} positions of each output",
        places: f"all {places} positions of the batch",
    }
    found: dict[float, str] = {batch: f"the batch of {batch}"}
    return found | {count: words for count, words in rest.items() if count not in found}


def of_functions(ours: Array, theirs: Array, gap: float, losses: list[float]) -> Iterator[tuple[str, str]]:
    """Gradients of two loss functions at the same outputs, and their values: a mean over another count, or others."""
    factor = factor_of(ours, theirs)
    if factor and (left := difference(factor * ours, theirs).error) <= STRUCTURE_LINE:
        closed = f"so assumed, the gap closes from {gap:.1e} to {left:.1e}"
        for what in _reductions(factor, counted(ours.shape, 1)):
            yield "loss reduction", f"Keras's loss is {factor:.9g} times torch's: {what}: {closed}"
        yield (
            "loss factor",
            f"Keras's loss has {factor:.9g} times the gradient of torch's at the same outputs: {closed}",
        )
    values = " and ".join(f"{loss:.9g}" for loss in losses)
    told = f"the losses are {values} in torch and in Keras" if len(losses) > 1 else "the losses differ"
    rest = "and their gradients differ; look for from_logits, a softmax taken twice, or epsilon"
    yield "loss function", f"at the same outputs {told}, {rest}"


def _smoothed(scene: Scene) -> Cause | None:
    """Smoothing by s takes s of each label and spreads it evenly: the gradient at the logits moves by that."""
    last = scene.layers[-1]
    if "bias" not in last.weights or scene.recipe.loss != "cross_entropy":
        return None
    ours, theirs = scene.gradients(f"{last.path}.bias")
    (truth, *_) = scene.truths.values()
    labels = np.eye(len(ours))[truth.array.reshape(-1)].mean(0) - 1 / len(ours)
    square, size = float(np.vdot(labels, labels)), float(np.abs(theirs).max())
    if not square or not 0 < size < np.inf:
        return None
    more = float(np.vdot(theirs - ours, labels)) / square
    left = float(np.abs(theirs - ours - more * labels).max()) / size
    if left > LINE or abs(more) <= LINE:
        return None
    given = scene.recipe.label_smoothing
    told = f"Keras smooths its labels by {given + more:.6g} and torch by {given:g}"
    return Cause("label smoothing", "", f"{told}: so assumed, the gradient of {last.path}.bias is {left:.1e} off")
