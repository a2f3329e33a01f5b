"""A trace in place of a side: it answers what a side that runs would answer, from its file."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from parity.errors import ParityError
from parity.models.arrays import Array
from parity.models.layers import LayerInfo
from parity.models.steps import NOTHING, Look, Step, StepInfo
from parity.verdict.difference import Difference, difference, structure_ok
from parity.verdict.measured import Compared, Forced

from .recorder import unequal
from .recording import Place, Recording
from .trace import Trace


class TraceSide:
    """A `RemoteSide` without a process. It can be torch's side, or Keras's beside the trace it was captured against."""

    def __init__(self, trace: Trace) -> None:
        self.trace, self.framework, self.shelf = trace, trace.header.framework, trace.shelf
        self._answers: list[Any] = []
        header = trace.header
        self.recording = Recording(
            header.steps, trace.group("output"), trace.group("low"), header.rounding, trace.group("weight")
        )

    def ask(self, method: str, *args: Any) -> None:
        """Answer at once; `answer` or `stream` collects it."""
        self._answers.append(getattr(self, f"_{method}")(*args))

    def answer(self) -> Any:
        return self._answers.pop(0)

    def call(self, method: str, *args: Any) -> Any:
        self.ask(method, *args)
        return self.answer()

    def stream(self) -> Iterator[Any]:
        yield from self.answer()

    def _start(self, *_: Any) -> list[LayerInfo]:
        return self.trace.header.layers

    def _share_cores(self, cores: int) -> None:
        """Nothing is computed here."""

    def _unknown_weights(self) -> list[str]:
        return []

    def _environment(self) -> dict[str, Any]:
        return self.trace.header.environment

    def _record(self, x: Array, dtype: str, look: Look = NOTHING, weights: bool = False) -> Recording:
        missing = sorted(look.watch - self.recording.outputs.keys())
        if missing:
            raise ParityError(
                f"{self.trace.path} must hold what goes into {missing[0]}, which the other model feeds otherwise, and "
                "does not; run parity.check where both frameworks are"
            )
        return self.recording

    def _prepare(self, x: Array, dtype: str) -> list[StepInfo]:
        return self.trace.header.steps

    def _rename(self, names: Any, layers: dict[str, str], orders: Any) -> list[LayerInfo]:
        if names.aliases or layers or orders:
            raise ParityError(
                f"{self.trace.path} must call its layers as the other trace does, and does not; capture Keras's with "
                "--against torch's trace"
            )
        return self.trace.header.layers

    def _weights_of(self, path: str) -> dict[str, Array]:
        found = {name.rpartition("."): place for name, place in self.recording.weights.items()}
        return {name: self.shelf.get(place).astype(float) for (owner, _, name), place in found.items() if owner == path}

    def _replay(self, look: Look) -> list[Step]:
        infos = [step for step in self.trace.header.steps if step.key in look.want]
        return [self._step(step) for step in infos]

    def _step(self, info: StepInfo) -> Step:
        inputs = (f"{info.key}<{i}" for i in range(len(info.sources)))
        keys = [
            key if key in self.recording.outputs else source for key, source in zip(inputs, info.sources, strict=True)
        ]
        arrays = tuple(self._array(key) for key in keys if key in self.recording.outputs or key == "input")
        feeds = info.key if "<" in info.key else None
        return Step(info.path, info.kind, self._array(info.key), list(info.sources), feeds, arrays)

    def _array(self, key: str) -> Array:
        if key == "input" and key not in self.recording.outputs:
            return self.trace.input()
        return self.shelf.get(self.recording.outputs[key])


class PupilTrace(TraceSide):
    """Keras's trace, compared with torch's."""

    def __init__(self, trace: Trace, teacher: Trace) -> None:
        super().__init__(trace)
        self.teacher = teacher

    def _load(self, places: Any) -> None:
        raise ParityError("traces are compared as they are: nothing can be copied into one")

    def _unequal(self, places: dict[str, Place]) -> dict[str, Difference]:
        ours = ((name, self.shelf.get(place)) for name, place in self.recording.weights.items())
        return unequal(ours, places, self.teacher.shelf)

    def _compare(self, other: Recording, look: Look) -> Iterator[Compared]:
        header = self.trace.header
        for key, place in self.recording.outputs.items():
            if key not in other.outputs:
                continue
            inherited = difference(self.shelf.get(place), self.teacher.shelf.get(other.outputs[key]))
            low = self._low(key)
            between = Difference()
            if low is not None and key in other.lows:
                between = difference(low, self.teacher.shelf.get(other.lows[key]))
            rounding = header.rounding.get(key, Difference())
            yield Compared(key, inherited, rounding, between, header.notes.get(key), low if key in look.want else None)

    def _low(self, key: str) -> Array | None:
        place = self.recording.lows.get(key)
        return None if place is None else self.shelf.get(place)

    def _forced(self, other: Recording, look: Look) -> Iterator[Forced]:
        """What each step adds: measured if the one trace was captured against the other, else told by its inputs."""
        measured = self.trace.header.against == self.teacher.header.identity
        forced = self.trace.group("forced")
        same: dict[str, bool] = {"input": True}
        for found in list(self._compare(other, NOTHING)):
            key = found.key
            added = self.trace.header.forced[key] if measured else self._told(key, found.inherited, same)
            same[key] = structure_ok(found.inherited)
            output = None
            if key in look.want:
                place = forced.get(key) or self.recording.outputs[key]
                output = self.shelf.get(place)
            yield Forced(key, added, output)

    def _told(self, key: str, inherited: Difference, same: dict[str, bool]) -> Difference:
        """With equal inputs, all of a difference is the step's own; with others, this trace cannot say."""
        step = next((step for step in self.trace.header.steps if step.key == key), None)
        sources = () if step is None else step.sources
        feeds = [f"{key}<{i}" for i in range(len(sources))]
        known = [same.get(feed, same.get(source)) for feed, source in zip(feeds, sources, strict=True)]
        return inherited if all(known) else replace(inherited, greatest=0.0, where=None, square=0.0, finite=True)
