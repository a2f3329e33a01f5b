"""What a hypothesis on a training step may ask: of what was measured, and of the side that teaches."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from parity.models.arrays import Array
from parity.verdict.difference import Size
from parity.verdict.measured import Measured, Name
from parity.verdict.rounding import judged

from .ties import Ties

Added = dict[Name, Measured]
Reasons = Iterator[tuple[str, str]]  # names of causes with their evidence, the likeliest first


@dataclass(frozen=True)
class Teacher:
    """What may be asked of the side that teaches. kept: an array of its free run, by name. weights: of a layer.

    sizes: of what numbers are sums of, see verdict/rounding.py. ties: names of tensors that are one.
    """

    kept: Callable[[str, str], Any]
    weights: Callable[[str], dict[str, Array]]
    sizes: Mapping[Name, Size]
    ties: Ties = field(default_factory=dict)

    def error(self, name: Name, predicted: Array, target: Array) -> float:
        """How far a prediction is from the number of that name that a side has made."""
        return judged(name, predicted, target, self.sizes.get(name), self.kept(f"lost {name[0]}", name[1])).error
