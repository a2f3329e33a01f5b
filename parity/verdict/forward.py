"""Numbers -> verdict: which steps are at fault, and in what. Pure."""

from collections.abc import Iterator
from dataclasses import replace
from math import isfinite

from parity.models.kinds import are_alike, named
from parity.models.layers import LayerInfo
from parity.models.settings import same_initial

from .difference import Difference, arithmetic_ok, structure_ok
from .results import LayerResult, StaticDifference, Sums


def judged(steps: list[Sums], layers: list[LayerInfo], dtype: str) -> list[LayerResult]:
    """Every step by the verdict's rules. steps: their numbers, in order of execution. layers: torch's."""
    known = {layer.path: layer for layer in layers}
    results = [_result(entry, known, dtype) for entry in steps]
    results = _without_inherited_rounding(results)
    return results if any(result.faults for result in results) else _blame_first_inherited(results)


def _result(entry: Sums, known: dict[str, LayerInfo], dtype: str) -> LayerResult:
    layer = known.get(entry.step.path.partition("#")[0])
    weights = layer.weights if layer and entry.step.key == entry.step.path else {}
    numbers = entry.inherited, entry.added, entry.reference, entry.candidate, entry.low
    return LayerResult(entry.step, weights, *numbers, faults=_faults(entry, dtype), note=entry.note)


def _faults(entry: Sums, dtype: str) -> tuple[str, ...]:
    if not entry.added.finite:
        return ("not finite",)
    faults = [] if structure_ok(entry.added) else ["structure"]
    if not (entry.reference.finite and entry.candidate.finite):
        faults.append("not finite")
    elif dtype != "float64" and not arithmetic_ok(entry.reference, entry.candidate, dtype):
        faults.append("arithmetic")
    return tuple(faults)


def _without_inherited_rounding(results: list[LayerResult]) -> list[LayerResult]:
    """Coarse numbers, NaN and infinity flow on; the float64 runs are forced, those in the asked dtype are not.

    So of the steps whose only fault is in the asked dtype's numbers, the first is blamed and the later ones inherit.
    In float64 every step is given the reference's numbers: where these are not finite, so are those behind them.
    """
    seen = broken = False
    judged = []
    for result in results:
        if not (result.added.finite or result.reference.finite):
            result = replace(result, faults=() if broken else result.faults)
            broken = True
        rounding = tuple(fault for fault in result.faults if fault != "structure")
        rounding = rounding if result.added.finite else ()
        kept = tuple(fault for fault in result.faults if not (seen and fault in rounding))
        judged.append(replace(result, faults=kept))
        seen = seen or "arithmetic" in result.faults or "not finite" in result.faults
    return judged


def _blame_first_inherited(results: list[LayerResult]) -> list[LayerResult]:
    """No step adds an error, yet one has some: then the first that has is at fault, whatever made it."""
    for number, result in enumerate(results):
        if not structure_ok(result.inherited):
            return [*results[:number], replace(result, faults=("structure",)), *results[number + 1 :]]
    return results


def different_weights(found: dict[str, Difference]) -> Iterator[StaticDifference]:
    """The tensors of two models compared as they are that differ as data: an input need not show it."""
    for name, each in found.items():
        path, _, tensor = name.rpartition(".")
        yield StaticDifference(path, tensor, *_sizes(each))


def _sizes(found: Difference) -> tuple[str, str]:
    """How large a tensor is in torch, and how far from it Keras's is."""
    if not found.finite:
        return ("finite", "NaN or infinite") if isfinite(found.scale) else ("NaN or infinite", "not comparable")
    return f"at most {found.scale:.2g}", f"{found.greatest:.2g} away from it{found.at}"


def static_differences(
    torch: list[LayerInfo], keras: list[LayerInfo], results: list[LayerResult], doubtful: set[str]
) -> Iterator[StaticDifference]:
    """Every setting in which paired layers differ as data. doubtful: paths of steps that one side alone has at a fault.

    What the runs have shown to change no number is told, and is no fault.
    """
    wrong = doubtful | {each.path.partition("#")[0] for each in results if "structure" in each.faults}
    by_effect = {layer.path: {s.name for s in named(layer.kind).settings if s.by_effect} for layer in torch}
    for entry in _differing(torch, keras):
        clean = entry.path not in wrong and all(structure_ok(each.added) for each in results if each.path == entry.path)
        yield replace(entry, acts=not (clean and entry.field in by_effect.get(entry.path, ())))


def _differing(torch: list[LayerInfo], keras: list[LayerInfo]) -> Iterator[StaticDifference]:
    theirs = {layer.path: layer for layer in keras}
    for layer in torch:
        partner = theirs.get(layer.path)
        if partner is None or not are_alike(partner.kind, layer.kind):
            continue
        for name, value in layer.static.items():
            if partner.static.get(name, value) != value:  # a norm without weights has no dtype
                yield StaticDifference(layer.path, name, value, partner.static[name])
        if not same_initial(layer.initial, partner.initial):
            yield StaticDifference(layer.path, "initializer", layer.initial, partner.initial)
