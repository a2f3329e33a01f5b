"""A report of `parity.check` as Python, a notebook and a file show it: a line, the terminal's text, a table, a page."""

from dataclasses import dataclass, fields
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING

from parity.checks.report import Report
from parity.errors import UnwritableError

from . import pages
from .files import write_text
from .outputs import FORMATS, OUTPUTS, TERMINAL
from .terminal.check import text

if TYPE_CHECKING:
    import os

CALL = "parity.check(...)"
SUFFIXES = {".txt": TERMINAL, ".md": "markdown"} | {f".{output.option.removeprefix('--')}": "" for output in OUTPUTS}


@dataclass(frozen=True, repr=False)
class ShownReport(Report):
    """A Report that shows itself. `bool(report)` is `report.ok`, as of any Report."""

    @classmethod
    def of(cls, report: Report) -> "ShownReport":
        return cls(**{field.name: getattr(report, field.name) for field in fields(Report)})

    def __str__(self) -> str:
        """What a terminal shows, without colours."""
        return text(self)

    def save(self, path: "str | os.PathLike[str]") -> None:
        """Write the report: `.json`, `.html`, `.md` (a table for a pull request), `.patch` (the edits) or `.txt`.

        Raises `parity.errors.UnwritableError` for any other suffix, and where the file cannot be written.
        """
        name = fspath(path)
        suffix = Path(name).suffix
        if suffix not in SUFFIXES:
            raise UnwritableError(
                f"a report's file must end in {', '.join(sorted(SUFFIXES))}, and {name} does not; choose one of these"
            )
        write_text("the report", name, self._written(suffix))

    def _written(self, suffix: str) -> str:
        if SUFFIXES[suffix] == TERMINAL:
            return text(self)
        if SUFFIXES[suffix]:
            return FORMATS[SUFFIXES[suffix]](self.to_json(), CALL)
        output = next(one for one in OUTPUTS if one.option == f"--{suffix[1:]}")
        output.require()
        return output.text(self.to_json(), CALL)

    def _repr_html_(self) -> str | None:
        """What a notebook shows; without the libraries that pages are made with, that is `repr`."""
        try:
            pages.require()
        except UnwritableError:
            return None
        from .pages.notebook import notebook_html

        return notebook_html(self.to_json())
