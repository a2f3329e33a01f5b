"""The operation of Keras's -> what computes it in float64, of those of the table of kinds (models/kinds/exact.py)."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from keras import ops

from parity.models.kinds import KINDS

NOTE = "float64 by an exact equivalent: TensorFlow {}"
EXACT: dict[str, Callable[..., Any]] = {
    exact.operation: partial(exact.run, ops) for kind in KINDS for exact in kind.exact
}
REASONS = {exact.operation: exact.reason for kind in KINDS for exact in kind.exact}


def _as_last(name: str, first: str) -> Callable[..., Any]:
    """An operation on (N, C, ...), done on (N, ..., C): most have kernels of the former in float32 alone, or none."""
    operation: Callable[..., Any] = getattr(ops, name)
    parameters = inspect.signature(operation)

    def run(*args: Any, **kwargs: Any) -> Any:
        given = parameters.bind(*args, **kwargs).arguments
        if given.pop("data_format", None) != "channels_first":
            return None
        last = operation(ops.moveaxis(given.pop(first), 1, -1), data_format="channels_last", **given)
        return ops.moveaxis(last, -1, 1)

    return run


def _either(run: Callable[..., Any], other: Callable[..., Any]) -> Callable[..., Any]:
    def either(*args: Any, **kwargs: Any) -> Any:
        made = run(*args, **kwargs)
        return other(*args, **kwargs) if made is None else made

    return either


# Heard for this alone: as steps they are layers.
CONVOLUTIONS = tuple(f"nn.{name}" for name in ("conv", "depthwise_conv", "separable_conv", "conv_transpose"))
EXACT |= {name: _as_last(name.rpartition(".")[2], "inputs") for name in CONVOLUTIONS}
REASONS |= dict.fromkeys(CONVOLUTIONS, "has no float64 kernel of a channels-first convolution")
for _name in ("nn.max_pool", "nn.average_pool"):
    EXACT[_name] = _either(_as_last(_name.rpartition(".")[2], "inputs"), EXACT[_name])
    REASONS[_name] = "has no float64 kernel of a 3-D or channels-first pool"
