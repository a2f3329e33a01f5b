"""Faults that only a training step shows -> their named causes, each proven on the numbers of the runs.

As in diagnose.py, a cause is a prediction of one side's numbers from the other's that closes the gap.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from parity.models.arrays import Array
from parity.models.attempts import attempt
from parity.models.keys import STATISTICS
from parity.models.kinds import named
from parity.models.kinds.formulas import batch_statistics, normalised
from parity.models.layers import LayerInfo
from parity.verdict import rounding
from parity.verdict.cause import EXPLAINED, TITLES, Cause
from parity.verdict.difference import STRUCTURE_LINE, Size, difference, size_of, sized, structure_ok
from parity.verdict.gradients import why, words
from parity.verdict.measured import Measured, Name
from parity.verdict.results import LayerResult
from parity.verdict.rounding import judged

from .norms import EPSILONS, ONE_PASS, one_pass
from .penalties import penalty
from .rerun import factor as factor_of
from .ties import Ties, untied

Added = dict[Name, Measured]
Reasons = Iterator[tuple[str, str]]  # names of causes with their evidence, the likeliest first


@dataclass(frozen=True)
class Teacher:
    """What may be asked of the side that teaches. kept: an array of its free run, by name. weights: of a layer.

    sizes: of what numbers are sums of, see verdict/rounding.py. ties: names of tensors that are one.
    """

    kept: Callable[[str, str], Any]
    weights: Callable[[str], dict[str, Array]]
    sizes: Mapping[Name, Size]
    ties: Ties = field(default_factory=dict)

    def error(self, name: Name, predicted: Array, target: Array) -> float:
        """How far a prediction is from the number of that name that a side has made."""
        return judged(name, predicted, target, self.sizes.get(name), self.kept(f"lost {name[0]}", name[1])).error


def causes(
    rows: Iterable[LayerResult], dtype: str, added: Added, torch: Teacher, layers: list[LayerInfo]
) -> Iterator[Cause]:
    """The cause of every gradient fault among the rows, which come in the order of the forward pass; last first."""
    infos = {layer.path: layer for layer in layers}
    faulty = [row for row in rows if any(fault.startswith("gradient") for fault in row.faults)]
    for row in faulty[::-1][:EXPLAINED]:
        info = infos.get(row.path)
        yield attempt(partial(_cause, row, added, torch, info, dtype), partial(_unknown, row, dtype))


def _unknown(row: LayerResult, dtype: str, error: Exception | None = None) -> Cause:
    assert row.gradient is not None
    return Cause("unknown", row.path, f"nothing tried explains that {why(row.gradient, dtype)}")


def _cause(row: LayerResult, added: Added, torch: Teacher, info: LayerInfo | None, dtype: str) -> Cause:
    assert row.gradient is not None
    guesses = (_more_loss,) if row.path == "loss" else GUESSES
    reasons = (guess(row, added, torch, info) for guess in guesses)
    tried = (attempt(partial(next, each, None), lambda _: None) for each in reasons)
    found = next(filter(None, tried), None)
    return _unknown(row, dtype) if found is None else Cause(found[0], row.path, found[1])


def _norm(row: LayerResult, added: Added, torch: Teacher, info: LayerInfo | None) -> Reasons:
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


def _missing(row: LayerResult, added: Added, torch: Teacher, info: LayerInfo | None) -> Reasons:
    """Tensors that get no gradient on one side: frozen, detached, or behind an operation that stops it."""
    assert row.gradient is not None
    wrong = {name: t for name, t in row.gradient.tensors.items() if not structure_ok(t.added)}
    for side, other in (("keras", "torch"), ("torch", "keras")):
        names = [name for name, tensor in wrong.items() if tensor.absent == side]
        if names:
            size = max(max(wrong[name].added.scale, wrong[name].added.greatest) for name in names)
            yield (
                "missing gradient",
                f"{' and '.join(words(name) for name in names)} is zero or absent in {TITLES[side]}, and up to "
                f"{size:.2e} in {TITLES[other]}; look for a frozen parameter, a detach or a stop_gradient",
            )
    for name in wrong:
        if name.startswith("input "):
            key = name.removeprefix("input ")
            for side, gap, left in lacking(key, row.step.key, added, torch):
                yield (
                    "missing gradient",
                    f"what reaches {key} lacks in {side} just what {row.path} sends back: with it the gap closes from "
                    f"{gap:.1e} to {left:.1e}; look for a detach or a stop_gradient",
                )


def _penalised(row: LayerResult, added: Added, torch: Teacher, info: LayerInfo | None) -> Reasons:
    """All that is wrong is what one model adds to the loss itself: a penalty of a weight, or of an output."""
    assert row.gradient is not None
    wrong = {name: tensor for name, tensor in row.gradient.tensors.items() if not structure_ok(tensor.added)}
    told = []
    for name in wrong:
        which = _name(row, name)
        measured, ours = added.get(which), torch.kept(*which)
        of_weight = which[0] == "tensor"
        array = torch.weights(row.path).get(name) if of_weight else torch.kept("output", which[1])
        if measured is None or measured.array is None or ours is None or array is None:
            return
        for side, without, gradient in (("Keras", ours, measured.array), ("torch", measured.array, ours)):
            found = penalty(array, without, gradient)
            if found is not None:
                what = f"its {name}" if of_weight else f"the output of {which[1]}"
                told.append(f"{side} adds {found} of {what} to the loss ({words(name)}, left {found.left:.1e})")
                break
        else:
            return
    if told:
        gap = max(tensor.added.error for tensor in wrong.values())
        kind = "weight decay by loss" if any(_name(row, name)[0] == "tensor" for name in wrong) else "activity penalty"
        rule = "; a regularizer l2(c) decays a weight w by 2 * c * w" if kind == "weight decay by loss" else ""
        yield kind, f"{' and '.join(told)}: so assumed, the gap of {gap:.1e} closes{rule}"


def _untied(row: LayerResult, added: Added, torch: Teacher, info: LayerInfo | None) -> Reasons:
    assert row.gradient is not None
    names = (f"{row.path}.{name}" for name in row.gradient.tensors)
    yield from (("tied weights", told) for n in names for told in untied(n, torch.ties.get(n, ()), added, torch.kept))


def _more_loss(row: LayerResult, added: Added, torch: Teacher, info: LayerInfo | None) -> Reasons:
    """Keras's model adds to the loss what is no penalty of a weight or an output, or has no gradient."""
    measured, ours = added.get(("tensor", "loss")), torch.kept("tensor", "loss")
    if measured is not None and measured.array is not None and not structure_ok(measured.error):
        more = float((measured.array - ours).sum())
        told = f"Keras's model adds {more:.6g} to the loss by itself, and torch's adds nothing"
        yield "added loss", f"{told}; look for an add_loss, or for a regularizer"


def _scaled(row: LayerResult, added: Added, torch: Teacher, info: LayerInfo | None) -> Reasons:
    """All that is wrong is one constant times the other side's: a loss or a gradient that is weighted otherwise."""
    assert row.gradient is not None
    factors, left = set(), 0.0
    wrong = {name: tensor for name, tensor in row.gradient.tensors.items() if not structure_ok(tensor.added)}
    for name in wrong:
        which = _name(row, name)
        measured, ours = added.get(which), torch.kept(*which)
        factor = None if measured is None or measured.array is None else factor_of(ours, measured.array)
        if measured is None or measured.array is None or not factor:  # no gradient at all is another fault
            return
        factors.add(f"{factor:.6g}")
        left = max(left, difference(factor * ours, measured.array).error)
    if len(factors) == 1 and left <= STRUCTURE_LINE:
        gap = max(tensor.added.error for tensor in wrong.values())
        what = " and ".join(words(name) for name in wrong)
        yield (
            "constant factor",
            f"Keras's is {factors.pop()} times torch's, in {what}: the gap closes from {gap:.1e} to {left:.1e}",
        )


def _name(row: LayerResult, tensor: str) -> Name:
    """Under what name a row's tensor was measured."""
    if tensor.startswith("input "):
        return "gradient", tensor.removeprefix("input ")
    if tensor == "output":
        return "output", row.step.key
    return ("into", f"{row.step.key}<0") if tensor == "input" else ("tensor", f"{row.path}.{tensor}")


def lacking(key: str, sender: str, added: Added, torch: Teacher) -> Iterator[tuple[str, float, float]]:
    """(side, gap, gap left) if what reaches step `key` lacks, on one side, just the gradient that `sender` sends back.

    sender: an operation between layers, or a layer of one input.
    """
    measured = added["gradient", key]
    name = ("gradient", sender) if "<" in sender else ("into", f"{sender}<0")
    whole, sent = (torch.kept(*which) for which in (("gradient", key), name))
    if measured.array is None or sent is None or not sent.shape == whole.shape == measured.array.shape:
        return
    for side, predicted in (("Keras", measured.array + sent), ("torch", measured.array - sent)):
        left = sized(difference(predicted, whole), size_of(np.abs(sent))).error
        if left <= STRUCTURE_LINE:
            yield side, measured.error.error, left


# What is tried of a faulty row, one after another; the first that finds something names the cause.
GUESSES: tuple[Callable[[LayerResult, Added, Teacher, LayerInfo | None], Reasons], ...] = (
    _untied,
    _norm,
    _penalised,
    _scaled,
    _missing,
    _more_loss,
)
