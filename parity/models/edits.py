"""What is to be done to a program for a cause to be gone, and the change of its text that does it: plain data."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any


@dataclass(frozen=True)
class Mend:
    """What one side must be given that it has not, before it is known how that side's program writes it.

    action: "set" gives the layer or function at fault a setting, `name` and `value` in torch's terms; None: the value
    that the other side has. "channels first" gives a flattened image's axes torch's order first, `value`. "replace"
    puts the kind `name`, with the settings `value`, in its place, "after" behind it; "without" leaves it out.
    "mode" lets it run in the model's own; "as the other" writes the expression as the other program does, whose lines
    are the `value` and the cause the `name`. "call": torch's calls and the edits (models/calls.py) that make them as
    Keras's program does are the `value`. "padding mode": what pads before it
    does so by the mode `name`. "settings": those of the `value` are
    set, each to what the other side has. "affine": Keras's is torch's times the first
    number of the `value` and the second more. "exchange": the step `name`, or what each side has of
    it by the `value`, and this one have changed places.
    """

    action: str
    name: str = ""
    value: Any = None


@dataclass(frozen=True)
class Change:
    """Text in place of a part of a file, from the byte `start` to before the byte `end`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Edit:
    """The smallest change of one file. before, after: the lines that change, as they were and as they are then.

    file, line: where these begin, as a Source has them. path: the file itself. more: lines elsewhere in it, an import.
    """

    file: str
    line: int
    before: str
    after: str
    path: str
    changes: tuple[Change, ...]

    @property
    def at(self) -> str:
        return f"{self.file}:{self.line}"

    def to_json(self) -> dict[str, Any]:
        return {"file": self.file, "line": self.line, "before": self.before, "after": self.after}


def changed(text: str, changes: Iterable[Change]) -> str:
    """The text of a file with all changes made, each of which is of the file as it was. Equal ones are one."""
    data, made, at = text.encode(), b"", 0
    for change in sorted(dict.fromkeys(changes), key=lambda one: (one.start, one.end)):
        made += data[at : change.start] + change.text.encode()
        at = change.end
    return (made + data[at:]).decode()


def overlap(one: Iterable[Change], other: Iterable[Change]) -> bool:
    """Whether two edits change the same place otherwise: they cannot both be made.

    Each may put an argument behind the last one; in front of something, or into what is empty, only one can.
    """
    others = list(other)
    return any(a != b and _meet(a, b) for a in one for b in others)


def _meet(a: Change, b: Change) -> bool:
    if a.text.startswith(", ") and b.text.startswith(", ") and a.start == a.end == b.start == b.end:
        return False
    return a.start < max(b.end, b.start + 1) and b.start < max(a.end, a.start + 1)


def patch(texts: dict[str, tuple[str, str]]) -> str:
    """A unified diff of files by name, each as it was and as it is now; `patch -p0` and `git apply -p0` take it."""
    lines: list[str] = []
    for name, (before, after) in sorted(texts.items()):
        if before != after:
            old, new = (text.splitlines(keepends=True) for text in (before, after))
            lines += unified_diff(old, new, name, name)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
