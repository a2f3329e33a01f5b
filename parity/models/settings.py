"""What a layer's kernel is drawn from when it is made: compared as data, told, and never a mismatch.

Copied weights hide it, and no run shows it, but training starts from it. Keras's layer says what it will draw; torch's
says nothing, so of a model that has not been trained the standard deviation of what it has drawn is taken.
"""

import math
from typing import Any

MOST_SIGMA = 6.0  # of the sampling error of a standard deviation, 1 / sqrt(2 n)


def same_initial(torch: Any, keras: Any) -> bool:
    """Whether both may be of one distribution's scale; if either is not known, nothing is said."""
    if not torch or not keras:
        return True
    if keras["std"] == 0.0:
        return bool(torch["std"] == 0.0)
    return bool(abs(torch["std"] / keras["std"] - 1) <= MOST_SIGMA / math.sqrt(2 * torch["count"]))
