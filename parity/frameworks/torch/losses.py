"""A loss's row, a torch model's outputs and their targets -> the loss, a scalar with its graph."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from parity.errors import ParityError, words
from parity.frameworks.outputs import given
from parity.frameworks.own import loaded, ordered
from parity.models.losses import TARGETS, Truth, is_own
from parity.models.recipe import Recipe

T = torch.Tensor


def loss_of(recipe: Recipe, output: Any, truths: Mapping[str, Truth], lift: Callable[[T], T]) -> T:
    """The sum of the losses of all outputs that have targets. lift: to the dtype that a loss is taken in.

    Raises ParityError where there are none.
    """
    found = {place.key: x for place, x in outputs_of(output).items()}
    losses = [one(recipe, lift(found[key]), truth) for key, truth in truths.items() if key in found]
    if not losses:
        raise ParityError(
            "training needs an output that is a tensor of floating-point numbers, and the torch model gives none in "
            "training mode; give a model around it that does"
        )
    total = losses[0]
    for loss in losses[1:]:
        total = total + loss
    return total


def outputs_of(output: Any) -> dict[Any, T]:
    """A model's tensors of floating-point numbers, by place."""
    every = given(output, lambda x: [x] if isinstance(x, T) else [], None)
    return {place: x for place, x in every if x.is_floating_point()}


def one(recipe: Recipe, y: T, truth: Truth) -> T:
    """The loss of one output."""
    target = torch.from_numpy(np.ascontiguousarray(truth.array)).to(y.device)
    target = target.to(y.dtype) if target.is_floating_point() else target
    option = "torch-loss" if recipe.torch_loss else "loss"
    own = recipe.torch_loss or (recipe.loss if is_own(recipe.loss) else "")
    if own:
        return _own(own, option, y, target)
    if truth.axis != 1:
        target = target.movedim(truth.axis, 1) if target.ndim == y.ndim else target
        y = y.movedim(truth.axis, 1)
    values = LOSSES[recipe.loss](recipe, y, target)
    return _mean(recipe, values, truth)


def _own(spec: str, option: str, y: T, target: T) -> T:
    function = ordered(loaded(spec, option, torch.nn.Module), truth_first=False)
    try:
        found: Any = function(y, target)
    except Exception as error:
        raise ParityError(
            f"--{option} {spec} must take outputs {tuple(y.shape)} and targets {tuple(target.shape)}, and raised "
            f"{words(error)}; name the targets that it wants with --targets {'|'.join(TARGETS)}"
        ) from error
    if not isinstance(found, T):
        raise ParityError(f"--{option} {spec} must give a tensor, and gives a {type(found).__name__}; return the loss")
    return found.mean() if found.ndim else found


def _mean(recipe: Recipe, values: T, truth: Truth) -> T:
    if values.ndim == 0:
        return values
    if truth.weight is None:
        return values.mean()
    weight = torch.from_numpy(np.ascontiguousarray(truth.weight)).to(values)
    return (values * weight.reshape(-1, *(1,) * (values.ndim - 1))).mean()


def _labels(recipe: Recipe, log_p: T, target: T) -> T:
    """Of log-probabilities: a mean over what counts, by the classes' weights, or each sample's own."""
    ignored = -100 if recipe.ignore_label is None else recipe.ignore_label
    weights = torch.tensor(recipe.class_weights, dtype=log_p.dtype) if recipe.class_weights else None
    return F.nll_loss(log_p, target, weights, ignore_index=ignored, reduction=_reduction(recipe))


def _cross_entropy(recipe: Recipe, y: T, target: T) -> T:
    ignored = -100 if recipe.ignore_label is None else recipe.ignore_label
    weights = torch.tensor(recipe.class_weights, dtype=y.dtype) if recipe.class_weights else None
    how: dict[str, Any] = {"label_smoothing": recipe.label_smoothing, "reduction": _reduction(recipe)}
    return F.cross_entropy(y, target, weights, ignore_index=ignored, **how)


def _reduction(recipe: Recipe) -> str:
    return "none" if recipe.sample_weights else "mean"


def _triplet(recipe: Recipe, y: T, target: T) -> T:
    anchor, positive, negative = y[: len(y) // 3 * 3].chunk(3)
    return F.triplet_margin_loss(anchor, positive, negative, margin=recipe.margin)


def _focal(recipe: Recipe, y: T, target: T) -> T:
    """Lin et al. 2017, equation 5."""
    p = torch.sigmoid(y)
    right = p * target + (1 - p) * (1 - target)
    alpha = recipe.focal_alpha * target + (1 - recipe.focal_alpha) * (1 - target)
    entropy = F.binary_cross_entropy_with_logits(y, target, reduction="none")
    return alpha * (1 - right) ** recipe.focal_gamma * entropy


# (recipe, output with classes along axis 1, targets) -> the loss, or one of each sample or number, of which a mean is.
LOSSES: dict[str, Callable[[Recipe, T, T], T]] = {
    "cross_entropy": _cross_entropy,
    "cross_entropy_probabilities": lambda r, y, t: _labels(r, torch.log(y), t),
    "nll": _labels,
    "bce": lambda r, y, t: F.binary_cross_entropy(y, t, reduction="none"),
    "bce_logits": lambda r, y, t: F.binary_cross_entropy_with_logits(y, t, reduction="none"),
    "mse": lambda r, y, t: F.mse_loss(y, t, reduction="none"),
    "l1": lambda r, y, t: F.l1_loss(y, t, reduction="none"),
    "smooth_l1": lambda r, y, t: F.smooth_l1_loss(y, t, reduction="none", beta=r.delta),
    "huber": lambda r, y, t: F.huber_loss(y, t, reduction="none", delta=r.delta),
    "kl": lambda r, y, t: F.kl_div(torch.log(y), t, reduction="none").sum(1),
    "triplet": _triplet,
    "hinge": lambda r, y, t: F.relu(1 - t * y),
    "focal": _focal,
    "linear": lambda r, y, t: (y * t).sum(),
}
