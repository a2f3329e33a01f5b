"""What one process does with its side's model: run it, keep its numbers in a file, compare them with a Recording.

Nothing keeps all activations in memory. torch records while Keras is still importing; Keras then runs beside the
recording, freely and forced, and what leaves this process are numbers.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from parity.errors import ParityError
from parity.frameworks.side import Side
from parity.models.arrays import Array
from parity.models.inputs import Given, inputs_of, is_input
from parity.models.steps import NOTHING, Look, Step, StepInfo, info
from parity.verdict.anchors import Anchored, Anchors
from parity.verdict.carried import Carried
from parity.verdict.difference import Difference, difference, is_rounding
from parity.verdict.measured import Compared, Forced, Met
from parity.verdict.narrow import Narrow
from parity.verdict.rounding import within

from .meeting import Meeting
from .recording import Place, Recording, Shelf
from .runner import Emit, Keys

T = TypeVar("T")

WAITING = 4  # steps: a convolution computes long and compares fast, what follows it the other way round


class Recorder:
    """Runs a side's model. It records on `shelf`, and reads the other side's recording from `theirs`.

    In a check that is one file, which both processes share; what only this one needs has another.
    """

    def __init__(self, side: Side, shelf: Shelf, theirs: Shelf | None = None) -> None:
        self.side, self.shelf = side, shelf
        self.theirs = shelf if theirs is None else theirs
        self._own = Shelf()
        self._lows: dict[str, Place] = {}
        self._doubts: dict[str, Place] = {}  # what a forced run has made that is more than rounding of any step
        self._x: Any = None

    def put_weights(self) -> dict[str, Place]:
        """Put every tensor on the shared shelf."""
        return {name: self.shelf.put(array) for name, array in self.side.weights()}

    def load(self, places: dict[str, Place]) -> None:
        """Set tensors that the other side has put on the shelf."""
        for name, place in places.items():
            self.side.load(name, self.theirs.get(place))

    def unequal(self, places: dict[str, Place]) -> dict[str, Difference]:
        """How this side's tensors differ from those that the other has put on the shelf, where they do."""
        return unequal(self.side.weights(), places, self.theirs)

    def prepare(self, x: Given, dtype: str) -> list[StepInfo]:
        """Run in the asked dtype, keep the outputs, and return the steps in order of execution."""
        self._own.clear()
        steps, self._lows = self._run_low(x, dtype, self._own)
        self._x = x
        return steps

    def _run_low(self, x: Given, dtype: str, shelf: Shelf) -> tuple[list[StepInfo], dict[str, Place]]:
        steps: list[StepInfo] = []
        lows: dict[str, Future[Place]] = {}

        def visit(step: Step) -> None:
            steps.append(info(step))
            if dtype != "float64":
                lows[step.key] = pool.submit(shelf.put, step.output)

        with ThreadPoolExecutor(1) as pool:
            self.side.trace(x, dtype, visit)
        return steps, {key: place.result() for key, place in lows.items()}

    def record(self, x: Given, dtype: str, look: Look = NOTHING, weights: bool = False) -> Recording:
        """Run in the asked dtype and, if it is another, in float64; put outputs, and weights, on the shared shelf."""
        self.shelf.clear()
        tensors = self.put_weights() if weights else {}
        self._x = x
        steps, lows = self._run_low(x, dtype, self.shelf) if dtype != "float64" else ([], {})
        outputs: dict[str, Place] = {}
        notes: dict[str, str] = {}
        narrow: dict[str, str] = {}
        rounding: dict[str, Future[Difference]] = {}
        expected = iter(lows)

        def visit(step: Step) -> None:
            if dtype == "float64":
                steps.append(info(step))
            outputs[step.key] = self.shelf.put(step.output)
            if step.note:
                notes[step.key] = step.note
            if step.narrow:
                narrow[step.key] = step.narrow
            low = self._low_of(step.key, lows, expected, look)
            if low is not None:
                rounding[step.key] = pool.submit(self._rounding, low, step.output)

        with ThreadPoolExecutor(1) as pool:
            self.side.trace(x, "float64", visit, look)
        rounded = {key: found.result() for key, found in rounding.items()}
        return Recording(steps, outputs, lows, rounded, tensors, notes, narrow)

    def _rounding(self, low: Place, output: Array) -> Difference:
        return difference(self.shelf.get(low), output)

    def _low_of(self, key: str, lows: dict[str, Place], expected: Iterator[str], look: Look) -> Place | None:
        """Where the step's output in the asked dtype lies: the next one, as the same steps run again."""
        if not lows or (key in look.watch and key not in lows):
            return None
        if key not in lows and "<" in key:
            return None  # a cast that this dtype alone needs, seen where it goes into the next step
        wanted = next((low for low in expected if low == key or "<" not in low), "nothing")
        if key != wanted:
            raise ParityError(
                f"{self.side.framework} ran {key} where it ran {wanted} before: a model must take the same steps "
                "on the same input; remove what is random in its control flow"
            )
        return lows[key]

    def compare(self, emit: Emit[Compared], recording: Recording, look: Look) -> None:
        """Run in float64 and emit a `Compared` for every step that the recording has too."""
        expected = iter(self._lows)
        narrow = Narrow(recording.outputs.keys())

        def visit(step: Step) -> None:
            place = self._low_of(step.key, self._lows, expected, look)
            step.narrow = narrow.of(step, step.narrow)
            if step.key in recording.outputs:
                later.put(self._compared, step, place, recording, step.key in look.want)

        with _Later(emit) as later:
            self.side.trace(self._x, "float64", visit, look)

    def _compared(self, step: Step, place: Place | None, recording: Recording, wanted: bool) -> Compared:
        key = step.key
        inherited = difference(step.output, self.theirs.get(recording.outputs[key]))
        if place is None:
            return Compared(key, inherited, Difference(), Difference(), step.note, None, step.narrow)
        low = self._own.get(place)
        theirs = recording.lows.get(key)
        between = Difference() if theirs is None else difference(low, self.theirs.get(theirs))
        return Compared(
            key, inherited, difference(low, step.output), between, step.note, low if wanted else None, step.narrow
        )

    def forced(self, emit: Emit[Forced], recording: Recording, look: Look) -> None:
        """Run in float64, every step on what the recording has, and emit a `Forced` for each."""
        self._doubts = {}
        carried = Carried()

        def told(step: Step) -> Forced | None:
            place = recording.outputs.get(step.key)
            if place is not None:
                return self._forced(step, self.theirs.get(place), step.key in look.want, carried)
            # The other side has no such step: its output stays as it is.
            return Forced(step.key, Difference(), step.output) if step.key in look.want else None

        self._led(self._x, emit, told, lambda step: recording.outputs.get(step.key), look)

    def find_equal(self, emit: Emit[Met], x: Given, recording: Recording, likely: Keys, anchors: Keys) -> None:
        """Run in float64 and emit every step with those of the recording that it equals.

        likely: the recording's that they are by name or place. anchors: steps that go on with the numbers of one of
        the recording's, which are told by its key.
        """
        meeting = Meeting(recording, self.theirs, likely)

        def place_of(step: Step) -> Place | None:
            """What a step in float32 has rounded goes no further."""
            key = anchors.get(step.key) or meeting.nearly(step)
            return None if key is None else recording.outputs.get(key)

        self._led(x, emit, meeting.met, place_of, Look(raw=True), meeting.note)

    def _led(
        self,
        x: Given,
        emit: Emit[T],
        told: Callable[[Step], T | None],
        place_of: Callable[[Step], Place | None],
        look: Look,
        note: Callable[[Step], None] = lambda step: None,
    ) -> None:
        """Run in float64, steps going on with the other side's numbers where these have a place, and emit what is told.

        Numbers of another shape, or in an order that a flattened tensor's user reads otherwise, may be more than the
        model can go on with: then it runs again without those of another shape, and then without any.
        """
        seen: set[str] = set()

        def run(fits: Callable[[Array, Step], bool]) -> None:
            def visit(step: Step) -> Array | None:
                if step.key not in seen:
                    seen.add(step.key)
                    note(step)
                    later.put(told, step)
                place = place_of(step)
                array = None if place is None else self.theirs.get(place)
                return array if array is not None and fits(array, step) else None

            with _Later(lambda item: None if item is None else emit(item)) as later:
                self.side.trace(x, "float64", visit, look)

        for fits in (lambda array, step: True, lambda array, step: array.shape == step.output.shape):
            try:
                run(fits)
                return
            except ParityError:
                raise
            except Exception:  # noqa: BLE001  whatever a framework says of shapes that do not fit
                continue
        run(lambda array, step: False)

    def _forced(self, step: Step, theirs: Array, wanted: bool, carried: Carried) -> Forced:
        between = step.feeds is not None or step.maker  # made by operators, which are given no other numbers
        added = difference(carried.without(step.output, theirs) if between else step.output, theirs)
        if added.finite and not is_rounding(added):
            self._doubts[step.key] = self._own.put(step.output)
        return Forced(step.key, added, step.output if wanted else None)

    def losses(self, recording: Recording, keys: list[str]) -> dict[str, Place]:
        """Put on the shared shelf how far off right outputs of these steps may be, of those where that is known."""
        steps = {step.key: step for step in recording.steps}
        teacher, x = self.side.gradients(), inputs_of(self._x)
        given = {key: x.batch_first(name) for name, key in x.keys.items()}

        def made(key: str) -> Array | None:
            if is_input(key):
                return np.asarray(given[key], np.float64)
            place = recording.outputs.get(key)
            return None if place is None else self.shelf.get(place)

        found = ((key, teacher.lost_in_evaluation(steps, key, made)) for key in keys)
        return {key: self.shelf.put(lost) for key, lost in found if lost is not None}

    def judge_forced_again(self, recording: Recording, losses: dict[str, Place]) -> dict[str, Difference]:
        """What the forced run's doubtful steps add, now that it is known what float64 can lose there."""
        known = {key: place for key, place in losses.items() if key in self._doubts}
        return {key: self._judged_again(recording, key, place) for key, place in known.items()}

    def _judged_again(self, recording: Recording, key: str, lost: Place) -> Difference:
        mine, theirs = self._own.get(self._doubts[key]), self.theirs.get(recording.outputs[key])
        return within(mine, theirs, self.theirs.get(lost)) or difference(mine, theirs)

    def anchored(
        self, emit: Emit[Anchored], recording: Recording, look: Look, sound: Collection[str], narrow: Collection[str]
    ) -> None:
        """Run in float64, freely but for the anchors, and emit an `Anchored` for every step that the recording has."""
        anchors = Anchors(sound, narrow)

        def visit(step: Step) -> Array | None:
            place = recording.outputs.get(step.key)
            if place is None:
                anchors.pass_by(step)
                return None
            found = anchors.judge(step, difference(step.output, theirs := self.theirs.get(place)))
            emit(found)
            return theirs if found.anchor else None

        self.side.trace(self._x, "float64", visit, look)

    def replay(self, emit: Emit[Step], look: Look) -> None:
        """Run in float64 and emit the steps that the Look wants, with their inputs."""
        self.side.trace(self._x, "float64", lambda step: emit(step) if step.key in look.want else None, look)


def unequal(ours: Iterable[tuple[str, Array]], places: dict[str, Place], shelf: Shelf) -> dict[str, Difference]:
    """Every tensor that is not the same number for number on the shelf, by name."""
    found = ((name, difference(array, shelf.get(places[name]))) for name, array in ours if name in places)
    return {name: each for name, each in found if each.greatest != 0 or not each.finite}


class _Later:
    """Emits what a second thread computes, in order, while the model runs on; only a few steps wait for their turn."""

    def __init__(self, emit: Emit[Any]) -> None:
        self.emit = emit
        self._pool = ThreadPoolExecutor(1)
        self._waiting: deque[Future[Any]] = deque()

    def put(self, function: Callable[..., Any], *args: Any) -> None:
        self._waiting.append(self._pool.submit(function, *args))
        while len(self._waiting) > WAITING or (self._waiting and self._waiting[0].done()):
            self.emit(self._waiting.popleft().result())

    def __enter__(self) -> "_Later":
        return self

    def __exit__(self, kind: Any, *rest: object) -> None:
        self._pool.shutdown(cancel_futures=kind is not None)
        for future in self._waiting if kind is None else ():
            self.emit(future.result())
