"""A Report on a terminal, through rich: a table of layers, what differs and why, and the verdict in one sentence."""

import re
from collections.abc import Iterator
from typing import Any

from parity.checks.report import Report, gap, headline, static_json, why_layer
from parity.errors import MOST, few, short
from parity.models.edits import Edit
from parity.models.environment import notes, where
from parity.models.source import Written
from parity.reports.grouped import LINES, Section, alike, counted, ends, fitted, grouped, rows, settings
from parity.verdict.cause import TITLES
from parity.verdict.devices import sentence
from parity.verdict.difference import STRUCTURE_LINE

from .table import table

FRAME = 6  # lines around a table's rows, and the verdict
FEWEST = 6  # rows of a table, however much is said below it


def print_report(report: Report, console: Any, layers: str = "summary", quiet: bool = False) -> None:
    """Print the report: `layers` is "all", "failed" or "summary". `console` is rich's.

    Without "all" it has at most LINES lines: what is cut is counted, and whole in the JSON.
    """
    if not quiet:
        most = LINES if layers != "all" else 10**6
        lines = detail(report, most - FRAME - FEWEST)
        made = table(report, layers, console.width, most - FRAME - len(lines))
        if made.row_count:
            console.print(made)
        for line in lines:
            console.print(line, highlight=False, soft_wrap=True, markup=False)
    console.print(headline(report), style="bold green" if report.ok else "bold red", highlight=False, soft_wrap=True)


def text(report: Report) -> str:
    """The terminal report without colours, for an AssertionError or a log."""
    import io

    from rich.console import Console

    file = io.StringIO()
    plain = Console(file=file, width=120, no_color=True, force_terminal=False, force_jupyter=False)
    print_report(report, plain, layers="failed")
    return file.getvalue()


def detail(report: Report, most: int = LINES) -> list[str]:
    """The worst layer of a match; of a mismatch the first failure with its causes and settings: in so many lines."""
    told = (f"note: {note}" for note in (*report.copied, *notes(report.environment)))
    sections = [
        Section([*_pairs(report), *_devices(report)]),
        _notes(report),
        Section([*_initializers(report), *_without_effect(report)]),
        Section(_in_training(report), what="more notes"),
        Section([*told]),
    ]
    sections += [Section(_matched(report))] if report.ok else _differing(report)
    return [short(line, MOST) for line in fitted(sections, most)]


def _matched(report: Report) -> list[str]:
    worst = max((x for x in report.layers if x.inherited.finite), key=lambda layer: layer.inherited.error)
    told = f"worst layer: {worst.path} ({worst.kind}), {gap(worst)}"
    return [told, *where(report.environment), _where(report), *_gradients(report)]


def _differing(report: Report) -> list[Section]:
    lines = []
    first = report.first_layer
    if first is not None:
        shape = "x".join(map(str, first.step.shape))
        lines.append(f"first failure: {first.path} ({first.kind}, {shape}): {why_layer(report, first)}")
    quoted = Section(list(_quoted(report)))
    causes = Section([_cause(group) for group in grouped(report.causes, lambda one: (one.name, alike(one.evidence)))])
    causes.what = "more causes"
    edits = Section([_edit(edit) for edit in dict.fromkeys(cause.edit for cause in report.causes if cause.edit)])
    edits.what = "more edits"
    explained = {cause.path for cause in report.causes}
    rest = sum(bool(layer.faults) and layer.path not in explained for layer in report.layers)
    told = f"causes were looked for in the first layers at fault alone; mend these, and check the other {rest} again"
    kinds = {layer.path: layer.kind for layer in report.layers}
    differing = Section([f"  {text}" for text in settings(rows(map(static_json, report.settings), kinds))])
    differing.what = "more settings"
    loose = [
        f"only {name} has {few(keys)}" for name, keys in zip(("torch", "Keras"), report.unmatched, strict=True) if keys
    ]
    last = [f"steps without a partner: {'; '.join(loose)}"] if loose else []
    return [
        Section(lines),
        quoted,
        causes,
        edits,
        Section([told] if rest else []),
        differing,
        Section([*last, *where(report.environment)]),
    ]


def _quoted(report: Report) -> Iterator[str]:
    """The lines of both programs that the first failure is about."""
    first = report.first_layer.step.key if report.first_layer else ""
    both = report.sources.get(first) or (report.cause and report.cause.source) or {}
    for side, written in both.items():
        if written.first is not None:
            yield f"  in {TITLES[side]}, {quote(written)}"


def quote(written: Written) -> str:
    """The line that makes a layer, and that which calls it where it is another."""
    shown = {
        source.at: f"{source.at}: {source.text}".rstrip(": ")
        for own in (written.made, written.called)
        for source in own[:1]
    }
    return short(", called at ".join(shown.values()), 240)


def _edit(edit: Edit) -> str:
    """What mends a cause, on one line."""
    before, after = (" ".join(text.split()) for text in (edit.before, edit.after))
    return f"edit of {edit.at}: {short(before, 240)}  ->  {short(after, 240)}"


def _cause(group: list[Any]) -> str:
    """Causes that say the same, in one sentence: the first of them, and where else."""
    first, *others = group
    more = f"; the same at {len(others)} more ({ends([cause.path for cause in others])})" if others else ""
    return f"cause: {first.name} at {first.path}: {short(first.evidence, MOST - 250)}{more}"


def _notes(report: Report) -> Section:
    """What must be known of how layers were compared, each note once."""
    noted = grouped((x for x in report.layers if x.note), lambda layer: (layer.kind, alike(layer.note or "")))
    lines = []
    for group in noted:
        whose = f"{group[0].path} ({group[0].kind})"
        if len(group) > 1:
            whose = f"{counted(len(group), group[0].kind)} ({ends([layer.path for layer in group])})"
        lines.append(f"note: {whose}: {group[0].note}")
    return Section(lines, what="more notes")


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
    found = [entry for entry in report.static if not entry.acts and not entry.changes]
    if found:
        first, size = found[0], " x ".join(map(str, report.environment["input_shape"][1:] or ["this size"]))
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        yield (
            f"note: {first.path}'s {first.field} is {first.reference} in torch and {first.candidate} in Keras{more}: "
            f"the numbers are equal at {size}, at another size they need not be"
        )
    yield from (f"note: {size.text}" for size in report.sizes)


def _in_training(report: Report) -> list[str]:
    """What acts in training alone, and one side alone states."""
    found = [entry for entry in report.static if entry.changes and not entry.acts]
    kinds = {layer.path: layer.kind for layer in report.layers}
    return [f"note: in training alone, {text}" for text in settings(rows(map(static_json, found), kinds))]


def _initializers(report: Report) -> Iterator[str]:
    """Kernels that the two sides draw otherwise: no mismatch, but another start for training."""
    found = [entry for entry in report.static if entry.field == "initializer"]
    if found:
        path, ours, theirs = found[0].path, found[0].reference, found[0].candidate
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
        shown = few((f"{pair.torch} = {pair.keras}" for pair in report.pairs), 320)
        more = "; --json lists all" if re.search(r" and \d+ more$", shown) else ""
        by = " and ".join(sorted({"order of execution" if pair.by == "order" else "--map" for pair in report.pairs}))
        yield f"paired by {by} (torch = Keras): {shown}{more}"
