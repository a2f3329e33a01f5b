"""Results as data, and as text for a terminal and JSON. Pure: nothing here runs or measures anything."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .capture import StepInfo
from .cells import Cell, belongs, sentence
from .compare import STRUCTURE_LINE, Difference, arithmetic_bound
from .gradients.result import Gradient, why

SCHEMA = 1


@dataclass(frozen=True)
class StaticDifference:
    """A setting of a layer that differs as data, in torch's terms."""

    path: str
    field: str
    torch: Any
    keras: Any


@dataclass(frozen=True)
class LayerResult:
    """One step's four numbers and what is wrong with them.

    faults: "structure", "arithmetic", "not finite"; of its gradients: "gradient", "gradient arithmetic".
    """

    step: StepInfo
    weights: dict[str, tuple[int, ...]]
    inherited: Difference
    added: Difference
    torch: Difference
    keras: Difference
    difference: Difference
    faults: tuple[str, ...]
    note: str | None = None  # what the reader must know of how it was compared
    gradient: Gradient | None = None  # its four numbers in a training step, if asked for

    @property
    def path(self) -> str:
        return self.step.path

    @property
    def kind(self) -> str:
        return self.step.kind

    @property
    def ok(self) -> bool:
        return not self.faults


@dataclass(frozen=True)
class Pair:
    """Two steps that are compared although their names differ. by: "order" or "map"."""

    torch: str
    keras: str
    by: str


@dataclass(frozen=True)
class Cause:
    """Why a layer differs: the fault's name, where, and the gap before and after it is undone.

    where: a small map of the error in the layer's output, as plain data (see causes/where.py), or None.
    """

    name: str
    path: str
    evidence: str
    where: dict[str, Any] | None = None


@dataclass(frozen=True)
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
    devices: tuple[Cell, ...] = ()  # every framework on every device, if more than the CPU was asked for

    @property
    def settings(self) -> tuple[StaticDifference, ...]:
        """The settings that make a mismatch: all but initializers, which change no function."""
        return tuple(entry for entry in self.static if entry.field != "initializer")

    @property
    def cause(self) -> Cause | None:
        """Why the first layer at fault differs; None where all match."""
        return self.causes[0] if self.causes else None

    @property
    def ok(self) -> bool:
        if any(cell.fault for cell in self.devices if not cell.tf32):
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

    def to_json(self) -> dict[str, Any]:
        """The document that `--json` writes (schema 1). NaN and infinity become null: JSON has neither."""
        return {
            "schema": SCHEMA,
            "verdict": "match" if self.ok else "mismatch",
            "message": headline(self),
            "target": self.target,
            "environment": self.environment,
            "layers": [_layer_json(self, layer) for layer in self.layers],
            "first": self.first,
            "cause": None if self.cause is None else _cause_json(self.cause),
            "causes": [_cause_json(cause) for cause in self.causes],
            "static": [vars(difference) for difference in self.static],
            "pairs": [vars(pair) for pair in self.pairs],
            "unmatched": {"torch": list(self.unmatched[0]), "keras": list(self.unmatched[1])},
            **self._devices_json(),
        }

    def _devices_json(self) -> dict[str, Any]:
        cells = [cell.to_json() for cell in self.devices]
        return {"devices": cells, "belongs": belongs(self.devices)} if cells else {}


def _cause_json(cause: Cause) -> dict[str, Any]:
    return {name: value for name, value in vars(cause).items() if value is not None}


def _layer_json(report: Report, layer: LayerResult) -> dict[str, Any]:
    note: dict[str, Any] = {} if layer.note is None else {"note": layer.note}
    gradient = {} if layer.gradient is None else {"gradient": layer.gradient.to_json()}
    faults = {"faults": list(layer.faults), "why": _why(report, layer)} if layer.faults else {}
    return (
        note
        | gradient
        | faults
        | {
            "path": layer.path,
            "kind": layer.kind,
            "shape": list(layer.step.shape),
            "weights": {name: list(shape) for name, shape in layer.weights.items()},
            "structure": {
                "inherited": _number(layer.inherited.error),
                "added": _number(layer.added.error),
            },
            "arithmetic": {
                "torch": _number(layer.torch.rms),
                "keras": _number(layer.keras.rms),
                "difference": _number(layer.difference.rms),
            },
            "verdict": "match" if layer.ok else "mismatch",
        }
    )


def _number(value: float) -> float | None:
    return value if abs(value) < float("inf") else None


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


def stages(report: Report) -> Iterator[tuple[str, list[LayerResult]]]:
    """The layers grouped by the first name of their path: stem, layer1, ... and head. Loose layers stand together."""
    group: list[LayerResult] = []
    name = ""
    for layer in report.layers:
        own = layer.path.partition(".")[0] if "." in layer.path else ("stem" if name in ("", "stem") else "head")
        if own != name and group:
            yield name, group
            group = []
        name = own
        group.append(layer)
    if group:
        yield name, group


def print_report(report: Report, console: Any, layers: str = "summary", quiet: bool = False) -> None:
    """Print the report: `layers` is "all", "failed" or "summary". `console` is rich's."""
    if not quiet:
        table = _table(report, layers)
        if table.row_count:
            console.print(table)
        _print_detail(report, console)
    console.print(headline(report), style="bold green" if report.ok else "bold red", highlight=False, soft_wrap=True)


def headline(report: Report) -> str:
    """The verdict in one sentence."""
    count, settings = len(report.layers), len(report.settings)
    s, its = ("", "their") if " and " in report.target else ("s", "its")
    if report.ok:
        worst = max(report.layers, key=lambda layer: layer.inherited.error)
        same = "function and the same gradients" if any(layer.gradient for layer in report.layers) else "function"
        return (
            f"MATCH: {report.target} compute{s} the same {same} in PyTorch and Keras; in float64 {its} {count} layers "
            f"differ by at most {worst.inherited.error:.1e} of their scale (allowed {STRUCTURE_LINE:.0e})"
        )
    failed = sum(not layer.ok for layer in report.layers)
    parts = [f"{failed} of {count} layers"] if failed else []
    parts += [f"{settings} setting{'s' * (settings > 1)}"] if settings else []
    return f"MISMATCH: {report.target} differ{s} in {' and '.join(parts)}; the first is {report.first}"


def text(report: Report) -> str:
    """The terminal report without colours, for an AssertionError or a log."""
    import io

    from rich.console import Console

    file = io.StringIO()
    plain = Console(file=file, width=120, no_color=True, force_terminal=False, force_jupyter=False)
    print_report(report, plain, layers="failed")
    return file.getvalue()


def _table(report: Report, layers: str) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    trained = any(layer.gradient for layer in report.layers)
    names = ("layers", "", "structure", "torch", "keras", *(["gradient"] if trained else []), "")
    for number, name in enumerate(names):
        table.add_column(name, justify="left" if number in (0, len(names) - 1) else "right")
    if layers == "summary":
        for name, group in stages(report):
            status = _status(all(layer.ok for layer in group))
            table.add_row(name, f"{len(group)} layers", *_worst(group, trained), status)
        return table
    for layer in report.layers:
        if layers == "all" or not layer.ok:
            shape = "x".join(map(str, layer.step.shape))
            table.add_row(f"{layer.path} ({layer.kind})", shape, *_worst([layer], trained), _status(layer.ok))
    return table


def _worst(group: list[LayerResult], trained: bool) -> tuple[str, ...]:
    numbers = (
        _size(max(layer.inherited.error for layer in group)),
        f"{max(layer.torch.rms for layer in group):.1e}",
        f"{max(layer.keras.rms for layer in group):.1e}",
    )
    added = max((layer.gradient.worst("added") or 0.0 for layer in group if layer.gradient), default=None)
    return (*numbers, "" if added is None else f"{added:.1e}") if trained else numbers


def _size(error: float) -> str:
    return "shapes" if error == float("inf") else f"{error:.1e}"


def _status(ok: bool) -> str:
    return "[green]match[/]" if ok else "[red]MISMATCH[/]"


def _print_detail(report: Report, console: Any) -> None:
    for text in detail(report):
        console.print(text, highlight=False, soft_wrap=True)


def detail(report: Report) -> Iterator[str]:
    """The worst layer of a match; of a mismatch the first failure with its numbers and settings."""
    yield from _pairs(report)
    yield from _devices(report)
    for layer in report.layers:
        if layer.note:
            yield f"note: {layer.path} ({layer.kind}): {layer.note}"
    yield from _initializers(report)
    finite = [layer for layer in report.layers if layer.inherited.finite]
    if report.ok:
        worst = max(finite, key=lambda layer: layer.inherited.error)
        yield f"worst layer: {worst.path} ({worst.kind}), {_gap(worst)}"
        yield _where(report)
        yield from _gradients(report)
        return
    first = report.first_layer
    if first is not None:
        yield f"first failure: {first.path} ({first.kind}, {'x'.join(map(str, first.step.shape))}): " + _why(
            report, first
        )
    for cause in report.causes:
        yield f"cause: {cause.name} at {cause.path}: {cause.evidence}"
    explained = {cause.path for cause in report.causes}
    rest = sum(bool(layer.faults) and layer.path not in explained for layer in report.layers)
    if rest:
        yield f"causes were looked for in the first layers at fault alone; mend these, and check the other {rest} again"
    for entry in report.settings[:20]:
        yield f"  {entry.path}: {entry.field} is {entry.torch} in torch and {entry.keras} in Keras"
    if len(report.settings) > 20:
        yield f"  and {len(report.settings) - 20} more; --json lists all"


def _gradients(report: Report) -> Iterator[str]:
    """The greatest differences in a training step, where one was compared."""
    found = [(layer, layer.gradient) for layer in report.layers if layer.gradient is not None]
    if found:
        layer, gradient = max(found, key=lambda pair: pair[1].worst("added") or 0.0)
        worst = max(gradient.worst("inherited") or 0.0 for _, gradient in found)
        yield (
            f"worst gradient: {layer.path} ({layer.kind}) adds {gradient.worst('added') or 0.0:.1e} of its scale "
            f"(allowed {STRUCTURE_LINE:.0e}); inherited through all layers, {worst:.1e} at most"
        )


def _initializers(report: Report) -> Iterator[str]:
    """Kernels that the two sides draw otherwise: no mismatch, but another start for training."""
    found = [entry for entry in report.static if entry.field == "initializer"]
    if found:
        path, ours, theirs = found[0].path, found[0].torch, found[0].keras
        count = "1 kernel is" if len(found) == 1 else f"{len(found)} kernels are"
        yield (
            f"note: {count} initialised otherwise, which no copied weights show: {path}'s has a standard deviation of "
            f"{ours['std']:.3g} in torch, and {theirs['initializer']} gives {theirs['std']:.3g} in Keras"
        )


def _where(report: Report) -> str:
    """Which versions computed this, and on what."""
    torch, keras = report.environment["torch"], report.environment["keras"]
    backend = keras["backend"]
    version = f" {keras[backend]}" if backend in keras else ""
    return (
        f"torch {torch['torch']} on {torch['device']}, Keras {keras['keras']} with {backend}{version} on "
        f"{keras['device']}, arithmetic in {report.environment['dtype']}, seed {report.environment['seed']}"
    )


def _devices(report: Report) -> Iterator[str]:
    for cell in report.devices:
        verdict = f"{cell.fault} differs at {cell.first}" if cell.fault else "match"
        dtype = report.environment["dtype"]
        yield (
            f"{cell.name}: float64 within {cell.structure:.1e} of the reference, "
            f"{dtype} rounds by {cell.rounding:.1e}: {verdict}"
        )
    if report.devices:
        yield sentence(report.devices)


def _pairs(report: Report) -> Iterator[str]:
    """Which steps were compared although their names differ: the first of them."""
    if report.pairs:
        shown = [f"{pair.torch} = {pair.keras}" for pair in report.pairs[:8]]
        more = f" and {len(report.pairs) - 8} more; --json lists all" if len(report.pairs) > 8 else ""
        by = " and ".join(sorted({"order of execution" if pair.by == "order" else "--map" for pair in report.pairs}))
        yield f"paired by {by} (torch = Keras): {', '.join(shown)}{more}"


def _why(report: Report, layer: LayerResult) -> str:
    dtype = report.environment.get("dtype", "float32")
    if "not finite" in layer.faults:
        sides = [name for name, side in (("torch", layer.torch), ("Keras", layer.keras)) if not side.finite]
        return f"its outputs hold NaN or infinity in {' and in '.join(sides) or 'float64'}"
    if "structure" in layer.faults:
        return _gap(layer)
    if "arithmetic" in layer.faults:
        bound = arithmetic_bound(min(layer.torch, layer.keras, key=lambda side: side.rms), dtype)
        return (
            f"in {dtype} torch is off its float64 by {layer.torch.rms:.1e} (rms) and Keras by {layer.keras.rms:.1e}; "
            f"beside the better one {bound:.1e} is allowed"
        )
    if layer.gradient is not None and layer.faults:
        return why(layer.gradient, dtype)
    return "its settings differ"


def _gap(layer: LayerResult) -> str:
    found = layer.inherited
    if found.greatest == float("inf"):
        return "the outputs have different shapes"
    at = "" if found.where is None else f" at {list(found.where)}"
    return (
        f"float64 outputs differ by at most {found.greatest:.2e}{at}, {found.error:.1e} of the layer's scale "
        f"{found.scale:.3g} (allowed {STRUCTURE_LINE:.0e})"
    )
