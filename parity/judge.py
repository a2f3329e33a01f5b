"""Numbers -> verdict: which steps are at fault, and in what. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

from .capture import LayerInfo, StepInfo
from .compare import Difference, arithmetic_ok, structure_ok
from .initializers import same_initial
from .pairs.matching import Wiring
from .pairs.name_map import NameMap
from .report import LayerResult, Report, StaticDifference
from .sides.runner import Compared

SLICE = 2 * 3 * 224 * 224  # the memory of two ImageNet images, whatever the batch


@dataclass(frozen=True)
class Options:
    """How to compare; see `python -m parity.check --help`."""

    dtype: str = "float32"
    batch_size: int = 2
    seed: int = 0
    weights: str = "copy"
    randomize: bool = False  # replace neutral weights of fresh models before they are copied
    name_map: NameMap | None = None  # pairs of names that the user gives
    gradients: bool = False  # compare a training step too
    slice_size: int = SLICE  # numbers of input that run at once
    checkpoint: tuple[str, str] | None = None  # a file with torch's weights, and the variant it is of


@dataclass
class Sums:
    """The numbers of one step, added up over the slices of the batch."""

    step: StepInfo
    inherited: Difference = field(default_factory=Difference)
    added: Difference = field(default_factory=Difference)
    torch: Difference = field(default_factory=Difference)
    keras: Difference = field(default_factory=Difference)
    low: Difference = field(default_factory=Difference)
    note: str | None = None

    def add(self, torch: Difference | None, keras: Compared) -> None:
        """Add what one slice of the batch gave: torch's rounding, and Keras's numbers beside torch's."""
        self.inherited += keras.inherited
        self.torch += torch or Difference()
        self.keras += keras.rounding
        self.low += keras.difference
        self.note = keras.note


def make_report(
    target: str,
    shape: tuple[int, ...],
    options: Options,
    sums: dict[str, Sums],
    wiring: Wiring,
    torch: list[LayerInfo],
    keras: list[LayerInfo],
    environment: dict[str, Any],
) -> Report:
    """Judge every step by the verdict's rules."""
    info = {layer.path: layer for layer in torch}
    order = {key: number for number, key in enumerate(wiring.steps)}
    results = []
    for key, entry in sorted(sums.items(), key=lambda item: order[item[0]]):
        layer = info.get(entry.step.path.partition("#")[0])
        weights = layer.weights if layer and key == entry.step.path else {}
        numbers = entry.inherited, entry.added, entry.torch, entry.keras, entry.low
        faults = _faults(entry, options.dtype)
        results.append(LayerResult(entry.step, weights, *numbers, faults=faults, note=entry.note))
    results = _without_inherited_rounding(results)
    if not any(result.faults for result in results):
        results = _blame_first_inherited(results)
    common = {
        "dtype": options.dtype,
        "seed": options.seed,
        "batch_size": options.batch_size,
        "input_shape": list(shape[1:]),
    }
    static = tuple(static_differences(torch, keras))
    loose = tuple(wiring.loose[0]), tuple(wiring.loose[1])
    return Report(target, tuple(results), static, environment | common, unmatched=loose)


def _faults(entry: Sums, dtype: str) -> tuple[str, ...]:
    if not entry.added.finite:
        return ("not finite",)
    faults = [] if structure_ok(entry.added) else ["structure"]
    if not (entry.torch.finite and entry.keras.finite):
        faults.append("not finite")
    elif dtype != "float64" and not arithmetic_ok(entry.torch, entry.keras, dtype):
        faults.append("arithmetic")
    return tuple(faults)


def _without_inherited_rounding(results: list[LayerResult]) -> list[LayerResult]:
    """Coarse numbers, NaN and infinity flow on; the float64 runs are forced, those in the asked dtype are not.

    So of the steps whose only fault is in the asked dtype's numbers, the first is blamed and the later ones inherit.
    """
    seen = False
    judged = []
    for result in results:
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


def static_differences(torch: list[LayerInfo], keras: list[LayerInfo]) -> Iterator[StaticDifference]:
    """Every setting in which paired layers differ as data."""
    theirs = {layer.path: layer for layer in keras}
    for layer in torch:
        partner = theirs.get(layer.path)
        if partner is None or partner.kind != layer.kind:
            continue
        for name, value in layer.static.items():
            if partner.static.get(name, value) != value:  # a norm without weights has no dtype
                yield StaticDifference(layer.path, name, value, partner.static[name])
        if not same_initial(layer.initial, partner.initial):
            yield StaticDifference(layer.path, "initializer", layer.initial, partner.initial)
