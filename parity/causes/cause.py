"""A named, proven cause, as plain data."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Cause:
    """Why a layer differs: the fault's name, where, and the gap before and after it is undone.

    where: a small map of the error in the layer's output, as plain data (see causes/where.py), or None.
    """

    name: str
    path: str
    evidence: str
    where: dict[str, Any] | None = None
