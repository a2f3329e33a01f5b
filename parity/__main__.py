"""`python -m parity COMMAND ...`, or `parity COMMAND ...`: the commands, each with its own --help."""

import ast
import importlib
import sys
from pathlib import Path

COMMANDS = ("check", "mend", "train", "convert", "verify", "capture", "compare", "sidebyside")


def main(argv: list[str] | None = None) -> int:
    """Run the command that is named, and return its exit code; without one, list them."""
    name, *rest = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in ("-h", "--help"):
        print("\n".join(("usage: parity COMMAND ...   (or python -m parity.COMMAND ...)", "", *map(_line, COMMANDS))))
        return 0
    if name not in COMMANDS:
        print(
            f"parity: COMMAND must be one of {', '.join(COMMANDS)}, and is {name!r}; try `python -m parity --help`",
            file=sys.stderr,
        )
        return 2
    return int(importlib.import_module(f"parity.{name}").main(rest))


def _line(name: str) -> str:
    """A command and what it does, read off its file: importing all of them would take a second."""
    text = ast.get_docstring(ast.parse(Path(__file__).with_name(f"{name}.py").read_text())) or ""
    return f"  {name:<12}{text.partition(chr(10))[0].partition(': ')[2]}"


if __name__ == "__main__":
    sys.exit(main())
