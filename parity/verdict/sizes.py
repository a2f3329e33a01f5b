"""What two models' outputs were at one size of the input, as plain data."""

from dataclasses import dataclass
from typing import Any

from parity.models.numbers import or_null


@dataclass(frozen=True)
class AtSize:
    """shape: the input's spatial axes. same: whether the outputs are, within the line.

    error: their greatest difference in float64, as a share of their scale. asked: by the user, who wants them the
    same; else this size was tried besides.
    """

    shape: tuple[int, ...]
    asked: bool
    same: bool
    error: float

    @property
    def fault(self) -> bool:
        """Whether this makes a mismatch."""
        return self.asked and not self.same

    @property
    def text(self) -> str:
        """In words."""
        found = "equal" if self.same else "they differ"
        shown = "other shapes" if self.error == float("inf") else f"{self.error:.1e}"
        return f"outputs at {' x '.join(map(str, self.shape))}: {found} ({shown})"

    def to_json(self) -> dict[str, Any]:
        """As the document has it."""
        verdict = "match" if self.same else "mismatch"
        return {"shape": list(self.shape), "asked": self.asked, "verdict": verdict, "error": or_null(self.error)}
