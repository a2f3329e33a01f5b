"""What a process does with its side's model when it is asked: requests, in order -> answers and items.

Its methods are the requests. Their names never travel as text: a request is the method itself (see requests.py).
"""

import gc
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

from parity.errors import ParityError
from parity.frameworks.adapter import Trained, Trainer, adapter, title
from parity.frameworks.forcing import SideGradients
from parity.frameworks.overlay import lay_over
from parity.frameworks.side import Side, fitting, weights_of
from parity.models.aims import Aim
from parity.models.arrays import Array
from parity.models.calls import Call, Edit
from parity.models.inputs import Given, Inputs
from parity.models.keys import Key
from parity.models.kinds.kind import Static, Weights
from parity.models.layers import LayerInfo
from parity.models.losses import Truths
from parity.models.recipe import Recipe
from parity.models.steps import NOTHING, Expected, Look, Names, Step, StepInfo
from parity.verdict.anchors import Anchored
from parity.verdict.difference import Difference
from parity.verdict.measured import Compared, Forced, Measured, Met, Name

from .lessons import ShelfBoard, Taught, judgements
from .recorder import Recorder
from .recording import Place, Recording, Shelf
from .runner import Distances, Emit, Keys


class Stopped(Exception):
    """The run was told to end before its last step."""


class Engine:
    """Builds or is given one model of a framework, and runs it.

    It records on `shelf`, and reads the other side's recording from `theirs`. wait: answers requests, while a training
    run waits, for as long as what it is given is true.
    """

    def __init__(
        self,
        framework: str,
        shelf: Shelf,
        theirs: Shelf | None = None,
        spec: str = "",
        device: str = "cpu",
        wait: Callable[[Callable[[], bool]], None] | None = None,
    ) -> None:
        self.framework, self.spec, self.device = framework, spec, device
        self.shelf, self.theirs = shelf, shelf if theirs is None else theirs
        self._wait = wait
        self.given: tuple[Any, str] | None = None  # the latest input of a run, and the dtype
        self._waits = self._stops = False
        self._trained: Trained | None = None

    def own(self, side: Side, trainer: Trainer | None = None) -> list[LayerInfo]:
        """Work with this side from now on."""
        self.__dict__.pop("gradients", None)
        self._side, self._trainer = side, trainer
        self._recorder = Recorder(side, self.shelf, self.theirs)
        return side.layers()

    def run(self, x: Any, dtype: str, training: bool) -> None:
        """Run the model by itself, with nobody looking, in its own dtype if none is given. Raises what it raises."""
        self._side.run(x, dtype, training)

    def require_device(self) -> None:
        found = adapter(self.framework).devices()
        if self.device not in found:
            raise ParityError(
                f"--devices {self.device} needs a {self.device} device that {title(self.framework)} can use, and it "
                f"finds only {', '.join(found)} here; leave it out, or run where there is one"
            )

    def lay_over(self, texts: dict[str, str]) -> None:
        """Run these texts in place of those files, of what is imported from now on."""
        lay_over(texts)

    def start(self, seed: int, blank: bool = False) -> list[LayerInfo]:
        if self.device != "cpu":
            self.require_device()
        self.own(adapter(self.framework).open(self.spec, seed, self.device, blank))
        return self._side.settle()

    def unknown_weights(self) -> list[str]:
        return self._side.unknown_weights()

    def environment(self) -> dict[str, Any]:
        return self._side.environment()

    def spare_cores(self, spared: int) -> None:
        self._side.spare_cores(spared)

    def require_onednn(self, asked: str) -> None:
        self._side.require_onednn(asked)

    def allow_wide_types(self, allowed: bool) -> bool:
        return self._side.allow_wide_types(allowed)

    def allow_tf32(self, allowed: bool) -> None:
        self._side.allow_tf32(allowed)

    def fitted(self, x: Inputs, seed: int) -> Inputs:
        self.given = x, ""
        return self._side.fitted(x, seed)

    def meet(self, x: Inputs) -> list[LayerInfo]:
        self.given = x, ""
        return self._side.meet(x)

    def expect(self, expected: Expected) -> None:
        self._side.expect(expected)

    def randomize(self, x: Given, seed: int) -> None:
        self.given = x, ""
        self._side.randomize(x, seed)

    def rename(self, names: Names, layers: dict[str, str], orders: dict[str, tuple[int, ...]]) -> list[LayerInfo]:
        return self._side.rename(names, layers, orders)

    def put_weights(self) -> dict[str, Place]:
        return self._recorder.put_weights()

    def load(self, places: dict[str, Place]) -> None:
        self._recorder.load(places)

    def assign(self, arrays: dict[str, Array]) -> None:
        for name, array in arrays.items():
            self._side.load(name, array)

    def unequal(self, places: dict[str, Place]) -> dict[str, Difference]:
        return self._recorder.unequal(places)

    def weights_of(self, path: str) -> dict[str, Array]:
        return weights_of(self._side, path)

    def prepare(self, x: Given, dtype: str) -> list[StepInfo]:
        self.given = x, dtype
        return self._recorder.prepare(x, dtype)

    def record(self, x: Given, dtype: str, look: Look = NOTHING, weights: bool = False) -> Recording:
        self.given = x, dtype
        return self._recorder.record(x, dtype, look, weights)

    def compare(self, emit: Emit[Compared], recording: Recording, look: Look) -> None:
        self._recorder.compare(emit, recording, look)

    def forced(self, emit: Emit[Forced], recording: Recording, look: Look) -> None:
        self._recorder.forced(emit, recording, look)

    def find_equal(self, emit: Emit[Met], x: Given, recording: Recording, likely: Keys, anchors: Keys) -> None:
        self._recorder.find_equal(emit, x, recording, likely, anchors)

    def losses(self, recording: Recording, keys: list[str]) -> dict[str, Place]:
        return self._recorder.losses(recording, keys)

    def judge_forced_again(self, recording: Recording, losses: dict[str, Place]) -> dict[str, Difference]:
        return self._recorder.judge_forced_again(recording, losses)

    def anchored(
        self, emit: Emit[Anchored], recording: Recording, look: Look, sound: Collection[str], narrow: Collection[str]
    ) -> None:
        self._recorder.anchored(emit, recording, look, sound, narrow)

    def rerun(self, kind: str, inputs: tuple[Array, ...], weights: Weights, static: Static) -> Array | None:
        return fitting(lambda reruns: reruns.layer(kind, inputs, weights, static), self._side)

    def calls(self, key: str) -> tuple[Call, ...]:
        return fitting(lambda reruns: reruns.calls(key), self._side) or ()

    def edited(self, key: str, edits: Sequence[Edit]) -> Array | None:
        return fitting(lambda reruns: reruns.edited(key, edits), self._side)

    def replay(self, emit: Emit[Step], look: Look) -> None:
        self._recorder.replay(emit, look)

    @cached_property
    def gradients(self) -> SideGradients:
        return self._side.gradients()

    def free_gradients(
        self, emit: Emit[tuple[str, Array]], x: Given, seed: int, look: Look, aim: Aim | None = None
    ) -> None:
        self.given = x, "float64"
        self.gradients.aim = aim
        self.gradients.free(emit, x, seed, look)

    def forced_gradients(
        self, taught: Taught, x: Given, dtype: str, look: Look, aim: Aim | None = None
    ) -> dict[Name, Measured]:
        self.gradients.aim = aim
        self.given = x, dtype
        self._doubts = ShelfBoard(Shelf(), Taught())
        return self.gradients.forced(ShelfBoard(self.theirs, taught), x, dtype, look, self._doubts.put)

    def judge_again(self, taught: Taught) -> dict[Name, Difference]:
        board = ShelfBoard(self.theirs, taught)
        return dict(judgements(self._doubts, board))

    def teach_losses(self, taught: Taught, names: list[Name]) -> Taught:
        self.gradients.teach_losses(ShelfBoard(self.shelf, taught), names)
        return taught

    def trained_steps(self, x: Given, look: Look) -> list[StepInfo]:
        self.given = x, "float64"
        return self.gradients.steps(x, look)

    def teach(self, x: Given, seed: int, look: Look, aim: Aim | None = None) -> Taught:
        self.gradients.aim = aim
        self.given = x, "float64"
        self.shelf.clear()
        board = ShelfBoard(self.shelf, Taught())
        self.gradients.teach(board, x, seed, look)
        return board.taught

    def teach_rounding(self, taught: Taught, x: Given, dtype: str, look: Look) -> tuple[Taught, dict[Name, Measured]]:
        self.given = x, dtype
        board = ShelfBoard(self.shelf, taught)
        return taught, self.gradients.teach_rounding(board, x, dtype, look)

    def build(self, spec: str, seed: int, dtype: str) -> list[LayerInfo]:
        self.spec, self.given = spec, None
        for name in ("gradients", "_side", "_trainer", "_recorder"):
            self.__dict__.pop(name, None)
        gc.collect()  # hooks tie a model that was trained before, and all its copies, into cycles
        trainer = adapter(self.framework).trainer(spec, seed, dtype)
        return self.own(trainer.side, trainer)

    def outputs(self, x: Given) -> dict[str, tuple[Array, int]]:
        self.given = x, "float64"
        return self._side.outputs(x)

    def draws(self, recipe: Recipe, x: Array, y: Truths) -> list[Array]:
        self.given = x, ""
        return self._asked_trainer().draws(recipe, x, y)

    def _asked_trainer(self) -> Trainer:
        assert self._trainer is not None, "a model is built before it is trained"
        return self._trainer

    def train(
        self,
        emit: Emit[list[Place | Distances]],
        recipe: Recipe,
        x: Array,
        y: Truths,
        keys: list[Key],
        units: Sequence[float] = (),
    ) -> None:
        own = [key for key in keys if key[0] not in ("band", "size")]
        self.given = x[: recipe.batch_size], ""

        def visit(trained: Trained) -> None:
            self.shelf.end = 0  # over what the last step has left
            emit([trained.distances(own) if key[0] == "band" else self.shelf.put(trained.read(key)) for key in keys])
            self._trained, self._waits = trained, True
            assert self._wait is not None, "only a side in a process of its own can wait after a step"
            self._wait(lambda: self._waits)
            if self._stops:
                raise Stopped

        try:
            with suppress(Stopped):
                self._asked_trainer().train(recipe, x, y, visit, units)
        finally:
            self._trained, self._waits, self._stops = None, False, False

    def _step(self) -> Trained:
        assert self._trained is not None, "a step is asked while its run waits"
        return self._trained

    def read(self, key: Key) -> Array:
        return self._step().read(key)

    def before(self, key: Key) -> Array:
        return self._step().before(key)

    def write(self, key: Key, array: Array) -> None:
        self._step().write(key, array)

    def go_on(self) -> None:
        self._waits = False

    def stop(self) -> None:
        self._stops, self._waits = self._waits, False
