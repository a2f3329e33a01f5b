"""What was found of one step, as plain data: its numbers, its faults, its settings that differ."""

from dataclasses import dataclass, field
from typing import Any

from parity.models.settings import CHANGES
from parity.models.steps import StepInfo

from .difference import Difference
from .gradients import Gradient
from .measured import Compared


@dataclass
class Sums:
    """The numbers of one step, added up over the slices of the batch."""

    step: StepInfo
    inherited: Difference = field(default_factory=Difference)
    added: Difference = field(default_factory=Difference)
    reference: Difference = field(default_factory=Difference)
    candidate: Difference = field(default_factory=Difference)
    low: Difference = field(default_factory=Difference)
    note: str | None = None
    narrow: str | None = None  # what of the float64 runs was in float32, in words

    def add(self, reference: Difference | None, candidate: Compared) -> None:
        """Add what one slice of the batch gave: the reference's rounding, and the candidate's numbers beside it."""
        self.inherited += candidate.inherited
        self.reference += reference or Difference()
        self.candidate += candidate.rounding
        self.low += candidate.difference
        self.note = candidate.note
        self.narrow = candidate.narrow

    def __add__(self, other: "Sums") -> "Sums":
        """The numbers of two slices; the note is the first that there is."""
        return Sums(
            self.step,
            self.inherited + other.inherited,
            self.added + other.added,
            self.reference + other.reference,
            self.candidate + other.candidate,
            self.low + other.low,
            self.note or other.note,
            self.narrow or other.narrow,
        )


def add_up(sums: dict[str, Sums], found: dict[str, Sums]) -> None:
    """Add what one slice of the batch gave."""
    for key, entry in found.items():
        sums[key] = sums[key] + entry if key in sums else entry


@dataclass(frozen=True)
class StaticDifference:
    """A setting of a layer that differs as data, in the reference's terms.

    acts: False where no number differs for it at the sizes that ran, and none can in training, or where it is nothing
    that both sides state: a note.
    """

    path: str
    field: str
    reference: Any
    candidate: Any
    acts: bool = True

    @property
    def changes(self) -> str:
        """Of what acts in training alone: what it changes, in words."""
        return CHANGES.get(self.field, "")


@dataclass(frozen=True)
class LayerResult:
    """One step's four numbers and what is wrong with them.

    faults: "structure", "arithmetic", "not finite"; of its gradients: "gradient", "gradient arithmetic".
    """

    step: StepInfo
    weights: dict[str, tuple[int, ...]]
    inherited: Difference
    added: Difference
    reference: Difference
    candidate: Difference
    difference: Difference
    faults: tuple[str, ...]
    note: str | None = None  # what the reader must know of how it was compared
    gradient: Gradient | None = None  # its four numbers in a training step, if asked for

    @property
    def path(self) -> str:
        return self.step.path

    @property
    def kind(self) -> str:
        return self.step.kind

    @property
    def ok(self) -> bool:
        return not self.faults
