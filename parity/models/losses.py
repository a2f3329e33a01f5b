"""The table of losses: what each is called in both frameworks, which targets it is drawn, over what it is a mean. Pure.

A loss is one row here, and one entry of `LOSSES` in `frameworks/NAME/losses.py` of each framework.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a command's help needs the names alone, and no NumPy
    import numpy as np

    from .arrays import Array

# What a loss compares an output with: see `drawn`.
TARGETS = ("labels", "binary", "signs", "normal", "probabilities", "weights")
CLIPPED = "where an output is nearer to 0 or 1 than 1e-7 they part: Keras clips it, torch its logarithm at -100"


@dataclass(frozen=True)
class Loss:
    """A row. targets: the kind that it is drawn. takes: what outputs must be for it, see `DOMAINS`.

    torch, keras, how, why: its line in the table of rules. per: over what it is a mean, "sample" or "number", or
    "sum". weighed: whether samples can have weights.
    """

    name: str
    targets: str
    torch: str
    keras: str
    how: str
    why: str
    takes: str = "numbers"
    per: str = "number"
    weighed: bool = True


SAME, SETTING, TWIN = "same", "setting", "twin"
LOSSES = {
    loss.name: loss
    for loss in (
        Loss(
            "cross_entropy",
            "labels",
            "cross_entropy: mean",
            "SparseCategoricalCrossentropy(from_logits=True)",
            SAME,
            "both divide by the batch size, and by the positions of an image",
            per="sample",
        ),
        Loss(
            "cross_entropy_probabilities",
            "labels",
            "nll_loss(log(p))",
            "SparseCategoricalCrossentropy()",
            SETTING,
            "the model ends in a softmax: torch's cross_entropy would take another, and Keras finds the logits before "
            f"it if it can; else, {CLIPPED}",
            takes="probabilities",
            per="sample",
        ),
        Loss(
            "nll",
            "labels",
            "nll_loss: mean",
            "minus the label's log-probability",
            TWIN,
            "Keras has no loss of log-probabilities",
            takes="log-probabilities",
            per="sample",
        ),
        Loss("bce", "binary", "binary_cross_entropy", "BinaryCrossentropy()", SAME, CLIPPED, takes="shares"),
        Loss(
            "bce_logits",
            "binary",
            "binary_cross_entropy_with_logits",
            "BinaryCrossentropy(from_logits=True)",
            SETTING,
            "Keras takes outputs for probabilities by default",
        ),
        Loss("mse", "normal", "mse_loss: mean", "MeanSquaredError", SAME, "both divide by all numbers of a batch"),
        Loss("l1", "normal", "l1_loss: mean", "MeanAbsoluteError", SAME, "both divide by all numbers of a batch"),
        Loss(
            "smooth_l1",
            "normal",
            "smooth_l1_loss(beta)",
            "Huber(delta=beta) / beta",
            TWIN,
            "Keras has Huber's alone, which is beta times as large; they are one at beta = 1",
        ),
        Loss("huber", "normal", "huber_loss(delta)", "Huber(delta)", SETTING, "the defaults are 1 in both, and stated"),
        Loss(
            "kl",
            "probabilities",
            "kl_div(log(p), reduction='batchmean')",
            "KLDivergence()",
            SETTING,
            f"torch takes logarithms, and its default divides by the number of classes too; {CLIPPED}",
            takes="probabilities",
            per="sample",
        ),
        Loss(
            "triplet",
            "none",
            "triplet_margin_loss",
            "the same by hand",
            TWIN,
            "Keras has none; a batch is thirds of anchors, positives and negatives",
            per="sample",
            weighed=False,
        ),
        Loss("hinge", "signs", "mean(relu(1 - t y))", "Hinge", TWIN, "torch has it of whole rows of scores alone"),
        Loss(
            "focal",
            "binary",
            "alpha (1 - p)^gamma cross entropy",
            "BinaryFocalCrossentropy(from_logits=True, apply_class_balancing=True)",
            TWIN,
            "torch has none (torchvision's sigmoid_focal_loss is this; Lin et al. 2017)",
        ),
        Loss(
            "linear",
            "weights",
            "sum(y c)",
            "sum(y c)",
            TWIN,
            "outputs of any structure, weighted by fixed random numbers: it hides nothing",
            per="sum",
            weighed=False,
        ),
    )
}
OF_LABELS = tuple(name for name, loss in LOSSES.items() if loss.targets == "labels")


def is_own(loss: Any) -> bool:
    """Whether a loss is a user's own function, or "package.module:function"."""
    return not isinstance(loss, str) or ":" in loss


@dataclass(frozen=True)
class Truth:
    """What a loss compares one output with, batch first, in torch's order. axis: of the output's classes.

    weight: of each sample (N,), or of each label, if they have some.
    """

    array: "Array"
    axis: int = 1
    weight: "Array | None" = None

    def of(self, batch: slice) -> "Truth":
        """That of some samples."""
        return Truth(self.array[batch], self.axis, None if self.weight is None else self.weight[batch])


Truths = Mapping[str, Truth]  # by the output's key


def drawn(kind: str, shape: tuple[int, ...], axis: int, per_batch: int, draw: "np.random.Generator") -> "Array":
    """Targets for outputs of this shape (N, C, ...), whose classes are along `axis`.

    "weights" are a loss's gradient itself, for batches of `per_batch` samples.
    """
    import numpy as np

    if kind == "labels":
        return draw.integers(0, shape[axis], (*shape[:axis], *shape[axis + 1 :]))
    if kind == "probabilities":
        logits = np.exp(draw.standard_normal(shape))
        return np.asarray(logits / logits.sum(axis, keepdims=True))
    if kind in ("binary", "signs"):
        return draw.integers(0, 2, shape) * 2.0 - 1.0 if kind == "signs" else draw.integers(0, 2, shape) * 1.0
    if kind == "none":
        return np.zeros(shape[:1])
    numbers = draw.standard_normal(shape)
    return numbers / max(1, per_batch * int(np.prod(shape[1:]))) ** 0.5 if kind == "weights" else numbers


def outside(takes: str, y: "Array", axis: int) -> str:
    """What of an output is not as a loss takes it, in words; nothing if all is."""
    import numpy as np

    low, high = float(y.min(initial=0.0)), float(y.max(initial=0.0))
    if takes == "shares" and not (low >= 0 and high <= 1):
        return f"reach from {low:.3g} to {high:.3g}"
    if takes == "probabilities" and not are_probabilities(y, axis):
        return f"reach from {low:.3g} to {high:.3g}, and do not add up to 1 in every row"
    if takes == "log-probabilities" and not (high <= 0 and are_probabilities(np.exp(y), axis)):
        return f"reach from {low:.3g} to {high:.3g}, and their exponentials do not add up to 1 in every row"
    return ""


DOMAINS = {
    "shares": "from 0 to 1",
    "probabilities": "probabilities",
    "log-probabilities": "logarithms of probabilities",
}


def are_probabilities(y: "Array", axis: int) -> bool:
    """Whether every row adds up to 1, to what float32 loses."""
    import numpy as np

    if y.ndim < 2 or y.shape[axis] < 2 or float(y.min(initial=0.0)) < 0:
        return False
    return bool(np.abs(y.sum(axis, dtype=np.float64) - 1).max(initial=0.0) <= 1e-5)
