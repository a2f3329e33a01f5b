"""Paired sections, notes and measurements -> the side-by-side page. Pure: the same input gives the same bytes."""

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from parity.reports.pages.render import page

from .measured import EXAMPLES, Document, Facts, facts
from .notes import NOTES, Note, attached
from .source import Row, Section
from .tokens import Line, lines


@dataclass(frozen=True)
class PageRow:
    """What stands in one row. `told` are notes in full, `again` those whose text stands further up."""

    path: str
    line: int
    torch: tuple[Line, ...]
    keras: tuple[Line, ...]
    same: bool
    first: bool  # of a definition
    told: tuple[Note, ...]
    again: tuple[Note, ...]
    facts: tuple[Facts, ...]

    @property
    def noted(self) -> bool:
        return bool(self.told or self.again or self.facts)


@dataclass(frozen=True)
class PageSection:
    """A class with its methods, or a function, in chunks: a noted row begins one, its notes reach down beside it."""

    path: str
    title: str
    file: str
    doc: str
    chunks: tuple[tuple[PageRow, ...], ...]

    @property
    def owner(self) -> str:
        """The class or function at the top of the file."""
        return self.path.partition(".")[0]


def page_sections(
    every: list[Section], shown: list[Section], documents: list[Document], notes: tuple[Note, ...] = NOTES
) -> list[PageSection]:
    """The sections `shown`, with notes attached as `every` section says. Raises StaleNoteError."""
    attachments = _Attachments(attached((row.path for section in every for row in section.rows), notes), documents)
    result = []
    for _, group in groupby(shown, key=lambda section: section.path.partition(".")[0]):
        sections = list(group)
        head = sections[0]
        sections = [section.without(head.indent) for section in sections]
        rows = [attachments.row(section, row) for section in sections for row in section.rows]
        title = head.path.replace(".forward", ".forward / call")
        result.append(PageSection(head.path, title, head.file, head.doc, tuple(_chunks(rows))))
    return result


class _Attachments:
    """Notes and measurements of rows; each text once, and each layer's figures once in a class."""

    def __init__(self, notes: dict[str, list[Note]], documents: list[Document]) -> None:
        self.notes, self.documents = notes, documents
        self.told: set[str] = set()
        self.measured: set[tuple[str, str]] = set()

    def row(self, section: Section, row: Row) -> PageRow:
        owner = section.path.partition(".")[0]
        own = self.notes.get(row.path, [])
        told = tuple(note for note in own if note.key not in self.told)
        self.told |= {note.key for note in told}
        layers = tuple(name for name in row.layers if (owner, name) not in self.measured)
        self.measured |= {(owner, name) for name in layers}
        again = tuple(note for note in own if note not in told)
        return _row(section, row, told, again, tuple(facts(self.documents, owner, layers)))


def _row(
    section: Section, row: Row, told: tuple[Note, ...], again: tuple[Note, ...], found: tuple[Facts, ...]
) -> PageRow:
    side = row.torch or row.keras
    assert side is not None
    return PageRow(row.path, section.line + side.line, *lines(row), row.same, side.line == 0, told, again, found)


def _chunks(rows: list[PageRow]) -> list[tuple[PageRow, ...]]:
    chunks: list[list[PageRow]] = []
    for row in rows:
        if row.noted or not chunks:
            chunks.append([])
        chunks[-1].append(row)
    return [tuple(chunk) for chunk in chunks]


def sidebyside_page(sections: list[PageSection], documents: list[Document], command: str) -> str:
    """The whole page."""
    shown = {section.owner for section in sections}
    targets = dict.fromkeys(example.target for name, example in EXAMPLES.items() if name in shown)
    used = [document for target in targets for document in documents if document["target"] == target]
    rows = [row for section in sections for chunk in section.chunks for row in chunk]
    alike = [line.same for row in rows for line in row.torch if line.text.strip()]
    share: Any = round(100 * sum(alike) / len(alike)) if alike else 0
    return page(
        "sidebyside.html.jinja", sections=sections, documents=used, command=command, share=share, lines=len(alike)
    )
