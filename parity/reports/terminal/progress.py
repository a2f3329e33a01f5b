"""What is being done, and how much of it is done -> a bar on a terminal; nothing in a pipe."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from typing import Any


@contextmanager
def progress_bar(arguments: argparse.Namespace) -> Iterator[Any]:
    """A progress bar on a terminal; in a pipe, or with --quiet, none.

    It is made at the first report: the frameworks' processes, which take longest, have been started by then.
    """
    if arguments.quiet or not sys.stderr.isatty():
        yield lambda text, done, total: None
        return
    with ExitStack() as stack:
        shown = cache(partial(_bar, stack))
        yield lambda text, done, total: shown()(text, done, total)


def _bar(stack: ExitStack) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:<32}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    bar = stack.enter_context(Progress(*columns, console=Console(stderr=True), transient=True))
    task = bar.add_task("", total=None)
    return lambda text, done, total: bar.update(task, description=text[-32:], completed=done, total=total or None)
