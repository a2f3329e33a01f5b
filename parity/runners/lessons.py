"""What a teacher's run leaves for the gradient check: arrays on the shelf, by name, read by either process."""

from dataclasses import dataclass, field

from parity.models.arrays import Array
from parity.verdict.difference import Size
from parity.verdict.measured import Name

from .recording import Place, Shelf


@dataclass
class Taught:
    """Where the arrays lie, and what is known of them, as plain data; see `forcing.Board` for the rest."""

    places: dict[Name, Place] = field(default_factory=dict)
    sizes: dict[Name, Size] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    greatest: float = 0.0


class ShelfBoard:
    """A `Board` whose arrays lie on a shelf. `taught` is what it knows, and goes to the other process."""

    def __init__(self, shelf: Shelf, taught: Taught) -> None:
        self.shelf, self.taught = shelf, taught
        self.sizes, self.sources = taught.sizes, taught.sources

    @property
    def greatest(self) -> float:
        return self.taught.greatest

    @greatest.setter
    def greatest(self, value: float) -> None:
        self.taught.greatest = value

    def put(self, name: Name, array: Array) -> None:
        self.taught.places[name] = self.shelf.put(array)

    def get(self, name: Name) -> Array | None:
        place = self.taught.places.get(name)
        return None if place is None else self.shelf.get(place)
