"""`python -m parity.compare`: compare torch's trace with Keras's; the report and exit codes of parity.check."""

import argparse
import shlex
import sys
from functools import partial
from pathlib import Path

from .cli import add_copy, add_only, add_output, copy_of, deliver, guarded, write_error
from .reports import outputs


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog="python -m parity.compare", description="Compare torch's trace with Keras's: the report of parity.check."
    )
    result.add_argument("torch", metavar="TORCH.trace", type=Path)
    result.add_argument("keras", metavar="KERAS.trace", type=Path)
    add_copy(result)
    add_only(result)
    add_output(result)
    return result


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = parser().parse_args(argv)
    arguments.command = shlex.join(["python", "-m", "parity.compare", *(sys.argv[1:] if argv is None else argv)])
    target = f"{arguments.torch} and {arguments.keras}"
    return guarded("parity.compare", _compare, arguments, partial(write_error, arguments, target))


def _compare(arguments: argparse.Namespace) -> int:
    from .checks.traces import compare

    outputs.check(arguments)
    found = compare(arguments.torch, arguments.keras, copy_of(arguments), arguments.only)
    return deliver(found, arguments)


if __name__ == "__main__":
    sys.exit(main())
