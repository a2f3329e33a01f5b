"""Losses and gradients that differ from equal outputs -> how one side's loss differs from the other's."""

import numpy as np

from parity.verdict.cause import Cause
from parity.verdict.training import LINE, Fault

from .scene import Scene


def other_loss(scene: Scene, fault: Fault) -> Cause | None:
    """Whether all that differs is the loss: one is a multiple of the other, or smooths its labels more."""
    return None if fault.what != "loss" else _multiple(scene) or _smoothed(scene)


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
    count = scene.recipe.batch_size
    for ratio, summing, averaging in ((factor, "Keras", "torch"), (1 / factor, "torch", "Keras")):
        if np.isclose(ratio, count, rtol=LINE):
            what = f"{summing} sums over the batch of {count}, {averaging} takes the mean"
            return Cause("loss reduction", "", f"{told}: {what}")
    return Cause("loss factor", "", told)


def _smoothed(scene: Scene) -> Cause | None:
    """Smoothing by s takes s of each label and spreads it evenly: the gradient at the logits moves by that."""
    last = scene.layers[-1]
    if "bias" not in last.weights:
        return None
    ours, theirs = scene.gradients(f"{last.path}.bias")
    labels = np.eye(len(ours))[scene.labels].mean(0) - 1 / len(ours)
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
