"""`python -m parity.verify NAME.parity.json`: make the proof of a conversion again, from its certificate.

`parity.convert SOURCE DESTINATION --torch ... --keras ...` writes the certificate beside its destination. Its models
are built, take the weights of both files and are compared. Exit code 0: it holds. 1: it does not: a file is not what it
was, or the models differ. 2: it could not be made again, for the reason printed on stderr.
"""

import argparse
import shlex
import sys
from functools import partial
from pathlib import Path

from .cli import MISMATCH, add_output, deliver, guarded, write_error
from .frameworks.quiet import quiet_start
from .reports import outputs


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog="python -m parity.verify", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("certificate", metavar="CERTIFICATE", help="NAME.parity.json, beside what was converted")
    result.add_argument(
        "--inputs", metavar="FILE", help="arrays to run on, with their batch, in place of what the certificate names"
    )
    add_output(result)
    return result


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = parser().parse_args(argv)
    arguments.command = shlex.join(["python", "-m", "parity.verify", *(sys.argv[1:] if argv is None else argv)])
    return guarded("parity.verify", _run, arguments, partial(write_error, arguments, arguments.certificate))


def _run(arguments: argparse.Namespace) -> int:
    from .checks.verifying import verify

    outputs.check(arguments)
    with quiet_start():
        done = verify(Path(arguments.certificate), arguments.inputs or "")
    if done.report is not None:
        return deliver(done.report, arguments)
    outputs.write(arguments, {"schema": 1, "verdict": "mismatch", "message": str(done), "faults": done.changed})
    if arguments.json != "-":
        print(done)
    return MISMATCH


if __name__ == "__main__":
    sys.exit(main())
