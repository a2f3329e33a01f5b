"""A layer as data (kind, weights, settings, inputs) -> what torch's own operations make of it in float64."""

from collections.abc import Sequence

import numpy as np
import torch

from parity.models.arrays import Array
from parity.models.calls import Call, Edit
from parity.models.kinds import named
from parity.models.kinds.kind import Static, Weights
from parity.models.kinds.reruns import of_one

from .calls import Program


def rerun(kind: str, inputs: Sequence[Array], weights: dict[str, Array], static: Static) -> Array | None:
    """The output of a layer, (N, C, ...) in float64; None for a kind that cannot be run from its data.

    Raises what torch raises where data does not fit.
    """
    row = named(kind)
    run = row.rerun or of_one(row)
    if run is None or not inputs:
        return None
    with torch.no_grad():
        made = run(torch, tuple(map(_tensor, inputs)), {name: _tensor(w) for name, w in weights.items()}, static)
    return np.asarray(made.numpy())


class TorchReruns:
    """See `Reruns`. programs: of the latest run, by step."""

    def __init__(self, programs: dict[str, Program]) -> None:
        self._programs = programs

    def layer(self, kind: str, inputs: tuple[Array, ...], weights: Weights, static: Static) -> Array | None:
        return rerun(kind, inputs, weights, static)

    def calls(self, key: str) -> tuple[Call, ...]:
        return self._programs[key].calls() if key in self._programs else ()

    def edited(self, key: str, edits: Sequence[Edit]) -> Array:
        return np.asarray(self._programs[key].run(edits), np.float64)


def _tensor(array: Array) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float64))
