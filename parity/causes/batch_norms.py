"""A batch norm's row in a training step -> what is wrong with it: its mode, its momentum, which variance it keeps."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from parity.models.arrays import Array
from parity.models.keys import STATISTICS
from parity.models.kinds import named
from parity.models.kinds.formulas import batch_statistics, normalised
from parity.models.layers import LayerInfo
from parity.verdict import rounding
from parity.verdict.difference import STRUCTURE_LINE, structure_ok
from parity.verdict.results import LayerResult

from .norms import EPSILONS, ONE_PASS, moved_twice, one_pass
from .teacher import Added, Reasons, Teacher


def norm(row: LayerResult, added: Added, torch: Teacher, info: LayerInfo | None) -> Reasons:
    """What goes wrong in a batch norm: its mode, its momentum, which variance it keeps."""
    if info is None or named(row.kind).normalises != "batch":
        return
    key = row.step.key
    before = torch.weights(info.path)
    yield from _output(key, added, torch, before, info.static["eps"])
    mean, variance = (_Statistic.of(f"{info.path}.{name}", added, torch) for name in STATISTICS)
    if mean is None or variance is None or info.static["momentum"] is None:
        return
    yield from _momentum(before["running_mean"], mean, info.static["momentum"])
    output = torch.kept("output", key)
    yield from _biased(before["running_var"], variance, info.static["momentum"], output.size // output.shape[1])


@dataclass(frozen=True)
class _Statistic:
    """A running statistic after the pass. left(predicted, side's): how far they are apart."""

    torch: Array
    keras: Array
    gap: float
    left: Callable[[Array, Array], float]

    @classmethod
    def of(cls, key: str, added: Added, torch: Teacher) -> "_Statistic | None":
        name = "tensor", key
        measured, ours = added.get(name), torch.kept(*name)
        if measured is None or measured.array is None or ours is None:
            return None
        return cls(ours, measured.array, measured.error.error, partial(torch.error, name))


def _output(key: str, added: Added, torch: Teacher, before: dict[str, Array], eps: float) -> Reasons:
    """One side's output in training mode is what a batch norm with other statistics or epsilon makes."""
    measured = added.get(("output", key))
    x = torch.kept("source", key)
    if measured is None or measured.array is None or x is None or structure_ok(measured.error):
        return
    targets = {"Keras": measured.array, "torch": torch.kept("output", key)}
    for name, predicted, what in _norms(x, before, eps):
        for side, target in targets.items():
            left = torch.error(("output", key), predicted, target)
            if left <= STRUCTURE_LINE:
                gap = measured.error.error
                yield name, f"in training {side} {what}: the gap closes from {gap:.1e} to {left:.1e}"
    gamma, beta = before.get("weight"), before.get("bias")
    found = one_pass(rounding.batch_norm(x, gamma, eps), beta, targets["torch"], targets["Keras"])
    left = np.inf if found is None else torch.error(("output", key), found.output, targets["Keras"])
    if found is not None and left <= STRUCTURE_LINE:
        yield ONE_PASS, f"in training {found.told}: the gap closes from {measured.error.error:.1e} to {left:.1e}"


def _norms(x: Array, before: dict[str, Array], eps: float) -> Iterator[tuple[str, Array, str]]:
    """(cause, output, what was done) for each way in which a batch norm is got wrong in training."""
    neutral = {"weight": np.ones(x.shape[1]), "bias": np.zeros(x.shape[1])}
    gamma, beta = ((neutral | before)[name] for name in neutral)
    running = before["running_mean"], before["running_var"]
    what = "normalises with the running statistics instead of the batch's own"
    yield "BN train/eval mode", normalised(x, gamma, beta, *running, eps), what
    mean, variance = batch_statistics(x)
    count = x.size // x.shape[1]
    unbiased = variance * count / max(1, count - 1)
    what = f"divides by the unbiased variance, {count}/{count - 1} of the batch's"
    yield "biased variance", normalised(x, gamma, beta, mean, unbiased, eps), what
    for other in EPSILONS:
        if other != eps:
            what = f"uses an epsilon of {other:g} instead of {eps:g}"
            yield "BN eps", normalised(x, gamma, beta, mean, variance, other), what


def _momentum(before: Array, mean: _Statistic, momentum: float) -> Reasons:
    """The running means move in the same direction, one farther than the other."""
    ours, theirs = mean.torch - before, mean.keras - before
    if mean.gap <= STRUCTURE_LINE or not ours.any():
        return
    ratio = float(np.dot(ours, theirs) / np.dot(ours, ours))
    left = mean.left(before + ratio * ours, mean.keras)
    if left <= STRUCTURE_LINE:
        yield from moved_twice(ratio, momentum)
        yield (
            "BN momentum",
            f"Keras's running mean moves {ratio:.6g} times as far as torch's, as with a momentum of "
            f"{ratio * momentum:.6g} for {momentum:g}: the gap closes from {mean.gap:.1e} to {left:.1e}",
        )


def _biased(before: Array, variance: _Statistic, momentum: float, count: int) -> Reasons:
    """One side's running variance takes the batch's biased variance, (n - 1) / n of the unbiased one."""
    if variance.gap <= STRUCTURE_LINE or count < 2:
        return
    for side, biased, other in (("Keras", variance.keras, variance.torch), ("torch", variance.torch, variance.keras)):
        kept = (1 - momentum) * before
        left = variance.left(kept + (other - kept) * (count - 1) / count, biased)
        if left <= STRUCTURE_LINE:
            yield (
                "biased variance",
                f"{side}'s running variance takes the biased variance, {count - 1}/{count} of the other side's: "
                f"the gap closes from {variance.gap:.1e} to {left:.1e}",
            )
