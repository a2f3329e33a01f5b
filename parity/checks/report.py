"""Results as data, as JSON and in sentences. Pure: nothing here runs or measures anything."""

from dataclasses import dataclass, field
from typing import Any

from parity.models.environment import notes
from parity.models.layers import LayerInfo
from parity.models.numbers import or_null
from parity.models.source import Both, source_json
from parity.pairs.matching import Wiring
from parity.pairs.pairing import Pair
from parity.verdict.cause import Cause
from parity.verdict.devices import Cell, belongs
from parity.verdict.difference import STRUCTURE_LINE, arithmetic_bound
from parity.verdict.forward import judged, static_differences
from parity.verdict.gradients import why
from parity.verdict.results import LayerResult, StaticDifference, Sums
from parity.verdict.sizes import AtSize

from .options import Options

SCHEMA = 1


@dataclass(frozen=True, repr=False)
class Report:
    """What a check found. `ok` is the verdict; `first` the first layer in execution order that is at fault.

    Where only gradients are at fault, that is the order of the backward pass: the last such layer.
    """

    target: str
    layers: tuple[LayerResult, ...] = ()
    static: tuple[StaticDifference, ...] = ()
    environment: dict[str, Any] = field(default_factory=dict)
    causes: tuple[Cause, ...] = ()
    pairs: tuple[Pair, ...] = ()  # steps that were compared although their names differ
    unmatched: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())  # steps of one side only: torch's, Keras's
    copied: tuple[str, ...] = ()  # weights that were not copied tensor for tensor, in sentences
    sizes: tuple[AtSize, ...] = ()  # what became of the outputs at other sizes of the input
    sources: dict[str, Both] = field(default_factory=dict)  # of what is at fault, by key, the lines of both programs
    only: str = ""  # the path of the one layer that is judged, or of those in it
    patch: str = ""  # the edits that mend the copy, as a unified diff
    copy: str = "keras"  # the side that is mended
    devices: tuple[Cell, ...] = ()  # every framework on every device, if more than the CPU was asked for

    @property
    def settings(self) -> tuple[StaticDifference, ...]:
        """The settings that make a mismatch: not initializers, which change no function, nor what has no effect."""
        return tuple(entry for entry in self.static if entry.acts and entry.field != "initializer")

    @property
    def cause(self) -> Cause | None:
        """Why the first layer at fault differs; None where all match."""
        return self.causes[0] if self.causes else None

    @property
    def ok(self) -> bool:
        if any(cell.fault for cell in self.devices if not cell.tf32) or any(size.fault for size in self.sizes):
            return False
        return bool(self.layers) and not self.settings and all(layer.ok for layer in self.layers)

    @property
    def first(self) -> str | None:
        return self.first_layer.path if self.first_layer else None

    @property
    def first_layer(self) -> LayerResult | None:
        """The layer that `first` names, with its numbers."""
        differing = {difference.path for difference in self.settings}
        for layer in self.layers:
            if layer.path in differing or any(not fault.startswith("gradient") for fault in layer.faults):
                return layer
        return next((layer for layer in reversed(self.layers) if layer.faults), None)

    def __bool__(self) -> bool:
        """`ok`: `assert parity.check(...)` is then what it says."""
        return self.ok

    def __repr__(self) -> str:
        """One line: the fields hold thousands of numbers."""
        if self.ok:
            return f"<Report MATCH {len(self.layers)} layers>"
        failed = sum(not layer.ok for layer in self.layers)
        cause = "" if self.cause is None else f": {self.cause.name}"
        first = "" if self.first is None else f', first "{self.first}"{cause}'
        return f"<Report MISMATCH {failed} of {len(self.layers)} layers{first}>"

    def to_json(self) -> dict[str, Any]:
        """The document that `--json` writes (schema 1). NaN and infinity become null: JSON has neither."""
        return {
            "schema": SCHEMA,
            "verdict": "match" if self.ok else "mismatch",
            "message": headline(self),
            "target": self.target,
            "environment": self.environment,
            "notes": [*notes(self.environment), *self.copied],
            "layers": [_layer_json(self, layer) for layer in self.layers],
            "first": self.first,
            "cause": None if self.cause is None else self.cause.to_json(),
            "causes": [cause.to_json() for cause in self.causes],
            "static": [static_json(difference) for difference in self.static],
            "pairs": [vars(pair) for pair in self.pairs],
            "unmatched": {"torch": list(self.unmatched[0]), "keras": list(self.unmatched[1])},
            **({"sizes": [size.to_json() for size in self.sizes]} if self.sizes else {}),
            **self._devices_json(),
            **({"only": self.only} if self.only else {}),
            **({} if self.ok else {"copy": self.copy} | ({"patch": self.patch} if self.patch else {})),
        }

    def _devices_json(self) -> dict[str, Any]:
        cells = [cell.to_json() for cell in self.devices]
        return {"devices": cells, "belongs": belongs(self.devices)} if cells else {}


def static_json(difference: StaticDifference) -> dict[str, Any]:
    """`acts` is there where it is false: a note. `changes` where a setting acts in training alone."""
    names = {"reference": "torch", "candidate": "keras"}
    found = {names.get(name, name): value for name, value in vars(difference).items()}
    found |= {"changes": difference.changes} if difference.changes else {}
    return {name: value for name, value in found.items() if name != "acts" or not value}


def _layer_json(report: Report, layer: LayerResult) -> dict[str, Any]:
    note: dict[str, Any] = {} if layer.note is None else {"note": layer.note}
    gradient = {} if layer.gradient is None else {"gradient": layer.gradient.to_json()}
    faults = {"faults": list(layer.faults), "why": why_layer(report, layer)} if layer.faults else {}
    source = {"source": source_json(report.sources[key])} if (key := layer.step.key) in report.sources else {}
    return (
        note
        | source
        | gradient
        | faults
        | {
            "path": layer.path,
            "kind": layer.kind,
            "shape": list(layer.step.shape),
            "weights": {name: list(shape) for name, shape in layer.weights.items()},
            "structure": {
                "inherited": or_null(layer.inherited.error),
                "added": or_null(layer.added.error),
            },
            "arithmetic": {
                "torch": or_null(layer.reference.rms),
                "keras": or_null(layer.candidate.rms),
                "difference": or_null(layer.difference.rms),
            },
            "verdict": "match" if layer.ok else "mismatch",
        }
    )


def error_json(target: str, message: str, torch: list[str], keras: list[str]) -> dict[str, Any]:
    """The document for a comparison that could not be made."""
    return {
        "schema": SCHEMA,
        "verdict": "error",
        "target": target,
        "environment": {},
        "layers": [],
        "first": None,
        "cause": None,
        "static": [],
        "unmatched": {"torch": torch, "keras": keras},
        "message": message,
    }


def headline(report: Report) -> str:
    """The verdict in one sentence."""
    count, settings = len(report.layers), len(report.settings)
    target = f"{report.only} of {report.target}" if report.only else report.target
    s, its = ("", "their") if " and " in target and not report.only else ("s", "its")
    if report.ok:
        errors = [layer.added if report.only else layer.inherited for layer in report.layers]
        worst = max(error.error for error in errors)
        fed = ", fed torch's own numbers," if report.only else ""
        same = "function and the same gradients" if any(layer.gradient for layer in report.layers) else "function"
        return (
            f"MATCH: {target} compute{s} the same {same} in PyTorch and Keras; in float64 {its} {count} layers"
            f"{fed} differ by at most {worst:.1e} of their scale (allowed {STRUCTURE_LINE:.0e})"
        )
    failed = sum(not layer.ok for layer in report.layers)
    parts = [f"{failed} of {count} layers"] if failed else []
    parts += [f"{settings} setting{'s' * (settings > 1)}"] if settings else []
    wrong = [" x ".join(map(str, size.shape)) for size in report.sizes if size.fault]
    parts += [f"the outputs of an input of {', of '.join(wrong)}"] if wrong else []
    first = "" if report.first is None else f"; the first is {report.first}"
    return f"MISMATCH: {target} differ{s} in {' and '.join(parts)}{first}"


def why_layer(report: Report, layer: LayerResult) -> str:
    """What is wrong with a layer, in numbers: the first of its faults."""
    dtype = report.environment.get("dtype", "float32")
    if "not finite" in layer.faults:
        sides = [name for name, side in (("torch", layer.reference), ("Keras", layer.candidate)) if not side.finite]
        return f"its outputs hold NaN or infinity in {' and in '.join(sides) or 'float64'}"
    if "structure" in layer.faults:
        return gap(layer)
    if "arithmetic" in layer.faults:
        bound = arithmetic_bound(min(layer.reference, layer.candidate, key=lambda side: side.rms), dtype)
        return (
            f"in {dtype} torch is off its float64 by {layer.reference.rms:.1e} (rms) and "
            f"Keras by {layer.candidate.rms:.1e}; "
            f"beside the better one {bound:.1e} is allowed"
        )
    if layer.gradient is not None and layer.faults:
        return why(layer.gradient, dtype)
    return "its settings differ"


def gap(layer: LayerResult) -> str:
    """How far a layer's float64 outputs are apart."""
    found = layer.inherited
    if found.greatest == float("inf"):
        return "the outputs have different shapes"
    return (
        f"float64 outputs differ by at most {found.greatest:.2e}{found.at}, {found.error:.1e} of the layer's scale "
        f"{found.scale:.3g} (allowed {STRUCTURE_LINE:.0e})"
    )


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
    results = judged([sums[key] for key in wiring.steps if key in sums], torch, options.dtype)
    common = {
        "dtype": options.dtype,
        "seed": options.seed,
        "batch_size": options.batch_size,
        "input_shape": list(shape[1:]),
        "onednn": options.onednn,
    }
    loose = tuple(wiring.loose[0]), tuple(wiring.loose[1])
    doubtful = {key.partition("#")[0] for keys in loose for key in keys}
    static = tuple(static_differences(torch, keras, results, doubtful))
    return Report(target, tuple(results), static, environment | common, unmatched=loose)
