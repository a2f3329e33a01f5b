"""A report as plain data -> the files that a user asks for; a row an output, which is an option of every comparison."""

import argparse
import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from parity.errors import UnwritableError

from . import pages
from .files import check_writable, write_text


@dataclass(frozen=True)
class Output:
    """text: what is written of a document that `command` made. require: raises UnwritableError if that cannot be."""

    option: str
    help: str
    text: Callable[[Any, str], str]
    require: Callable[[], None] = lambda: None
    of_training: bool = True  # whether a training has one, too

    def asked(self, arguments: argparse.Namespace) -> str | None:
        """The file that the user wants it in."""
        found: str | None = getattr(arguments, self.option.removeprefix("--"), None)
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


def _patch(document: Any, command: str) -> str:
    """The patches of all reports, one behind the other."""
    documents = document if isinstance(document, list) else [document]
    return "".join(each.get("patch", "") for each in documents)


OUTPUTS = (
    Output("--json", "write the report as JSON; - for stdout", _json),
    Output("--html", "write the report as one HTML file", _page, pages.require),
    Output(
        "--patch",
        "write the edits that mend the copy as a unified diff; apply it by `patch -p0`",
        _patch,
        of_training=False,
    ),
)


def _agent(document: Any, command: str) -> str:
    from .formats.agent import agent

    return agent(document, command)


def _github(document: Any, command: str) -> str:
    from .formats.github import github

    return github(document, command)


def _markdown(document: Any, command: str) -> str:
    from .formats.markdown import markdown

    return markdown(document, command)


# What goes to stdout, but for "text", the report on a terminal. A row a format.
FORMATS: dict[str, Callable[[Any, str], str]] = {
    "json": _json,
    "agent": _agent,
    "github": _github,
    "markdown": _markdown,
}
TERMINAL = "text"


def add_formats(parser: Any) -> None:
    """In which form the report is printed."""
    parser.add_argument(
        "--format",
        choices=(TERMINAL, *FORMATS),
        default=TERMINAL,
        help="what to print: the report (text, the default), its JSON, one short fact a line (agent), annotations of "
        "lines (github), or the table that belongs in a pull request (markdown)",
    )


def format_of(arguments: argparse.Namespace) -> str:
    found: str = getattr(arguments, "format", TERMINAL)  # a training has none
    return found


def prints(arguments: argparse.Namespace) -> bool:
    """Whether the terminal's report is to be printed: nothing else goes to stdout."""
    return format_of(arguments) == TERMINAL and all(output.asked(arguments) != "-" for output in OUTPUTS)


def add_options(parser: Any, training: bool = False) -> None:
    """An option for each output."""
    for output in OUTPUTS if not training else [one for one in OUTPUTS if one.of_training]:
        parser.add_argument(output.option, metavar="FILE", help=output.help)


def check(arguments: argparse.Namespace) -> None:
    """Find out before a run, not after it, that an output cannot be made or written. Raises UnwritableError."""
    to_stdout = [output.option for output in OUTPUTS if output.asked(arguments) == "-"]
    to_stdout += [f"--format {format_of(arguments)}"] if format_of(arguments) != TERMINAL else []
    if len(to_stdout) > 1:
        raise UnwritableError(
            f"stdout can take one report, and {' and '.join(to_stdout)} both write theirs to it; give one a file"
        )
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
    if format_of(arguments) != TERMINAL:
        write_text("--format", "-", FORMATS[format_of(arguments)](document, arguments.command))


# Options that say nothing of what is compared, and whether a value follows them.
ON_OUTPUT = {output.option: True for output in OUTPUTS}
ON_OUTPUT |= {"--format": True, "--layers": True, "--only": True, "--quiet": False, "--in-place": False, "--all": False}


def again(command: str) -> str:
    """A command line without what says where its report goes."""
    kept, skipped = [], False
    for word in shlex.split(command):
        if skipped:
            skipped = False
        elif word.partition("=")[0] in ON_OUTPUT:
            skipped = ON_OUTPUT[word.partition("=")[0]] and "=" not in word
        else:
            kept.append("parity.check" if word == "parity.mend" else word)
    return shlex.join(kept)
