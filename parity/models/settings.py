"""Settings that act in training alone -> what each changes; and whether two kernels are drawn alike when they are made.

Copied weights hide what they were drawn from, and no run shows it, but training starts from it. Keras's layer says what
it will draw; torch's says nothing, so of a model that has not been trained the standard deviation of what it has drawn
is taken.
"""

import math
from typing import Any

from .kinds.noise import DROPOUT

CHANGES = {
    "momentum": "how fast the running statistics follow the batches",
    "renorm": "what a training step normalises by",
    DROPOUT: "what a training step drops",
    "trainable": "which weights a training step moves, and in Keras whether a norm takes the batch's statistics",
    "regularizer": "the loss, by a penalty: l2(c) decays weights as a weight_decay of 2 c does in the optimizer",
    "constraint": "the weights, after every update",
    "label_smoothing": "the targets of the loss",
    "initializer": "what training starts from",
}

MOST_SIGMA = 6.0  # of the sampling error of a standard deviation, 1 / sqrt(2 n)


def same_initial(torch: Any, keras: Any) -> bool:
    """Whether both may be of one distribution's scale; if either is not known, nothing is said."""
    if not torch or not keras:
        return True
    if keras["std"] == 0.0:
        return bool(torch["std"] == 0.0)
    return bool(abs(torch["std"] / keras["std"] - 1) <= MOST_SIGMA / math.sqrt(2 * torch["count"]))
