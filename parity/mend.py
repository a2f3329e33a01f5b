"""`python -m parity.mend TARGET`: mend the copy's program, cause by cause, and prove each edit by a check.

What differs is looked for as by parity.check; where its cause is a setting, or an operation, that is literal on a line
of the copy's source, that line is edited, in memory, and both models are checked again: until they match, or nothing
more is known. The edits are printed as a patch; your files stay as they are, unless you say --in-place.

Exit code 0: the models match, with the edits. 1: something is left, as the last report says. 2: could not be compared.
"""

import argparse
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cli import (
    MATCH,
    MISMATCH,
    add_copy,
    add_output,
    add_target,
    chosen_target,
    copy_of,
    guarded,
    name_map_of,
    print_to_terminal,
    progress_bar,
    target_name,
    write_error,
)
from .reports import outputs

if TYPE_CHECKING:
    from .checks.mending import Mended


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog="python -m parity.mend", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_target(result)
    add_copy(result)
    result.add_argument("--in-place", action="store_true", help="write the proven edits into your files")
    add_output(result)
    return result


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = parser().parse_args(argv)
    arguments.command = shlex.join(["python", "-m", "parity.mend", *(sys.argv[1:] if argv is None else argv)])
    return guarded("parity.mend", _mend, arguments, partial(write_error, arguments, target_name(arguments)))


def _mend(arguments: argparse.Namespace) -> int:
    from .checks.mending import mend
    from .checks.options import Options

    outputs.check(arguments)
    target = chosen_target(arguments)
    options = Options(
        arguments.dtype,
        arguments.batch_size,
        arguments.seed,
        arguments.weights,
        randomize=True,
        name_map=name_map_of(arguments.map),
        onednn=arguments.onednn,
        copy=copy_of(arguments),
    )
    with progress_bar(arguments) as progress:
        found = mend(target, options, progress)
    if arguments.in_place:
        _write(found)
    outputs.write(arguments, found.to_json())
    if outputs.prints(arguments):
        _print(found, arguments)
    return MATCH if found.ok else MISMATCH


def _write(found: "Mended") -> None:
    """The user's own files, each whole or not at all."""
    from .reports.files import write_text

    for name, text in found.texts:
        path = Path(name).resolve()  # a link stays one
        mode = path.stat().st_mode
        write_text("--in-place", str(path), text)
        path.chmod(mode)


def _print(found: "Mended", arguments: Any) -> None:
    from .reports.terminal.mend import lines

    for line in lines(found, in_place=arguments.in_place, quiet=arguments.quiet):
        print(line)
    print_to_terminal(found.report, arguments)


if __name__ == "__main__":
    sys.exit(main())
