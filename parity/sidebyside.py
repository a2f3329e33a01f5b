"""`python -m parity.sidebyside`: the two implementations beside each other, in a terminal or as one HTML file.

With --output, a page of all definitions, or of those named, with notes and with what parity.check measured; without,
two columns in the terminal. Exit code 2: a definition without its twin, an unknown NAME, a file that cannot be used.
"""

import argparse
import json
import shlex
import subprocess
import sys
from typing import Any

from .cli import MATCH, add_onednn, guarded
from .errors import ParityError
from .reports.files import check_writable, write_text
from .reports.pages import require
from .reports.sidebyside.measured import EXAMPLES, Document


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog="python -m parity.sidebyside", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("names", nargs="*", metavar="NAME", help="a class or function, such as Bottleneck; default all")
    result.add_argument("--output", metavar="FILE", help="write one HTML file")
    result.add_argument(
        "--measured",
        metavar="FILE",
        action="append",
        help="take the measurements from what parity.check --json wrote, instead of running it; may be repeated",
    )
    add_onednn(result)
    return result


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = parser().parse_args(argv)
    return guarded("parity.sidebyside", _run, arguments)


def _run(arguments: argparse.Namespace) -> int:
    require()
    check_writable("--output", arguments.output)
    from .reports.sidebyside import measured
    from .reports.sidebyside.sidebyside_page import page_sections, sidebyside_page
    from .reports.sidebyside.source import chosen, twins

    every = twins()
    shown = chosen(every, arguments.names)
    documents = measured.read(arguments.measured or [])
    if arguments.output is None:
        from .reports.sidebyside.columns import print_columns

        print_columns(page_sections(every, shown, documents))
        return MATCH
    page_sections(every, shown, [])  # a definition or note that does not fit is found before the measurements
    if not arguments.measured:
        documents = measure(
            list(dict.fromkeys(one.path.partition(".")[0] for one in shown)), _progress, arguments.onednn
        )
    command = shlex.join(["python", "-m", "parity.sidebyside", "--output", "page.html", *arguments.names])
    write_text(
        "--output", arguments.output, sidebyside_page(page_sections(every, shown, documents), documents, command)
    )
    return MATCH


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)


def measure(classes: list[str], progress: Any, onednn: str = "as-is") -> list[Document]:
    """Run parity.check on what the examples of `classes` need, one after another. Raises ParityError if it cannot."""
    wanted = list(dict.fromkeys(EXAMPLES[name] for name in classes if name in EXAMPLES))
    runs = {example.target: example.arguments for example in wanted}
    found = []
    for target, arguments in runs.items():
        progress(f"measuring {target}")
        command = [sys.executable, "-m", "parity.check", *arguments, "--onednn", onednn, "--json", "-"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1):
            reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise ParityError(f"{' '.join(['parity.check', *arguments])} must run, and did not: {reason}")
        found.append(json.loads(done.stdout))
    return found


if __name__ == "__main__":
    sys.exit(main())
