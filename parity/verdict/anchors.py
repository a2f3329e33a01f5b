"""What a step's input was off by, in the free run -> whether its own error is only that rounding, magnified. Pure.

A norm divides what is left of numbers near their mean by a deviation: it magnifies the rounding of its input by
mean / deviation, and a softmax or a difference that of large numbers alike, by as much as their values say. Nobody is
at fault there. So the free run is made again with *anchors*: where a step whose inputs are off by rounding alone makes
more than rounding of it, and adds no more than it may, fed the other side's numbers (it is *sound*), the run goes on
with the other side's numbers. What then is off behind an anchor has another reason.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from parity.models.inputs import is_input
from parity.models.steps import Step

from .difference import Difference, is_rounding


@dataclass(frozen=True)
class Anchored:
    """How a step differs in a run with anchors, and whether it is one."""

    key: str
    inherited: Difference
    anchor: bool


class Anchors:
    """Told every step in order of execution. sound: the keys of steps that add no more than rounding.

    narrow: those of them that were seen to add what float32 rounds, as they compute in it.
    """

    def __init__(self, sound: Collection[str], narrow: Collection[str] = ()) -> None:
        self.sound, self.narrow = sound, narrow
        self._rounded: dict[str, bool] = {}  # whether what a step made is off by rounding alone

    def judge(self, step: Step, inherited: Difference) -> Anchored:
        """A step that both sides have."""
        anchor = not is_rounding(inherited) and step.key in self.sound and self._on_rounded_inputs(step)
        self._rounded[step.key] = anchor or is_rounding(inherited)
        return Anchored(step.key, inherited, anchor)

    def pass_by(self, step: Step) -> None:
        """A step that the other side has not: what it adds, the next common one would."""
        self._rounded[step.key] = self._on_rounded_inputs(step)

    def _on_rounded_inputs(self, step: Step) -> bool:
        return all(self._is_rounded(key, step) for key in self._inputs(step))

    def _is_rounded(self, key: str, user: Step) -> bool:
        """Whether what goes into a step is off by rounding alone.

        What was not seen, or is inside a region, was made of what was. If all of that is rounded, a layer that adds no
        more, fed it, has seen that too; an output or an input that is told by itself adds nothing whatever it is fed,
        unless it was seen to add what float32 rounds.
        """
        if key in self._rounded or is_input(key):
            return self._rounded.get(key, True)
        adds = user.key in self.narrow or (user.kind != "output" and user.feeds is None)
        return adds and bool(self._rounded) and all(self._rounded.values())

    def _inputs(self, step: Step) -> Iterator[str]:
        """The keys of what went into it; of what glue was made of where that was not seen, one that nobody has."""
        if step.feeds is not None:
            yield from step.origins if step.origins else ("",)
        for number, source in enumerate(step.sources):
            feeds = f"{step.key}<{number}"
            if feeds not in self._rounded and step.kind == "output" and step.origins:
                yield from step.origins  # an output is seen itself, and not as what goes into it
            else:
                yield feeds if feeds in self._rounded else source
