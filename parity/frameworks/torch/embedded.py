"""Which inputs are token ids: found by one run in which every input is filled with a mark that an embedding recognises.

A float goes through casts and slices and comes out as it was, so the number that reaches an embedding says which input
it came from, and what was added to it on the way.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from parity.errors import ParityError
from parity.models.inputs import Inputs
from parity.models.kinds import FUNCTIONS

MARK = 1 << 16  # the first input's; float32 holds all of them, and what is added to one, exactly
MOST = 1 << 15  # what may be added to a mark
LOOKUPS = {name for name, kind in FUNCTIONS.items() if kind.probe == "rows"}


def fitted(model: Any, x: Inputs, seed: int, run: Callable[[Inputs], Any]) -> Inputs:
    """The inputs with ids in place of the open ones that go into embeddings.

    Raises ParityError where an embedding has fewer rows than an input has ids.
    """
    if not any(isinstance(module, torch.nn.Embedding | torch.nn.EmbeddingBag) for module in model.modules()):
        return x
    rows = _rows(x, run)
    draws = {
        name: np.asarray(np.random.default_rng([seed, number]).integers(0, most, x.arrays[name].shape))
        for number, (name, most) in enumerate(rows.items())
        if name in x.open
    }
    x = x.with_arrays(draws)
    for name, most in rows.items():
        _raise_beyond(name, x.arrays[name], most)
    return x


def _raise_beyond(name: str, ids: Any, most: int) -> None:
    if ids.dtype.kind != "b" and ids.size and not 0 <= ids.min() <= ids.max() < most:
        low, high = f"{ids.min():g}", f"{ids.max():g}"
        raise ParityError(
            f"the input {name} goes into an embedding of torch's, whose ids must be from 0 to {most - 1}, and holds "
            f"numbers from {low} to {high}; give it the range 0-{most}, as in --input {name}=...:int64:0-{most}"
        )


def _rows(x: Inputs, run: Callable[[Inputs], Any]) -> dict[str, int]:
    """How many ids there are for each input that goes into an embedding."""
    marks = {name: MARK * (number + 1) for number, name in enumerate(x.arrays)}
    marked = {
        name: np.full(array.shape, marks[name], np.float64 if array.dtype.kind == "f" else np.int64)
        for name, array in x.arrays.items()
        if array.dtype.kind != "b"
    }
    found: dict[str, int] = {}
    ear = _Ear({mark: name for name, mark in marks.items()}, found)
    # What such numbers do elsewhere in the model is no matter, as long as the embeddings come first.
    with suppress(Exception), ear:
        run(x.with_arrays(marked))
    return {name: found[name] for name in x.arrays if name in found}


class _Ear(TorchFunctionMode):
    """Hears every lookup, notes whose mark it is given, and looks up the first row in its place."""

    def __init__(self, marks: dict[int, str], found: dict[str, int]) -> None:
        super().__init__()
        self.marks, self.found = marks, found

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "").strip("_") not in LOOKUPS:
            return func(*args, **kwargs)
        tensors = [*(a for a in (*args, *kwargs.values()) if isinstance(a, torch.Tensor))]
        tables = [t for t in tensors if t.ndim == 2 and isinstance(t, torch.nn.Parameter)]
        for ids in tensors:
            if tables and ids is not tables[0] and ids.numel():
                self._note(ids, len(tables[0]))
        args = tuple(self._zeros(a, tables) for a in args)
        return func(*args, **{name: self._zeros(a, tables) for name, a in kwargs.items()})

    def _note(self, ids: torch.Tensor, rows: int) -> None:
        most = int(ids.max())
        mark = (most // MARK) * MARK
        if mark in self.marks and most - mark < MOST:
            name = self.marks[mark]
            self.found[name] = min(self.found.get(name, rows), max(1, rows - (most - mark)))

    def _zeros(self, x: Any, tables: Sequence[torch.Tensor]) -> Any:
        if not isinstance(x, torch.Tensor) or (tables and x is tables[0]) or not x.numel():
            return x
        near = bool((x >= MARK).any())
        return torch.zeros_like(x, dtype=torch.int64) if near else x
