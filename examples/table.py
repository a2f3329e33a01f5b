"""The tables that the examples print: the same one from either framework."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.table import Table


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], left: int = 1) -> Table:
    """A table whose first `left` columns are text; numbers stand on the right."""
    result = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, min_width=len(title))
    for number, name in enumerate(columns):
        result.add_column(name, justify="left" if number < left else "right")
    for row in rows:
        result.add_row(*map(str, row))
    return result


def percent(value: float) -> str:
    """An accuracy from 0 to 1 in percent."""
    return f"{100 * value:.2f} %"
