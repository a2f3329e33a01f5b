"""`python -m parity.compare`: compare torch's trace with Keras's; the report and exit codes of parity.check."""

import argparse
import shlex
import sys
from pathlib import Path

from .checks.traces import _raise_unless_comparable
from .cli import _guarded, add_output, check_outputs, deliver


def compare_parser() -> argparse.ArgumentParser:
    """The command line of parity.compare."""
    result = argparse.ArgumentParser(
        prog="python -m parity.compare", description="Compare torch's trace with Keras's: the report of parity.check."
    )
    result.add_argument("torch", metavar="TORCH.trace", type=Path)
    result.add_argument("keras", metavar="KERAS.trace", type=Path)
    add_output(result)
    return result


def compare_main(argv: list[str] | None = None) -> int:
    """Compare and return the exit code."""
    arguments = compare_parser().parse_args(argv)
    arguments.command = shlex.join(["python", "-m", "parity.compare", *(sys.argv[1:] if argv is None else argv)])
    return _guarded("parity.compare", _compare, arguments)


def _compare(arguments: argparse.Namespace) -> int:
    from .checks.forward import compare_sides
    from .checks.options import Options
    from .runners.recorded import PupilTrace, TraceSide
    from .runners.trace import read_trace

    check_outputs(arguments)
    ours, theirs = read_trace(arguments.torch), read_trace(arguments.keras)
    _raise_unless_comparable(ours, theirs)
    x = ours.input()
    options = Options(ours.header.dtype, len(x), ours.header.seed, "keep", slice_size=x.size)
    sides = TraceSide(ours), PupilTrace(theirs, ours)
    report = compare_sides(ours.header.target, x, *sides, options, lambda *_: None)
    return deliver(report, arguments)


if __name__ == "__main__":
    import sys

    sys.exit(compare_main())
