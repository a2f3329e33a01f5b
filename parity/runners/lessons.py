"""What a teacher's run leaves for the gradient check: arrays on the shelf, by name, read by either process."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from parity.models.arrays import Array
from parity.models.steps import StepInfo
from parity.verdict.difference import Difference, Size
from parity.verdict.measured import Name
from parity.verdict.rounding import judged

from .recording import Place, Shelf


@dataclass
class Taught:
    """Where the arrays lie, and what is known of them, as plain data; see `forcing.Board` for the rest."""

    places: dict[Name, Place] = field(default_factory=dict)
    sizes: dict[Name, Size] = field(default_factory=dict)
    steps: dict[str, StepInfo] = field(default_factory=dict)
    greatest: float = 0.0


class ShelfBoard:
    """A `Board` whose arrays lie on a shelf. `taught` is what it knows, and goes to the other process."""

    def __init__(self, shelf: Shelf, taught: Taught) -> None:
        self.shelf, self.taught = shelf, taught
        self.sizes, self.steps = taught.sizes, taught.steps

    @property
    def greatest(self) -> float:
        return self.taught.greatest

    @greatest.setter
    def greatest(self, value: float) -> None:
        self.taught.greatest = value

    def __iter__(self) -> Iterator[Name]:
        return iter(self.taught.places)

    def __contains__(self, name: Name) -> bool:
        return name in self.taught.places

    def put(self, name: Name, array: Array) -> None:
        self.taught.places[name] = self.shelf.put(array)

    def get(self, name: Name) -> Array | None:
        place = self.taught.places.get(name)
        return None if place is None else self.shelf.get(place)

    def source(self, key: str) -> Array | None:
        """What a step's first input was."""
        feeds = f"{key}<0"
        return self.get(("output", feeds if feeds in self.steps else next(iter(self.steps[key].sources), "")))


def judgements(doubts: ShelfBoard, board: ShelfBoard) -> Iterator[tuple[Name, Difference]]:
    """Every doubtful number of a pupil, judged with what the board by now says that float64 can lose there."""
    for name in doubts:
        mine, theirs = doubts.get(name), board.get(name)
        if mine is not None and theirs is not None:
            lost = board.get((f"lost {name[0]}", name[1]))
            yield name, judged(name, mine, theirs, board.sizes.get(name), lost)
