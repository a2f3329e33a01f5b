"""Rows of a report that say the same -> one sentence each, and no more lines than a reader reads. Pure."""

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from parity.errors import short
from parity.models.kinds import named

T = TypeVar("T")

LINES = 40  # of a report, unless all layers are asked for
SENTENCES = 8  # on settings of equal values; where they are more, those of one kind are told together


@dataclass(frozen=True)
class Row:
    """A setting that differs: of a layer of some kind, in torch's terms. It is one of `parity.verdict`'s, as data."""

    path: str
    kind: str
    field: str
    torch: Any
    keras: Any
    acts: bool = True
    changes: str = ""


def rows(static: Iterable[Any], kinds: dict[str, str]) -> list[Row]:
    """The rows of "static" as a document has them. kinds: of the layers, by path."""
    return [Row(kind=kinds.get(entry["path"], ""), **entry) for entry in static]


def grouped(items: Iterable[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    """The items of one key together, in the order of the first of each."""
    found: dict[Hashable, list[T]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return list(found.values())


def settings(static: Sequence[Row]) -> list[str]:
    """What differs, in one sentence for all layers of a kind in which it is the same."""
    groups = grouped(static, lambda row: (row.kind, row.field, row.acts, repr(row.torch), repr(row.keras)))
    if len(groups) > SENTENCES:
        groups = grouped(static, lambda row: (row.kind, row.field, row.acts))
    return [_setting(group) + _effect(group[0]) for group in groups]


def _effect(row: Row) -> str:
    if row.changes:
        return f"; it changes {row.changes}"
    return "" if row.acts else "; no number differs for it here"


def _setting(group: list[Row]) -> str:
    first, values = group[0], {(repr(row.torch), repr(row.keras)) for row in group}
    torch, keras = value(first.torch), value(first.keras)
    if len(group) == 1:
        return f"{first.path}: {first.field} is {torch} in torch and {keras} in Keras"
    shown = f"{counted(len(group), first.kind)}: {first.field}"
    where = ends([row.path for row in group])
    if len(values) == 1:
        return f"{shown} {torch} in torch, {keras} in Keras ({where})"
    return f"{shown} differs, as in {first.path}: {torch} in torch, {keras} in Keras ({where})"


def value(setting: Any) -> str:
    """A setting as it is written: 1.001e-5, not 1.001e-05."""
    if isinstance(setting, dict) and "std" in setting:
        name = f" of {setting['initializer']}" if "initializer" in setting else ""
        setting = f"standard deviation {setting['std']:.3g}{name}"
    return short(re.sub(r"e([-+])0+(?=\d)", r"e\1", str(setting)), 80)


def counted(count: int, kind: str) -> str:
    """ "121 batch norms"."""
    noun = named(kind).noun or kind.replace("_", " ")
    noun = noun if noun.endswith(("norm", "pool", "pad", "convolution", "layer")) else f"{noun} layer".strip()
    return f"{count} {noun}{'s' * (count != 1)}"


def ends(paths: Sequence[str]) -> str:
    """The first and the last of several paths, or all three."""
    shown = [short(path, 100) for path in (paths if len(paths) <= 3 else (paths[0], "...", paths[-1]))]
    return ", ".join(shown)


def alike(text: str) -> str:
    """A sentence without its numbers: by it those that say the same are found."""
    return re.sub(r"[-+]?\d[\d.,e+-]*|\b(?:nan|inf)\b", "#", text)


@dataclass
class Section:
    """Lines of one kind. left: how many more there are, and of what: told in a last line, if any are cut."""

    lines: list[str] = field(default_factory=list)
    left: int = 0
    what: str = "more"

    @property
    def height(self) -> int:
        return len(self.lines) + bool(self.left)

    def cut(self) -> None:
        """Two lines less, and one that says so."""
        self.lines.pop()
        self.left += 1

    def shown(self) -> list[str]:
        more = [f"  and {self.left} {self.what}; --json lists all"] if self.left else []
        return [*self.lines, *more]


def fitted(sections: Sequence[Section], most: int) -> list[str]:
    """The lines of all sections, the longest ones cut until there are no more than `most`."""
    while sum(section.height for section in sections) > most:
        longest = max(sections, key=lambda section: len(section.lines))
        if len(longest.lines) < 2:
            break
        longest.cut()
    return [line for section in sections for line in section.shown()]
