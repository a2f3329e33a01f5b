"""What a layer's kernel is drawn from when it is made: compared as data, told, and never a mismatch.

Copied weights hide it, and no run shows it, but training starts from it. Keras's layer says what it will draw; torch's
says nothing, so of a model that has not been trained the standard deviation of what it has drawn is taken.
"""

import math
from collections.abc import Callable
from typing import Any

MOST_SIGMA = 6.0  # of the sampling error of a standard deviation, 1 / sqrt(2 n)


def same_initial(torch: Any, keras: Any) -> bool:
    """Whether both may be of one distribution's scale; if either is not known, nothing is said."""
    if not torch or not keras:
        return True
    if keras["std"] == 0.0:
        return bool(torch["std"] == 0.0)
    return bool(abs(torch["std"] / keras["std"] - 1) <= MOST_SIGMA / math.sqrt(2 * torch["count"]))


Getter = Callable[[Any], Any]


def rank_of(layer: Any) -> int:
    """The number of spatial axes: the digit in a class's name, `MaxPool3d`."""
    digits = (cls.__name__[-2] for cls in type(layer).__mro__ if cls.__name__[-2:-1].isdigit())
    return int(next(digits, 2))


def listed(value: Any, rank: int) -> list[Any]:
    return list(value) if isinstance(value, tuple | list) else [value] * rank


def same_padding(kernel: list[int], stride: list[int], dilation: list[int]) -> Any:
    """Padding "same" in pixels where that is one number a side; with a stride it depends on the input."""
    reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    if (set(stride) == {1} and all(r % 2 == 0 for r in reach)) or not any(reach):
        return [r // 2 for r in reach]
    return "same"


def has_bias(layer: Any) -> bool:
    return getattr(layer, "bias", None) is not None
