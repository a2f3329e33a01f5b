"""The side-by-side view in a terminal: two columns of code, notes and measurements as footnotes."""

import sys
from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from parity.reports.pages.render import shape, size

from .measured import Facts
from .sidebyside_page import PageRow, PageSection
from .tokens import Line

STYLES = {
    "keyword": "magenta",
    "name": "bold cyan",
    "string": "green",
    "number": "yellow",
    "comment": "italic bright_black",
    "builtin": "bright_black",
}
WIDE = 160  # columns of a pipe, which has no width of its own


def print_columns(sections: list[PageSection]) -> None:
    """Print the sections to stdout, coloured on a terminal."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
    footnotes: dict[str, str] = {}
    for section in sections:
        console.print(_table(section, footnotes))
    for number, text in enumerate(footnotes.values(), 1):
        console.print(f"[cyan]\\[{number}][/] {text}")


def _table(section: PageSection, footnotes: dict[str, str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False, title=section.title, title_style="bold")
    table.add_column("", justify="right", style="bright_black", no_wrap=True)
    table.add_column("PyTorch", ratio=1, overflow="fold")
    table.add_column("Keras", ratio=1, overflow="fold")
    table.add_column("", justify="right", style="cyan", no_wrap=True)
    for row in (row for chunk in section.chunks for row in chunk):
        own = dict(_footnotes(row))
        footnotes |= {key: text for key, text in own.items() if key not in footnotes}
        known = list(footnotes)
        numbers = " ".join(f"\\[{known.index(key) + 1}]" for key in own)
        table.add_row(str(row.line), _code(row.torch), _code(row.keras), numbers)
    return table


def _code(lines: tuple[Line, ...]) -> Text:
    text = Text()
    for number, line in enumerate(lines):
        text.append("\n" if number else "")
        for token in line.tokens:
            style = "dim" if line.same else STYLES.get(token.kind, "")
            text.append(token.text, style=f"{style} bold underline" if token.differs else style)
    return text


def _footnotes(row: PageRow) -> Iterator[tuple[str, str]]:
    yield from ((note.key, f"[bold]{escape(note.title)}.[/] {escape(note.text)}") for note in (*row.told, *row.again))
    yield from ((f"{row.path} {fact.path}", _measured(fact)) for fact in row.facts)


def _measured(fact: Facts) -> str:
    shapes = f"NCHW {shape(('N', *fact.torch_shape))}, NHWC {shape(('N', *fact.keras_shape))}"
    weights = [
        f"; {weight.torch} {shape(weight.torch_shape)} {weight.torch_axes}"
        + (f", {weight.keras} {shape(weight.keras_shape)} {weight.keras_axes}" if weight.torch_axes else "")
        for weight in fact.weights
    ]
    end = f"; float64 {size(fact.float64)}, {fact.dtype} {size(fact.arithmetic)}" + ("" if fact.ok else ", MISMATCH")
    return f"[bold]{fact.path}[/] ({fact.kind}) {shapes}{''.join(weights)}{end}"
