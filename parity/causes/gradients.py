"""Faults that only a training step shows -> their named causes, each proven on the numbers of the runs.

As in diagnose.py, a cause is a prediction of one side's numbers from the other's that closes the gap.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np

from parity.models.attempts import attempt
from parity.models.layers import LayerInfo
from parity.verdict.cause import EXPLAINED, TITLES, Cause
from parity.verdict.difference import STRUCTURE_LINE, difference, size_of, sized, structure_ok
from parity.verdict.gradients import why, words
from parity.verdict.measured import Name
from parity.verdict.results import LayerResult

from .batch_norms import norm
from .edges import at_edges
from .losses import of_functions
from .penalties import penalty
from .rerun import factor as factor_of
from .teacher import Added, Reasons, Teacher
from .ties import untied


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


def _missing(row: LayerResult, added: Added, torch: Teacher, info: LayerInfo | None) -> Reasons:
    """Tensors that get no gradient on one side: frozen, detached, or behind an operation that stops it."""
    assert row.gradient is not None
    wrong = {name: t for name, t in row.gradient.tensors.items() if not structure_ok(t.added)}
    for side, other in (("keras", "torch"), ("torch", "keras")):
        names = [name for name, tensor in wrong.items() if tensor.absent == side]
        if names:
            size = max(max(wrong[name].added.scale, wrong[name].added.greatest) for name in names)
            told = f"is zero or absent in {TITLES[side]}, and up to {size:.2e} in {TITLES[other]}"
            rest = "look for a frozen parameter, a detach or a stop_gradient"
            yield "missing gradient", f"{' and '.join(words(name) for name in names)} {told}; {rest}"
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


def _at_edges(row: LayerResult, added: Added, torch: Teacher, info: LayerInfo | None) -> Reasons:
    """All that is wrong are gradients into inputs, where the function has a knee or a tie."""
    assert row.gradient is not None
    found = []
    for name in (name for name, tensor in row.gradient.tensors.items() if not structure_ok(tensor.added)):
        which = _name(row, name)
        measured, ours = added.get(which), torch.kept(*which)
        if which[0] not in ("into", "gradient") or measured is None or measured.array is None or ours is None:
            return
        x = torch.kept("source", row.step.key) if which[0] == "into" else torch.kept("output", which[1])
        if x is None:
            return
        found.append(("its input" if which[0] == "into" else which[1], x, ours, measured.array))
    yield from at_edges(found)


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
        told = f"Keras's is {factors.pop()} times torch's, in {what}"
        yield "constant factor", f"{told}: the gap closes from {gap:.1e} to {left:.1e}"


def _loss_function(row: LayerResult, added: Added, torch: Teacher, info: LayerInfo | None) -> Reasons:
    """At equal outputs the losses' gradients differ: it is the loss function, and most often what a mean is over."""
    name, loss = ("gradient", row.step.key), ("tensor", "loss")
    measured, values = added.get(name), added.get(loss)
    if row.kind == "output" and measured is not None and measured.array is not None:
        both = [torch.kept(*loss), None if values is None else values.array]
        losses = [float(array.sum()) for array in both if array is not None]
        yield from of_functions(torch.kept(*name), measured.array, measured.error.error, losses)


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
    _at_edges,
    norm,
    _loss_function,
    _penalised,
    _scaled,
    _missing,
    _more_loss,
)
