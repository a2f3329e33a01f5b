"""What every example's command line shares: errors in one sentence, a progress bar, files that appear whole."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ERROR = 2


class ExampleError(Exception):
    """What keeps an example from running: one sentence with the subject, what was expected, found, and what next."""


def run(main: Callable[[list[str] | None], None], name: str, argv: list[str] | None = None) -> int:
    """Run an example and return its exit code: 0, or 2 after one sentence on stderr."""
    from parity.errors import ParityError

    try:
        main(argv)
    except Exception as error:
        # Of WeightsError there are two, one in each package: importing either would start its framework.
        if not isinstance(error, ExampleError | ParityError) and type(error).__name__ != "WeightsError":
            raise
        print(f"examples.{name}: {error}", file=sys.stderr)
        return ERROR
    except KeyboardInterrupt:
        print(f"examples.{name}: stopped before the end", file=sys.stderr)
        return ERROR
    return 0


def parser(name: str, description: str | None, plot: str = "") -> argparse.ArgumentParser:
    """A command line. plot: where the picture goes unless --plot says otherwise; "" for no such option."""
    result = argparse.ArgumentParser(
        prog=f"python -m examples.{name}", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if plot:
        result.add_argument("--plot", type=Path, default=Path(plot), metavar="FILE", help=f"the picture ({plot})")
    return result


def whole(text: str) -> int:
    """A whole number, at least 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number, at least 1, got {text!r}")
    return int(text)


def positive(text: str) -> float:
    """A number above 0."""
    return _number(text, "a number above 0", lambda value: 0 < value < float("inf"))


def fraction(text: str) -> float:
    """A number from 0 to below 1."""
    return _number(text, "a number from 0 to below 1", lambda value: 0 <= value < 1)


def _number(text: str, wanted: str, good: Callable[[float], bool]) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not good(value):
        raise argparse.ArgumentTypeError(f"expected {wanted}, got {text!r}")
    return value


@contextmanager
def progress(total: int) -> Iterator[Callable[[str], None]]:
    """A bar of `total` steps on a terminal, nothing in a pipe; call what it gives once a step, with what goes on."""
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    columns = (*Progress.get_default_columns(), TextColumn("left, after"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda text: bar.update(task, advance=1, description=text[:40])


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name to write to, beside `path` and with its suffix; it becomes `path` at the end, or nothing changes.

    Raises ExampleError where the disk refuses.
    """
    part = path.with_name(f".part-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, path)
    except OSError as error:
        why = error.strerror or str(error)
        raise ExampleError(f"{path} must be a file that can be written, and is not ({why}); choose another") from None
    finally:
        with suppress(OSError):  # where there is no such folder there is nothing to remove
            part.unlink(missing_ok=True)


def check_folder(path: Path) -> None:
    """Make the folder. Raises ExampleError, before anything is computed, where nothing can be written to it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        why = "" if os.access(path, os.W_OK) else "Permission denied"
    except OSError as error:
        why = error.strerror or str(error)
    if why:
        raise ExampleError(f"{path} must be a folder that can be written to, and is not ({why}); choose another")


def show(*what: Any) -> None:
    """Print with rich: as wide as the terminal, or 120 columns in a pipe."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    for item in what:
        console.print(item)
