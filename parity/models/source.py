"""Where in a user's own files a layer or an operation stands: plain data, which both sides, traces and reports have."""

from dataclasses import dataclass
from typing import Any

# First line, last line, first column, last column; columns in bytes, as `ast` has them.
Span = tuple[int, int, int, int]


@dataclass(frozen=True)
class Source:
    """One line of a program.

    file: relative to the working folder where it is in it; of what was typed, what it was typed into ("Cell In[3]").
    text: the line, without its margin; "" where it cannot be read. span: the expression that ran. path: the file
    itself, "" where there is none that could be changed: what was typed, or is installed.
    """

    file: str
    line: int
    text: str = ""
    span: Span | None = None
    path: str = ""

    @property
    def at(self) -> str:
        """As an editor opens it, and a terminal links it."""
        return f"{self.file}:{self.line}"

    def to_json(self) -> dict[str, Any]:
        return {"file": self.file, "line": self.line, "text": self.text}


Sources = tuple[Source, ...]  # the innermost line of the user's, then the lines that called the function it is in


@dataclass(frozen=True)
class Written:
    """Where one model has a layer or operation: where it is made, and where it is called. Either may not be known."""

    made: Sources = ()
    called: Sources = ()

    @property
    def first(self) -> Source | None:
        """The line to look at: where it is made, as its settings are there."""
        return next(iter((*self.made, *self.called)), None)

    def to_json(self) -> dict[str, Any] | None:
        """`made` and `called` are there where they are two lines."""
        if self.first is None:
            return None
        both = {name: own[0].to_json() for name, own in (("made", self.made), ("called", self.called)) if own}
        return self.first.to_json() | (both if len({(x["file"], x["line"]) for x in both.values()}) > 1 else {})


Both = dict[str, Written]  # by side, "torch" and "keras"


def source_json(both: Both) -> dict[str, Any]:
    """`"source"` of a report: a line of each side's program, where it is known."""
    return {side: written.to_json() for side, written in both.items()}


def sources(entries: Any) -> Sources:
    """What JSON has of several sources."""
    return tuple(Source(**(entry | {"span": entry["span"] and tuple(entry["span"])})) for entry in entries or ())
