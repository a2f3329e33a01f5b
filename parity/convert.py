"""`python -m parity.convert SOURCE DESTINATION`: carry a checkpoint to the other framework, or to another's names.

SOURCE may be the index of a checkpoint in parts (model.safetensors.index.json, b.weights.json), or a folder with one
network in it. Exit code 0: every tensor was used once, and the file was read back bit for bit. 1: with --verify, our
two models of that name do not compute the same with them. 2: nothing was written, for the reason printed on stderr.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import parity

from .checkpoints.convert import VerifyError, printable
from .checkpoints.files import SUFFIXES
from .checkpoints.naming import SCHEMES
from .cli import tell
from .errors import ParityError

DONE, MISMATCH, ERROR = 0, 1, 2


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog="python -m parity.convert", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    formats = ", ".join(SUFFIXES)
    result.add_argument("source", metavar="SOURCE", help=f"a checkpoint: {formats}, an index of parts, or a folder")
    result.add_argument("destination", metavar="DESTINATION", help="the file to write; its name gives the format")
    result.add_argument("--model", metavar="NAME", help="the variant, where the tensors fit more than one")
    result.add_argument(
        "--verify", action="store_true", help="also build the variant in both frameworks and check that they agree"
    )
    result.add_argument(
        "--naming",
        metavar="SCHEME",
        help=f"whose names to write: {', '.join(scheme.name for scheme in SCHEMES)}; by default our own",
    )
    return result


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = parser().parse_args(argv)
    try:
        with _quiet():
            done = parity.convert(**vars(arguments))
        print(done)
    except VerifyError as error:
        from .reports.terminal.check import text

        report: Any = error.report

        print(f"parity.convert: {error}\n{text(report)}", file=sys.stderr)
        return MISMATCH
    except ParityError as error:
        print(f"parity.convert: {printable(str(error))}", file=sys.stderr)
        return ERROR
    except MemoryError:
        print(
            "parity.convert: more memory is needed than there is; nothing was written: use a larger machine",
            file=sys.stderr,
        )
        return ERROR
    except Exception as error:  # noqa: BLE001 - nobody is shown a traceback who has not asked for one
        tell("parity.convert", error)
        return ERROR
    except KeyboardInterrupt:
        print("parity.convert: stopped before the end; nothing was written", file=sys.stderr)
        return ERROR
    return DONE


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing of a framework's start-up on stderr, also not what it writes before its log level is read."""
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "ABSL_MIN_LOG_LEVEL": "3"}
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


if __name__ == "__main__":
    sys.exit(main())
