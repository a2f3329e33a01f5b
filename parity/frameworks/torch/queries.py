"""A torch function goes in; out comes whether it only asks what a tensor is, and computes nothing.

What is asked needs no tensor in the run's dtype: to cast a large kernel for its shape took longer than the layer.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor

GETTERS = ("shape", "ndim", "device", "is_cuda", "is_sparse", "is_leaf", "requires_grad", "layout")
METHODS = ("size", "dim", "numel", "nelement", "ndimension", "stride", "is_floating_point", "is_complex", "__len__")
QUERIES = frozenset([getattr(Tensor, name).__get__ for name in GETTERS] + [getattr(Tensor, name) for name in METHODS])
DTYPE = Tensor.dtype.__get__  # type: ignore[attr-defined]


def asks(function: Callable[..., Any]) -> bool:
    """Whether it answers about a tensor what is the same in every dtype."""
    return function in QUERIES
