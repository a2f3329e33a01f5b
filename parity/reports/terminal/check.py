"""A Report on a terminal, through rich: a table of layers, what differs and why, and the verdict in one sentence."""

from collections.abc import Iterator
from typing import Any

from parity.checks.report import Report, gap, headline, why_layer
from parity.models.environment import notes, where
from parity.verdict.devices import sentence
from parity.verdict.difference import STRUCTURE_LINE
from parity.verdict.results import LayerResult


def print_report(report: Report, console: Any, layers: str = "summary", quiet: bool = False) -> None:
    """Print the report: `layers` is "all", "failed" or "summary". `console` is rich's."""
    if not quiet:
        table = _table(report, layers)
        if table.row_count:
            console.print(table)
        _print_detail(report, console)
    console.print(headline(report), style="bold green" if report.ok else "bold red", highlight=False, soft_wrap=True)


def text(report: Report) -> str:
    """The terminal report without colours, for an AssertionError or a log."""
    import io

    from rich.console import Console

    file = io.StringIO()
    plain = Console(file=file, width=120, no_color=True, force_terminal=False, force_jupyter=False)
    print_report(report, plain, layers="failed")
    return file.getvalue()


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
    yield from _without_effect(report)
    yield from (f"note: {note}" for note in (*report.copied, *notes(report.environment)))
    finite = [layer for layer in report.layers if layer.inherited.finite]
    if report.ok:
        worst = max(finite, key=lambda layer: layer.inherited.error)
        yield f"worst layer: {worst.path} ({worst.kind}), {gap(worst)}"
        yield from where(report.environment)
        yield _where(report)
        yield from _gradients(report)
        return
    first = report.first_layer
    if first is not None:
        shape = "x".join(map(str, first.step.shape))
        yield f"first failure: {first.path} ({first.kind}, {shape}): {why_layer(report, first)}"
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
    yield from where(report.environment)


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


def _without_effect(report: Report) -> Iterator[str]:
    """Settings that differ and change no number at this size."""
    found = [entry for entry in report.static if not entry.acts]
    if found:
        first, size = found[0], " x ".join(map(str, report.environment["input_shape"][1:] or ["this size"]))
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        yield (
            f"note: {first.path}'s {first.field} is {first.torch} in torch and {first.keras} in Keras{more}: the "
            f"numbers are equal at {size}, at another size they need not be"
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
    backend = keras.get("backend", "")  # another framework beside torch has none
    name = f"Keras {keras['keras']} with {backend}" if backend else "the other side"
    version = f" {keras[backend]}" if backend in keras else ""
    return (
        f"torch {torch['torch']} on {torch['device']}, {name}{version} on {keras.get('device', 'cpu')}, "
        f"arithmetic in {report.environment['dtype']}, seed {report.environment['seed']}"
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
