"""A report's document -> what a notebook shows of it: the verdict, its causes, the errors as a curve, and a table."""

from .render import page
from .report_page import VERDICTS, plots_of, sentence_of
from .report_view import Document, layer_views, number_text, unlike

ROWS = 30
CAUSES = 3
NAMES = ("inherited", "added")
COLOURS = {"torch": "#ee4c2c", "keras": "#15803d", "inherited": "#2563eb", "added": "#7c3aed"}


def notebook_html(document: Document) -> str:
    """Part of a page, without style or script of its own. Layers at fault come first, the others in their order."""
    layers = layer_views(document)
    missing = unlike(layers)
    first = next((layer for layer in layers if layer.path == document["first"]), None)
    _, plot, _, text = next(plots_of(document, layers, first), (None,) * 4)
    return page(
        "notebook.html.jinja",
        document=document,
        words=VERDICTS,
        sentence=sentence_of(document),
        causes=(document.get("causes") or [])[:CAUSES],
        plot=plot,
        text=text,
        colours=COLOURS,
        names=NAMES,
        layers=sorted(layers, key=lambda layer: layer.ok),
        most=ROWS,
        number=lambda value: number_text(value, missing),
    )
