"""The layers of a Report -> rich's table of them, by stage or one by one: their errors, and which are at fault."""

from collections.abc import Iterator
from typing import Any

from parity.checks.report import Report
from parity.errors import short
from parity.verdict.difference import STRUCTURE_LINE
from parity.verdict.results import LayerResult

MATCH, INHERITS, MISMATCH = "[green]match[/]", "[yellow]inherits[/]", "[red]MISMATCH[/]"
NAMES = 60  # characters of a path in a table, at least
NUMBERS = 70  # and of what stands beside it


def stages(report: Report) -> Iterator[tuple[str, list[LayerResult]]]:
    """The layers by the first name of their path, each name once: stem, layer1, ... and head.

    A loose layer between others stands with those before it.
    """
    groups: dict[str, list[LayerResult]] = {}
    last = max((number for number, layer in enumerate(report.layers) if "." in layer.path), default=-1)
    name = "stem"
    for number, layer in enumerate(report.layers):
        if "." in layer.path:
            name = layer.path.partition(".")[0]
        elif number > last >= 0:
            name = "head"
        groups.setdefault(name, []).append(layer)
    yield from groups.items()


Cells = tuple[bool, tuple[str, ...]]  # of a row: whether all is well in it, and what it says


def _headings(report: Report) -> tuple[str, ...]:
    trained = any(layer.gradient for layer in report.layers)
    return ("layers", "", "inherited", "added", "torch", "keras", *(["gradient"] if trained else []), "")


def table(report: Report, layers: str, width: int, most: int) -> Any:
    """A table of at most so many rows: where there are more, those at fault first, and how many are left out.

    layers: "all", "failed" or "summary". width: the terminal's columns.
    """
    from rich import box
    from rich.table import Table

    headings = _headings(report)
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(headings):
        left = number in (0, len(headings) - 1)
        made.add_column(name, justify="left" if left else "right", no_wrap=True, overflow="ellipsis")
    rows = list(_rows(report, layers, max(NAMES, width - NUMBERS)))
    kept = set(range(len(rows)))
    if len(rows) > most:
        kept = set(sorted(kept, key=lambda number: rows[number][0])[: most - 1])
    for number in sorted(kept):
        made.add_row(*rows[number][1])
    left_out = [ok for number, (ok, _) in enumerate(rows) if number not in kept]
    if left_out:
        made.add_row(
            f"and {len(left_out)} more rows (--layers all)",
            *[""] * (len(headings) - 2),
            MATCH if all(left_out) else MISMATCH,
        )
    return made


def _rows(report: Report, layers: str, widest: int) -> Iterator[Cells]:
    from rich.markup import escape

    trained = any(layer.gradient for layer in report.layers)
    if layers == "summary":
        for name, group in stages(report):
            cells = escape(short(name, widest)), f"{len(group)} layers", *_worst(group, trained)
            yield all(layer.ok for layer in group), (*cells, _status(report, group))
        return
    for layer in report.layers:
        if layers == "all" or not layer.ok:
            shape = "x".join(map(str, layer.step.shape))
            name = layer.path if layers == "all" else short(layer.path, widest)
            yield (
                layer.ok,
                (escape(f"{name} ({layer.kind})"), shape, *_worst([layer], trained), _status(report, [layer])),
            )


def _worst(group: list[LayerResult], trained: bool) -> tuple[str, ...]:
    numbers = (
        _size(max(layer.inherited.error for layer in group)),
        _size(max(layer.added.error for layer in group)),
        f"{max(layer.reference.rms for layer in group):.1e}",
        f"{max(layer.candidate.rms for layer in group):.1e}",
    )
    added = max((layer.gradient.worst("added") or 0.0 for layer in group if layer.gradient), default=None)
    return (*numbers, "" if added is None else f"{added:.1e}") if trained else numbers


def _size(error: float) -> str:
    return "shapes" if error == float("inf") else f"{error:.1e}"


def _status(report: Report, group: list[LayerResult]) -> str:
    """At fault, right on what something at fault gave it, or right."""
    if not all(layer.ok for layer in group):
        return MISMATCH
    inherits = any(layer.inherited.error > STRUCTURE_LINE for layer in group) and not report.ok
    return INHERITS if inherits else MATCH
