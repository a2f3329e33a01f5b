"""One framework on one device, and what a difference between such cells belongs to. Pure."""

from dataclasses import dataclass, field, replace
from typing import Any

from parity.models.numbers import or_null

from .difference import STRUCTURE_LINE, Difference, arithmetic_bound, structure_ok


@dataclass(frozen=True)
class Cell:
    """One framework on one device. `layers`: by path, the structure error against the reference, and the rounding."""

    framework: str
    device: str
    tf32: bool
    layers: dict[str, tuple[Difference, Difference]] = field(default_factory=dict)
    fault: str = ""  # "structure" or "arithmetic"
    first: str | None = None  # the first layer at fault

    @property
    def name(self) -> str:
        framework = {"torch": "torch", "keras": "Keras"}[self.framework]
        return f"{framework} on {self.device}{' with TF32' if self.tf32 else ''}"

    @property
    def structure(self) -> float:
        """The greatest error of the float64 run, as a fraction of its layer's scale."""
        return max((structure.error for structure, _ in self.layers.values()), default=0.0)

    @property
    def rounding(self) -> float:
        """The greatest rms error in the asked dtype."""
        return max((rounding.rms for _, rounding in self.layers.values()), default=0.0)

    def to_json(self) -> dict[str, Any]:
        """One entry of the report's "devices"."""
        return {
            "framework": self.framework,
            "device": self.device,
            "tf32": self.tf32,
            "structure": or_null(self.structure),
            "arithmetic": or_null(self.rounding),
            "verdict": "mismatch" if self.fault else "match",
            "fault": self.fault or None,
            "first": self.first,
        }


def judged(cells: tuple[Cell, ...], dtype: str) -> tuple[Cell, ...]:
    """The cells with what is wrong with each."""
    plain = [cell for cell in cells if not cell.tf32]
    return tuple(_judged(cell, plain, dtype) for cell in cells)


def _judged(cell: Cell, plain: list[Cell], dtype: str) -> Cell:
    for path, (structure, rounding) in cell.layers.items():
        if not structure_ok(structure):
            return replace(cell, fault="structure", first=path)
        others = [other.layers[path][1] for other in plain if path in other.layers]
        best = min(others, key=lambda found: found.rms)
        if dtype != "float64" and not (rounding.finite and rounding.rms <= arithmetic_bound(best, dtype)):
            return replace(cell, fault="arithmetic", first=path)
    return cell


def belongs(cells: tuple[Cell, ...]) -> str | None:
    """What a difference between the cells belongs to: a framework, a device, TF32; None where there is none."""
    wrong = [cell for cell in cells if cell.fault and not cell.tf32]
    if not wrong:
        return "TF32" if any(cell.fault for cell in cells) else None
    plain = [cell for cell in cells if not cell.tf32]
    for name in ("framework", "device"):
        values = {getattr(cell, name) for cell in wrong}
        same = [cell for cell in plain if getattr(cell, name) in values]
        if len(values) == 1 and len(same) == len(wrong) < len(plain) and len(same) > 1:
            value = values.pop()
            return f"the {name} {value}"
    return " and ".join(cell.name for cell in wrong)


def sentence(cells: tuple[Cell, ...]) -> str:
    """The matrix's verdict in one sentence."""
    whose = belongs(cells)
    names = " and ".join(dict.fromkeys(cell.device for cell in cells))
    if whose is None:
        return f"on {names}, both frameworks agree with the float64 reference"
    if whose == "TF32":
        return f"on {names}, both frameworks agree with the float64 reference; with TF32 allowed they differ from it"
    first = next(cell for cell in cells if cell.fault and not cell.tf32)
    return f"the difference belongs to {whose}: {first.fault} at {first.first} (structure allowed {STRUCTURE_LINE:.0e})"
