"""A report of parity.check -> one HTML file. Pure: `--json`'s document is all it takes."""

import re
from dataclasses import dataclass, replace
from typing import Any

from parity.reports.grouped import rows, settings
from parity.verdict.difference import ROUNDING, STRUCTURE_LINE

from .heatmap import Heatmap, heatmap
from .plot import Plot, error_plot
from .render import page, size
from .report_view import (
    INHERITS,
    MATCH,
    NUMBERS,
    Document,
    LayerView,
    layer_views,
    number_text,
    stages,
    tree,
    unlike,
    worst,
)

VERDICTS = {"match": "MATCH", "mismatch": "MISMATCH", "error": "NOT COMPARED"}


@dataclass(frozen=True)
class Tile:
    """A figure at the top of the page."""

    label: str
    value: str
    note: str


def report_page(document: Document, command: str | None = None) -> str:
    """The page of one report; of an "error" document, why nothing was compared. `command` is what reproduces it."""
    layers = layer_views(document)
    missing = unlike(layers)
    causes = document.get("causes") or ([document["cause"]] if document["cause"] else [])
    first = next((layer for layer in layers if layer.path == document["first"]), None)
    return page(
        "report.html.jinja",
        document=document,
        command=command,
        layers=layers,
        first=first,
        causes=causes,
        whys={layer.path: layer.why for layer in layers if layer.why and layer.why != layer.status},
        pictures=[_picture(cause) for cause in causes],
        settings=settings(rows(document["static"], {layer.path: layer.kind for layer in layers})),
        tiles=_tiles(document, layers),
        plots=list(plots_of(document, layers, first)),
        tree=tree(layers),
        statuses=sorted({layer.status for layer in layers}),
        number_names=NUMBERS,
        trained=any(layer.gradient for layer in layers),
        missing=missing,
        number=lambda value: number_text(value, missing),
        words=VERDICTS,
        sentence=sentence_of(document),
        line=size(STRUCTURE_LINE),
        inherits=INHERITS,
        match=MATCH,
    )


def sentence_of(document: Document) -> str:
    """What was found, without the word for it."""
    if document.get("message"):
        return re.sub(r"^[A-Z ]+: ", "", document["message"])
    same = "computes the same function" if document["verdict"] == "match" else "does not compute the same function"
    return f"{document['target']} {same} in PyTorch and Keras"


def _tiles(document: Document, layers: list[LayerView]) -> list[Tile]:
    if not layers:
        return []
    dtype = document["environment"].get("dtype", "float32")
    failed, carried = (sum(test) for test in zip(*((x.tone == "bad", x.tone == "warn") for x in layers), strict=True))
    after = f"; {carried} more inherit an error" if carried else ""
    tiles = [
        Tile(
            "layers compared",
            str(len(layers)),
            f"{sum(layer.parameters for layer in layers):,} weights and running statistics",
        ),
        Tile("at fault", str(failed), f"of {len(layers)}{after}" if failed or carried else "every layer matches"),
    ]
    found = worst(layers, "added")
    if found:
        note = f"at {found.path}, as a share of its greatest output; {size(STRUCTURE_LINE)} is allowed"
        tiles.append(Tile("most that a layer adds, float64", size(found.numbers["added"]), note))
    sides = [(name, worst(layers, side), side) for name, side in (("PyTorch", "torch"), ("Keras", "keras"))]
    if dtype != "float64" and all(layer for _, layer, _ in sides):
        values = " / ".join(size(layer.numbers[side]) for _, layer, side in sides if layer)
        note = f"PyTorch / Keras, each against its own float64; {dtype} rounds at {size(ROUNDING[dtype])}"
        tiles.append(Tile(f"worst rounding, {dtype}", values, note))
    return tiles


def plots_of(document: Document, layers: list[LayerView], first: LayerView | None) -> Any:
    """("Forward pass", its picture) and, where a training step was compared, that of the gradients."""
    if not layers:
        return
    dtype = document["environment"].get("dtype", "float32")
    for title, shown, kind in (("forward", layers, "numbers"), ("gradient", [x for x in layers if x.gradient], "grad")):
        if shown:
            numbers = [layer.gradient if kind == "grad" else layer.numbers for layer in shown]
            bad = [
                i for i, layer in enumerate(shown) if any(("gradient" in f) == (kind == "grad") for f in layer.faults)
            ]
            at = next((i for i, layer in enumerate(shown) if layer is first and i in bad), None)
            bands = list(stages([_at(layer, i) for i, layer in enumerate(shown)]))
            plot = error_plot(numbers, bad, at, bands, dtype, unlike(layers).split()[-1])
            yield title, plot, shown, _described(plot, shown, numbers, first)


def _at(layer: LayerView, number: int) -> LayerView:
    return replace(layer, number=number)


def _described(plot: Plot, layers: list[LayerView], numbers: Any, first: LayerView | None) -> str:
    """The picture in words: each curve's range, and where it first leaves what passes."""
    parts = []
    for series in plot.series:
        values = [value for entry in numbers if (value := entry.get(series.name)) is not None]
        if values:
            parts.append(f"{series.label}: from {size(min(values))} to {size(max(values))}")
    over = next((layer for layer, entry in zip(layers, numbers, strict=True) if _over(entry.get("inherited"))), None)
    if over is not None:
        parts.append(f"the inherited error passes {size(STRUCTURE_LINE)} first at {over.path}")
    if first is not None:
        parts.append(f"the first failure is {first.path}")
    return f"Errors of {len(layers)} layers in order of execution, on a logarithmic scale. " + "; ".join(parts) + "."


def _over(value: float | None) -> bool:
    return value is None or value > STRUCTURE_LINE


def _picture(cause: dict[str, Any]) -> Heatmap | None:
    return heatmap(cause["where"]) if cause.get("where") else None


def overview_page(documents: list[Document], command: str | None = None) -> str:
    """One row for each of several reports: its verdict, its worst numbers, its first failure."""
    rows = [_overview(document) for document in documents]
    found = [sum(document["verdict"] == word for document in documents) for word in ("match", "mismatch", "error")]
    verdict = "error" if found[2] else "mismatch" if found[1] else "match"
    said = [f"{count} {word}" for count, word in zip(found, ("match", "differ", "not compared"), strict=True) if count]
    return page(
        "overview.html.jinja",
        rows=rows,
        verdict=verdict,
        sentence=", ".join(said),
        words=VERDICTS,
        line=size(STRUCTURE_LINE),
        command=command,
    )


def _greatest(values: list[float | None], missing: str) -> str:
    known = [value for value in values if value is not None]
    return "" if not values else number_text(max(known) if len(known) == len(values) else None, missing)


def _overview(document: Document) -> dict[str, Any]:
    layers = layer_views(document)
    missing = unlike(layers)
    cause = document["cause"]
    failure = f"{document['first']}: {cause['name']}" if cause else document["first"] or ""
    shown = [_greatest([layer.numbers[name] for layer in layers], missing) for name in NUMBERS]
    return {
        "target": document["target"],
        "verdict": document["verdict"],
        "tone": {"match": "good", "mismatch": "bad", "error": "warn"}[document["verdict"]],
        "layers": len(layers) or "",
        "numbers": list(zip(("Inherited", "Added", "PyTorch", "Keras"), shown, strict=True)),
        "said": document["message"] if document["verdict"] == "error" else failure,
    }
