"""A named, proven cause, as plain data; and what all searches for one have in common."""

from dataclasses import dataclass
from typing import Any

TITLES = {"torch": "torch", "keras": "Keras"}
EXPLAINED = 12  # faults whose cause is looked for
CLOSES = 100.0  # times smaller must a gap become that a cause explains


@dataclass(frozen=True)
class Cause:
    """What is wrong: the fault's name, where, and the gap before and after it is undone.

    where: a small map of the error in the layer's output, as plain data (see causes/where.py), or None.
    """

    name: str
    path: str
    evidence: str
    where: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """`"cause"` of a report."""
        return {name: value for name, value in vars(self).items() if value is not None}
