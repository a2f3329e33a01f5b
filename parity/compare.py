"""`python -m parity.compare`: compare torch's trace with Keras's; the report and exit codes of parity.check."""

import argparse
import shlex
import sys
from pathlib import Path

from .cli import add_output, deliver, guarded
from .reports import outputs


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog="python -m parity.compare", description="Compare torch's trace with Keras's: the report of parity.check."
    )
    result.add_argument("torch", metavar="TORCH.trace", type=Path)
    result.add_argument("keras", metavar="KERAS.trace", type=Path)
    add_output(result)
    return result


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = parser().parse_args(argv)
    arguments.command = shlex.join(["python", "-m", "parity.compare", *(sys.argv[1:] if argv is None else argv)])
    return guarded("parity.compare", _compare, arguments)


def _compare(arguments: argparse.Namespace) -> int:
    from .checks.traces import compare

    outputs.check(arguments)
    return deliver(compare(arguments.torch, arguments.keras), arguments)


if __name__ == "__main__":
    sys.exit(main())
