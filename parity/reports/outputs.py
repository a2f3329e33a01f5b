"""A report as plain data -> the files that a user asks for; a row an output, which is an option of every comparison."""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import pages
from .files import check_writable, write_text


@dataclass(frozen=True)
class Output:
    """text: what is written of a document that `command` made. require: raises UnwritableError if that cannot be."""

    option: str
    help: str
    text: Callable[[Any, str], str]
    require: Callable[[], None] = lambda: None

    def asked(self, arguments: argparse.Namespace) -> str | None:
        """The file that the user wants it in."""
        found: str | None = getattr(arguments, self.option.removeprefix("--"))
        return found


def _json(document: Any, command: str) -> str:
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def _page(document: Any, command: str) -> str:
    """The page of a list of checks, of a training, or of one check."""
    from .pages.report_page import overview_page, report_page
    from .pages.training_page import training_page

    if isinstance(document, list):
        return overview_page(document, command)
    return training_page(document, command) if "recipe" in document else report_page(document, command)


OUTPUTS = (
    Output("--json", "write the report as JSON; - for stdout", _json),
    Output("--html", "write the report as one HTML file", _page, pages.require),
)


def add_options(parser: Any) -> None:
    """An option for each output."""
    for output in OUTPUTS:
        parser.add_argument(output.option, metavar="FILE", help=output.help)


def check(arguments: argparse.Namespace) -> None:
    """Find out before a run, not after it, that an output cannot be made or written. Raises UnwritableError."""
    for output in OUTPUTS:
        path = output.asked(arguments)
        if path:
            check_writable(output.option, path)
            output.require()


def write(arguments: argparse.Namespace, document: Any) -> None:
    """Write a report's document, or the list of them that --all makes, wherever the user asked for it."""
    for output in OUTPUTS:
        path = output.asked(arguments)
        if path:
            write_text(output.option, path, output.text(document, arguments.command))
