"""A named, proven cause, as plain data."""

from dataclasses import dataclass
from typing import Any

TITLES = {"torch": "torch", "keras": "Keras"}
EXPLAINED = 12  # faults whose cause is looked for
CLOSES = 100.0  # times smaller must a gap become that a cause explains


@dataclass(frozen=True)
class Cause:
    """Why a layer differs: the fault's name, where, and the gap before and after it is undone.

    where: a small map of the error in the layer's output, as plain data (see causes/where.py), or None.
    """

    name: str
    path: str
    evidence: str
    where: dict[str, Any] | None = None
