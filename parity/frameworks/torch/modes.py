"""A torch model goes in; it is in another mode or dtype for as long as the context is entered, and as it was again."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

unheard = torch._C.DisableTorchFunction  # no function mode and no subclass hears what runs in it


def own_dtype(model: nn.Module) -> torch.dtype:
    """What the model computes in as it is: the dtype of its first parameter that is no whole number."""
    return next((x.dtype for x in model.parameters() if x.is_floating_point()), torch.get_default_dtype())


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, and every module's own mode again afterwards: one in `eval()` among others may be frozen so."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        for module, _ in modes:
            module.training = False
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def typed(module: nn.Module, dtype: torch.dtype) -> Iterator[None]:
    """The module's parameters and buffers in `dtype`; afterwards they hold the same memory as before.

    No tracer hears it: one that listens would cast every tensor that is asked for its type.
    """
    with unheard():
        tensors = [t for t in (*module.parameters(), *module.buffers()) if t.is_floating_point() and t.dtype != dtype]
        before = [t.data for t in tensors]
    try:
        with unheard():
            for t in tensors:
                t.data = t.data.to(dtype)
        yield
    finally:
        with unheard():
            for t, data in zip(tensors, before, strict=True):
                t.data = data
