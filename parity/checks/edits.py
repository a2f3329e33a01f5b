"""A report and the lines of both programs -> the report with the edit that mends each cause, and the patch of all."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from parity.causes.edits.arguments import Read
from parity.causes.edits.code import Code
from parity.causes.edits.edit import Places, Site, edit_of, exchange_of, mends_of, place_of, trials_of
from parity.causes.edits.flow import Spot
from parity.models.attempts import attempt
from parity.models.edits import Edit, changed, overlap, patch
from parity.models.source import Source, Written
from parity.verdict.cause import Cause

from .copy import Copy
from .operations import mends_at
from .report import Report
from .sources import SIDES, Programs

Said = tuple[str, ...]  # an edit, wherever its lines have come to lie
TRIALS = 6  # edits of one cause that are tried


def text_of(path: str, texts: tuple[tuple[str, str], ...] = ()) -> str | None:
    """A file's text, with the line ends that it has; None where it cannot be read."""
    for name, text in texts:
        if name == path:
            return text
    try:
        return Path(path).read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None


def with_edits(report: Report, programs: Programs, copy: Copy) -> Report:
    """The report, each cause with the edit of the copy that mends it, if that is known for certain."""
    codes: dict[str, Code | None] = {}

    def read(source: Source) -> Code | None:
        if source.path and source.path not in codes:
            text = text_of(source.path, copy.texts)
            codes[source.path] = None if text is None else Code.of(source, text)
        return codes.get(source.path)

    def edited(cause: Cause) -> Cause:
        return attempt(partial(_with_edit, cause, report, programs, copy, read), lambda error: cause)

    causes = tuple(map(edited, report.causes))
    report = replace(report, causes=causes, copy=copy.side)
    return replace(report, patch=patch_of(report, copy.texts))


def _with_edit(cause: Cause, report: Report, programs: Programs, copy: Copy, read: Read) -> Cause:
    rerun = f"{copy.again} --only {cause.path}" if copy.again and cause.path else None
    written = (cause.source or {}).get(copy.side) or Written()
    differing = [entry for entry in report.settings if entry.path == cause.path]
    about = (
        programs.layer(copy.side, cause.path),
        programs.size(cause.path),
        programs.pads(copy.side, _user(cause) or cause.path),
    )
    site = Site(copy.side, written, read, *about)
    found = [edit_of(mends_of(cause, differing, copy.side), site)]
    found += [
        edit_of([mend], Site(copy.side, place, read)) for mend, place in mends_at(cause, report, programs, copy.side)
    ]
    if cause.mend is not None and cause.mend.action == "exchange":
        moved = (cause.mend.value or {}).get(copy.side, cause.mend.name)
        one, other = (programs.written(copy.side, key) for key in (_user(cause), moved))
        found.append(exchange_of(one, other, read))
    sure = list(dict.fromkeys(edit for edit in found if edit is not None))
    places = Places(tuple(_places(cause, programs, copy.side, read)), _theirs(cause, programs, copy.side, read))
    more = dict.fromkeys([*sure[1:], *trials_of(cause, site, places)])
    trials = tuple(edit for edit in more if edit not in sure[:1])[:TRIALS]
    return replace(cause, edit=next(iter(sure), None), rerun=rerun, trials=trials)


def _user(cause: Cause) -> str:
    """The step that takes what the cause is about."""
    return cause.key.partition("<")[0]


def _places(cause: Cause, programs: Programs, side: str, read: Read) -> Iterator[Spot]:
    """Where the copy makes what goes into a step: its own operation, what the step is called on, or what gave that."""
    moved = [cause.mend.name] if cause.mend is not None and cause.mend.action == "exchange" else []
    for key in (*moved, cause.key, *programs.sources(side, cause.key)):
        spot = place_of(programs.written(side, key), programs.has(side, key) and ("<" in key or key != cause.key), read)
        if spot is not None:
            yield spot


def _theirs(cause: Cause, programs: Programs, side: str, read: Read) -> Spot | None:
    other = SIDES[1 - SIDES.index(side)]
    return place_of(programs.written(other, cause.key), programs.has(other, cause.key) and "<" in cause.key, read)


def edits_of(report: Report, refused: frozenset[Said] | None = None) -> list[Edit]:
    """The edits of a report, each once, that can all be made together: the first of two that cannot.

    refused: of a cause whose edit is one of these, the first that is only tried and none of them.
    """
    found: list[Edit] = []
    for cause in report.causes:
        tried = () if refused is None else cause.trials
        each = (edit for edit in (cause.edit, *tried) if edit is not None and said(edit) not in (refused or ()))
        edit = next(each, None)
        if edit is None or edit in found:
            continue
        if not any(other.path == edit.path and overlap(other.changes, edit.changes) for other in found):
            found.append(edit)
    return found


def said(edit: Edit) -> Said:
    """An edit, wherever its lines have come to lie."""
    return edit.file, edit.before, edit.after


def edited(edits: list[Edit], texts: tuple[tuple[str, str], ...] = ()) -> dict[str, str]:
    """The text of each file, by its path, with the edits made."""
    found: dict[str, str] = {}
    for path in dict.fromkeys(edit.path for edit in edits):
        changes = [change for edit in edits if edit.path == path for change in edit.changes]
        found[path] = changed(text_of(path, texts) or "", changes)
    return found


def patch_of(report: Report, texts: tuple[tuple[str, str], ...] = ()) -> str:
    """The unified diff of all edits of a report; "" where there is none."""
    edits = edits_of(report)
    names = {edit.path: edit.file for edit in edits}
    made = edited(edits, texts)
    return patch({names[path]: (text_of(path, texts) or "", text) for path, text in made.items()})
