"""The rows of a report -> the same with their gradients, and rows of what has gradients alone."""

import math
from collections.abc import Iterator
from dataclasses import replace

from parity.models.kinds import named
from parity.models.layers import LayerInfo
from parity.models.steps import StepInfo
from parity.pairs.matching import Wiring
from parity.verdict.difference import Difference
from parity.verdict.gradients import Gradient, TensorGradient
from parity.verdict.results import LayerResult

ZERO = 64 * 2.0**-52  # of the greatest gradient, what float64 leaves of one that is zero


def with_trained(rows: tuple[LayerResult, ...], wiring: Wiring) -> Iterator[LayerResult]:
    """The rows, and before the outputs those of the steps that run in training alone, without numbers of evaluation."""
    known, zero = {row.step.key for row in rows}, Difference()
    yield from (row for row in rows if row.kind != "output")
    for key, step in wiring.steps.items():
        if key not in known:
            yield LayerResult(step, {}, zero, zero, zero, zero, zero, faults=())
    yield from (row for row in rows if row.kind == "output")


def with_bare(
    rows: list[LayerResult], tensors: dict[str, dict[str, TensorGradient]], layers: list[LayerInfo], dtype: str
) -> Iterator[LayerResult]:
    """The rows, and before the outputs those of weights outside of layers that have none, for their gradients alone.

    A gradient that is zero but for rounding beside all others (of a bias of keys, which softmax does not see) tells
    nothing: what it is a sum of is not known here.
    """
    known, zero = {row.step.key for row in rows}, Difference()
    least = ZERO * max((t.added.scale for own in tensors.values() for t in own.values()), default=0.0)
    yield from (row for row in rows if row.kind != "output")
    for layer in layers:
        kind = named(layer.kind)
        if kind.bare and not kind.spare and layer.path in tensors and layer.path not in known:
            shape = next(iter(layer.weights.values()))
            step = StepInfo(layer.path, layer.path, layer.kind, shape)
            empty = LayerResult(step, layer.weights, zero, zero, zero, zero, zero, faults=())
            own = tensors[layer.path].items()
            told = {name: each for name, each in own if max(each.added.greatest, each.added.scale) > least}
            yield with_gradient(empty, told, dtype)
    yield from (row for row in rows if row.kind == "output")


def faults_of(row: LayerResult, dtype: str) -> tuple[str, ...]:
    """Of a row that is there for its gradients alone."""
    assert row.gradient is not None
    return tuple({fault for tensor in row.gradient.tensors.values() for fault in tensor.faults(dtype)})


def with_gradient(row: LayerResult, tensors: dict[str, TensorGradient] | None, dtype: str) -> LayerResult:
    """A row with what was measured of it."""
    if tensors is None:
        return row
    if named(row.kind).normalises == "batch":
        count = math.prod(row.step.shape) // row.step.shape[1]
        tensors = {name: replace(tensor, summed=count) for name, tensor in tensors.items()}
    kinds = {fault for tensor in tensors.values() for fault in tensor.faults(dtype)}
    # A layer whose numbers differ cannot be asked how it rounds.
    faults = ("gradient",) if "gradient" in kinds else () if row.faults else tuple(kinds)
    return replace(row, gradient=Gradient(tensors), faults=row.faults + faults)
