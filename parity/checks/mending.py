"""A target -> its copy's program, edited cause by cause until both models match or nothing more is known.

Every edit is made in memory and proven by a whole check: one after which its cause is still there is taken back. The
user's files are read and never written here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from parity.causes.rerun import WEIGHTS
from parity.errors import ParityError
from parity.models.edits import Edit, patch
from parity.models.targets import Target
from parity.verdict.cause import Cause

from .edits import edited, edits_of, said, text_of
from .options import Options, Progress
from .report import Report
from .target import check_target

MOST = 24  # checks
Texts = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Mended:
    """What became of it. report: the last check's. edits: those that are proven, with the causes that they mended.

    refused: those after which the cause was still there, or no check could be made. texts: of the edited files, by
    path; before: as they were; names: what the user calls them. carried: the tensors that torch's were copied into,
    which the models had otherwise.
    """

    report: Report
    edits: tuple[tuple[Edit, Cause], ...] = ()
    refused: tuple[tuple[Edit, Cause], ...] = ()
    texts: Texts = ()
    names: dict[str, str] = field(default_factory=dict)
    before: dict[str, str] = field(default_factory=dict)
    carried: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.report.ok

    @property
    def proposed(self) -> tuple[tuple[Edit, Cause], ...]:
        """Of what was refused, what a report proposes: other edits were only tried."""
        return tuple((edit, cause) for edit, cause in self.refused if edit == cause.edit)

    @property
    def patch(self) -> str:
        """All edits as one unified diff."""
        return patch({self.names[path]: (self.before[path], text) for path, text in self.texts})

    def to_json(self) -> dict[str, Any]:
        """The last check's document, with what led there; "patch" is of all edits that are proven."""
        return self.report.to_json() | {
            "mended": [_told(*one) for one in self.edits],
            "refused": [_told(*one) for one in self.proposed],
            "carried": list(self.carried),
            "patch": self.patch,
        }


def mend(target: Target, options: Options, progress: Progress) -> Mended:
    """Check, edit and check again. Raises ParityError where the models cannot be compared as they are."""

    def check(asked: Options) -> Report:
        return check_target(target, asked, progress)

    return mended(check, options)


def mended(check: Callable[[Options], Report], options: Options, carries: bool = True) -> Mended:
    """The loop itself. carries: whether torch's weights may be copied where the models are compared as they are."""
    loop = _Loop(check, options, Mended(check(options)))
    while not loop.found.ok and loop.checks < MOST and loop.goes_on():
        pass
    if not loop.found.ok and options.weights == "keep" and carries:
        loop.carry()
    return loop.found


class _Loop:
    """The state between two checks. found: what is proven by now."""

    def __init__(self, check: Callable[[Options], Report], options: Options, found: Mended) -> None:
        self.check, self.options, self.found = check, options, found
        self.checks = 1

    def goes_on(self) -> bool:
        """Try the edits that the last report proposes, all at once and then one by one; whether there were any."""
        refused = frozenset(said(edit) for edit, _ in self.found.refused)
        edits = edits_of(self.found.report, refused)
        if not edits:
            return False
        if not self._try(edits) and len(edits) > 1:
            for edit in edits:
                if self._try([edit]):
                    return True  # the others are of lines that may lie elsewhere now
        return True

    def _try(self, edits: list[Edit]) -> bool:
        """Whether a check with these edits made is without their causes, and nothing that was right is wrong."""
        before = self.found
        causes = [(edit, c) for c in before.report.causes for edit in edits if edit in (c.edit, *c.trials)]
        texts = dict(before.texts) | edited(edits, before.texts)
        options = replace(self.options, copy=replace(self.options.copy, texts=tuple(texts.items())))
        self.checks += 1
        try:
            report = self.check(options)
        except ParityError:
            report = None
        if (
            report is None
            or any(_is_left(*one, before.report, report) for one in causes)
            or _breaks(before.report, report)
        ):
            if len(edits) == 1:
                self.found = replace(before, refused=(*before.refused, *causes[:1]))
            return False
        names = before.names | {edit.path: edit.file for edit in edits}
        were = {path: text_of(path) or "" for path in texts} | before.before
        done = tuple({edit: (edit, cause) for edit, cause in reversed(causes)}.values())[::-1]
        self.found = replace(
            before, report=report, edits=(*before.edits, *done), texts=tuple(texts.items()), names=names, before=were
        )
        return True

    def carry(self) -> None:
        """Copy torch's weights into Keras's model: whether what is left is of them."""
        wrong = tuple(_tensors(self.found.report))
        if not wrong:
            return
        texts = self.found.texts
        options = replace(self.options, weights="copy", copy=replace(self.options.copy, texts=texts))
        try:
            report = self.check(options)
        except ParityError:
            return
        if len(_wrong(report)) < len(_wrong(self.found.report)):
            self.found = replace(self.found, report=report, carried=wrong)


def _told(edit: Edit, cause: Cause) -> dict[str, Any]:
    return {"cause": cause.name, "path": cause.path, "edit": edit.to_json()}


def _tensors(report: Report) -> Iterator[str]:
    """The tensors that are not equal on both sides."""
    for entry in report.static:
        if entry.acts and entry.field in WEIGHTS:
            yield f"{entry.path}.{entry.field}" if entry.path else entry.field


def _is_left(edit: Edit, cause: Cause, before: Report, report: Report) -> bool:
    """Whether a layer is as wrong as before: for the same reason, or for none that is known.

    After an edit that is only tried less must be wrong than before.
    """
    if edit != cause.edit and len(_wrong(report)) >= len(_wrong(before)):
        return True
    here = [other for other in report.causes if other.path == cause.path]
    return any(other.name in (cause.name, "unknown") for other in here)


def _breaks(before: Report, after: Report) -> bool:
    """Whether a layer is wrong that was right: a line may make others, too, which were as they must be."""
    right = {layer.path for layer in before.layers} - _wrong(before)
    return bool(right & _wrong(after))


def _wrong(report: Report) -> set[str]:
    return {layer.path for layer in report.layers if layer.faults} | {entry.path for entry in report.settings}
