"""A trace as a Runner, in place of a side that runs: it answers from its file what that side would have answered."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any, NoReturn

from parity.errors import ParityError
from parity.frameworks.outputs import name_of, placed
from parity.models.aims import Aim
from parity.models.arrays import Array
from parity.models.calls import Call, Edit
from parity.models.inputs import Given, Inputs, is_input
from parity.models.kinds import by_formula
from parity.models.kinds.kind import Static, Weights
from parity.models.layers import LayerInfo
from parity.models.steps import NOTHING, Expected, Look, Names, Step, StepInfo
from parity.verdict.anchors import Anchored
from parity.verdict.difference import Difference, difference, structure_ok
from parity.verdict.measured import Compared, Forced, Met, Name

from .lessons import Taught
from .recorder import unequal
from .recording import Place, Recording
from .runner import Done, Keys, Pending, Runner
from .trace import Trace


class TraceRunner(Runner):
    """torch's side, or Keras's beside the trace of torch's, its `teacher`."""

    def __init__(self, trace: Trace, teacher: Trace | None = None) -> None:
        self.trace, self.framework, self.shelf = trace, trace.header.framework, trace.shelf
        self.teacher = trace if teacher is None else teacher
        header = trace.header
        self.recording = Recording(
            header.steps, trace.group("output"), trace.group("low"), header.rounding, trace.group("weight")
        )

    def require_device(self) -> Pending[None]:
        return Done(None)

    def start(self, seed: int, blank: bool = False) -> Pending[list[LayerInfo]]:
        return Done(self.trace.header.layers)

    def unknown_weights(self) -> Pending[list[str]]:
        return Done([])

    def environment(self) -> Pending[dict[str, Any]]:
        return Done(self.trace.header.environment)

    def spare_cores(self, spared: int) -> Pending[None]:
        """Nothing is computed here."""
        return Done(None)

    def allow_tf32(self, allowed: bool) -> Pending[None]:
        """It was allowed or not when the trace was captured."""
        return Done(None)

    def allow_wide_types(self, allowed: bool) -> Pending[bool]:
        """What was computed is computed."""
        return Done(False)

    def require_onednn(self, asked: str) -> Pending[None]:
        """parity.capture has the option."""
        return Done(None)

    def fitted(self, x: Inputs, seed: int) -> Pending[Inputs]:
        """They were, when the trace was captured."""
        return Done(x)

    def meet(self, x: Inputs) -> Pending[list[LayerInfo]]:
        return Done(self.trace.header.layers)

    def expect(self, expected: Expected) -> Pending[None]:
        """The file has its own keys for the outputs, unless it was captured beside the other trace."""
        header = self.trace.header
        if header.against != self.teacher.header.identity:
            outputs = [step for step in header.steps if step.kind == "output"]
            found = placed([(name_of(step.path), step.shape) for step in outputs], expected)
            keys = {step.key: place.key for step, place in zip(outputs, found, strict=True)}
            self.__init__(self.trace.renamed(keys), self.teacher)  # type: ignore[misc]
        return Done(None)

    def randomize(self, x: Given, seed: int) -> NoReturn:
        self._refuse()

    def rename(
        self, names: Names, layers: dict[str, str], orders: dict[str, tuple[int, ...]]
    ) -> Pending[list[LayerInfo]]:
        if names.aliases or layers or orders:
            raise ParityError(
                f"{self.trace.path} must call its layers as the other trace does, and does not; capture Keras's with "
                "--against torch's trace"
            )
        return Done(self.trace.header.layers)

    def put_weights(self) -> Pending[dict[str, Place]]:
        return Done(self.recording.weights)

    def load(self, places: dict[str, Place]) -> NoReturn:
        self._refuse()

    def assign(self, arrays: dict[str, Array]) -> NoReturn:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ParityError("traces are compared as they are: nothing can be copied into one")

    def unequal(self, places: dict[str, Place]) -> Pending[dict[str, Difference]]:
        ours = ((name, self.shelf.get(place)) for name, place in self.recording.weights.items())
        return Done(unequal(ours, places, self.teacher.shelf))

    def weights_of(self, path: str) -> Pending[dict[str, Array]]:
        found = {name.rpartition("."): place for name, place in self.recording.weights.items()}
        places = {name: place for (owner, _, name), place in found.items() if owner == path}
        return Done({name: self.shelf.get(place).astype(float) for name, place in places.items()})

    def prepare(self, x: Given, dtype: str) -> Pending[list[StepInfo]]:
        return Done(self.trace.header.steps)

    def record(self, x: Given, dtype: str, look: Look = NOTHING, weights: bool = False) -> Pending[Recording]:
        missing = sorted(look.watch - self.recording.outputs.keys())
        if missing:
            raise ParityError(
                f"{self.trace.path} must hold what goes into {missing[0]}, which the other model feeds otherwise, and "
                "does not; run parity.check where both frameworks are"
            )
        return Done(self.recording)

    def replay(self, look: Look) -> Iterator[Step]:
        return iter([self._step(step) for step in self.trace.header.steps if step.key in look.want])

    def _step(self, info: StepInfo) -> Step:
        inputs = (f"{info.key}<{i}" for i in range(len(info.sources)))
        keys = [
            key if key in self.recording.outputs else source for key, source in zip(inputs, info.sources, strict=True)
        ]
        arrays = tuple(self._array(key) for key in keys if key in self.recording.outputs or is_input(key))
        feeds = info.key if info.key != info.path else None
        return Step(info.path, info.kind, self._array(info.key), list(info.sources), feeds, arrays)

    def _array(self, key: str) -> Array:
        if is_input(key) and key not in self.recording.outputs:
            x = self.trace.input()
            return next(x.batch_first(name) for name, own in x.keys.items() if own == key)
        return self.shelf.get(self.recording.outputs[key])

    def compare(self, recording: Recording, look: Look) -> Iterator[Compared]:
        header = self.trace.header
        for key, place in self.recording.outputs.items():
            if key not in recording.outputs:
                continue
            inherited = difference(self.shelf.get(place), self.teacher.shelf.get(recording.outputs[key]))
            low = self._low(key)
            between = Difference()
            if low is not None and key in recording.lows:
                between = difference(low, self.teacher.shelf.get(recording.lows[key]))
            rounding = header.rounding.get(key, Difference())
            yield Compared(key, inherited, rounding, between, header.notes.get(key), low if key in look.want else None)

    def _low(self, key: str) -> Array | None:
        place = self.recording.lows.get(key)
        return None if place is None else self.shelf.get(place)

    def forced(self, recording: Recording, look: Look) -> Iterator[Forced]:
        """What each step adds: measured if the one trace was captured against the other, else told by its inputs."""
        measured = self.trace.header.against == self.teacher.header.identity
        forced = self.trace.group("forced")
        same = dict.fromkeys(self.trace.input().keys.values(), True)
        for found in list(self.compare(recording, NOTHING)):
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

    def rerun(self, kind: str, inputs: tuple[Array, ...], weights: Weights, static: Static) -> Pending[Array | None]:
        """No framework is at hand."""
        return Done(by_formula(kind, inputs, weights, static))

    def calls(self, key: str) -> Pending[tuple[Call, ...]]:
        """A trace has none."""
        return Done(())

    def edited(self, key: str, edits: Sequence[Edit]) -> Pending[Array | None]:
        return Done(None)

    def losses(self, recording: Recording, keys: list[str]) -> Pending[dict[str, Place]]:
        """A trace does not know."""
        return Done({})

    def judge_forced_again(self, recording: Recording, losses: dict[str, Place]) -> Pending[dict[str, Difference]]:
        return Done({})

    def anchored(
        self, recording: Recording, look: Look, sound: Collection[str], narrow: Collection[str]
    ) -> Iterator[Anchored]:
        """No run can be made."""
        return iter(())

    def outputs(self, x: Given) -> NoReturn:
        self._without_gradients()

    def trained_steps(self, x: Given, look: Look) -> NoReturn:
        self._without_gradients()

    def teach(self, x: Given, seed: int, look: Look, aim: Aim | None = None) -> NoReturn:
        self._without_gradients()

    def teach_rounding(self, taught: Taught, x: Given, dtype: str, look: Look) -> NoReturn:
        self._without_gradients()

    def find_equal(self, x: Given, recording: Recording, likely: Keys, anchors: Keys) -> Iterator[Met]:
        """A trace's steps have been paired when it was captured."""
        return iter(())

    def free_gradients(self, x: Given, seed: int, look: Look, aim: Aim | None = None) -> NoReturn:
        self._without_gradients()

    def forced_gradients(self, taught: Taught, x: Given, dtype: str, look: Look, aim: Aim | None = None) -> NoReturn:
        self._without_gradients()

    def teach_losses(self, taught: Taught, names: list[Name]) -> NoReturn:
        self._without_gradients()

    def judge_again(self, taught: Taught) -> NoReturn:
        self._without_gradients()

    def _without_gradients(self) -> NoReturn:
        raise ParityError(
            f"{self.trace.path} holds a forward pass, and gradients need both models; "
            "run parity.check --gradients where both frameworks are"
        )
