"""A report and the lines of both programs -> the report with the edit that mends each cause, and the patch of all."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from parity.causes.edits.code import Code
from parity.causes.edits.edit import Site, edit_of, mends_of
from parity.models.edits import Edit, changed, overlap, patch
from parity.models.source import Source, Written
from parity.verdict.cause import Cause

from .copy import Copy
from .operations import mends_at
from .report import Report
from .sources import Programs


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

    causes = tuple(_with_edit(cause, report, programs, copy, read) for cause in report.causes)
    report = replace(report, causes=causes, copy=copy.side)
    return replace(report, patch=patch_of(report, copy.texts))


def _with_edit(
    cause: Cause, report: Report, programs: Programs, copy: Copy, read: Callable[[Source], Code | None]
) -> Cause:
    rerun = f"{copy.again} --only {cause.path}" if copy.again and cause.path else None
    written: Written | None = (cause.source or {}).get(copy.side)
    edit = None
    if written is not None:
        differing = [entry for entry in report.settings if entry.path == cause.path]
        about = programs.layer(copy.side, cause.path), programs.size(cause.path), programs.pads(copy.side, cause.path)
        edit = edit_of(mends_of(cause, differing, copy.side), Site(copy.side, written, read, *about))
    others = () if edit is not None or cause.mend is not None else mends_at(cause, report, programs, copy.side)
    for mend, place in others:
        edit = edit or edit_of([mend], Site(copy.side, place, read))
    return replace(cause, edit=edit, rerun=rerun)


def edits_of(report: Report) -> list[Edit]:
    """The edits of a report, each once, that can all be made together: the first of two that cannot."""
    found: list[Edit] = []
    for cause in report.causes:
        edit = cause.edit
        if edit is None or edit in found:
            continue
        if not any(other.path == edit.path and overlap(other.changes, edit.changes) for other in found):
            found.append(edit)
    return found


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
