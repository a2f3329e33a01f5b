"""A named, proven cause, as plain data; and what all searches for one have in common."""

from dataclasses import dataclass
from typing import Any

from parity.models.edits import Edit, Mend
from parity.models.source import Both, source_json

TITLES = {"torch": "torch", "keras": "Keras"}
INNER = ("mend", "trials", "key")  # what is not told
EXPLAINED = 12  # faults whose cause is looked for
CLOSES = 100.0  # times smaller must a gap become that a cause explains


@dataclass(frozen=True)
class Cause:
    """What is wrong: the fault's name, where, and the gap before and after it is undone.

    where: a small map of the error in the layer's output, as plain data (see causes/where.py), or None.
    source: the lines of either program that it is about, where they are known. mend: what undoes it, if
    the settings that differ do not say that. edit: of the copy's program, what mends it. trials: other edits, which may
    and are not told unless a check has proven one. rerun: the command that checks this layer again. key: of the step.
    """

    name: str
    path: str
    evidence: str
    where: dict[str, Any] | None = None
    source: Both | None = None
    mend: Mend | None = None
    edit: Edit | None = None
    rerun: str | None = None
    trials: tuple[Edit, ...] = ()
    key: str = ""

    def to_json(self) -> dict[str, Any]:
        """`"cause"` of a report."""
        found = vars(self) | {
            "source": None if self.source is None else source_json(self.source),
            "edit": None if self.edit is None else self.edit.to_json(),
        }
        return {name: value for name, value in found.items() if value is not None and name not in INNER}
