"""Every method of a Runner as a request: the Engine's method that does it, with its arguments. Both ends share it.

Who has the Engine, in this process or in another, says in `_ask` and `_stream` how a request gets there.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

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

from .engine import Engine
from .lessons import Taught
from .recording import Place, Recording, Shelf
from .runner import Distances, Emit, Keys, Pending, TrainingRunner

P = ParamSpec("P")
T = TypeVar("T")


class Requests(TrainingRunner, ABC):
    """See `Runner` and `TrainingRunner` for what each request does."""

    framework: str
    shelf: Shelf

    @abstractmethod
    def _ask(self, request: Callable[Concatenate[Engine, P], T], *args: P.args, **kwargs: P.kwargs) -> Pending[T]:
        """Let the Engine do it."""

    @abstractmethod
    def _stream(
        self, request: Callable[Concatenate[Engine, Emit[T], P], None], *args: P.args, **kwargs: P.kwargs
    ) -> Iterator[T]:
        """Let the Engine do what emits items, from now on, not from the first item that is asked for."""

    def require_device(self) -> Pending[None]:
        return self._ask(Engine.require_device)

    def lay_over(self, texts: dict[str, str]) -> Pending[None]:
        """Let a process of its own run these texts in place of the user's files, by their paths."""
        return self._ask(Engine.lay_over, texts)

    def start(self, seed: int, blank: bool = False) -> Pending[list[LayerInfo]]:
        return self._ask(Engine.start, seed, blank)

    def unknown_weights(self) -> Pending[list[str]]:
        return self._ask(Engine.unknown_weights)

    def environment(self) -> Pending[dict[str, Any]]:
        return self._ask(Engine.environment)

    def spare_cores(self, spared: int) -> Pending[None]:
        return self._ask(Engine.spare_cores, spared)

    def require_onednn(self, asked: str) -> Pending[None]:
        return self._ask(Engine.require_onednn, asked)

    def allow_wide_types(self, allowed: bool) -> Pending[bool]:
        return self._ask(Engine.allow_wide_types, allowed)

    def allow_tf32(self, allowed: bool) -> Pending[None]:
        return self._ask(Engine.allow_tf32, allowed)

    def fitted(self, x: Inputs, seed: int) -> Pending[Inputs]:
        return self._ask(Engine.fitted, x, seed)

    def meet(self, x: Inputs) -> Pending[list[LayerInfo]]:
        return self._ask(Engine.meet, x)

    def expect(self, expected: Expected) -> Pending[None]:
        return self._ask(Engine.expect, expected)

    def randomize(self, x: Given, seed: int) -> Pending[None]:
        return self._ask(Engine.randomize, x, seed)

    def rename(
        self, names: Names, layers: dict[str, str], orders: dict[str, tuple[int, ...]]
    ) -> Pending[list[LayerInfo]]:
        return self._ask(Engine.rename, names, layers, orders)

    def put_weights(self) -> Pending[dict[str, Place]]:
        return self._ask(Engine.put_weights)

    def load(self, places: dict[str, Place]) -> Pending[None]:
        return self._ask(Engine.load, places)

    def assign(self, arrays: dict[str, Array]) -> Pending[None]:
        return self._ask(Engine.assign, arrays)

    def unequal(self, places: dict[str, Place]) -> Pending[dict[str, Difference]]:
        return self._ask(Engine.unequal, places)

    def weights_of(self, path: str) -> Pending[dict[str, Array]]:
        return self._ask(Engine.weights_of, path)

    def prepare(self, x: Given, dtype: str) -> Pending[list[StepInfo]]:
        return self._ask(Engine.prepare, x, dtype)

    def record(self, x: Given, dtype: str, look: Look = NOTHING, weights: bool = False) -> Pending[Recording]:
        return self._ask(Engine.record, x, dtype, look, weights)

    def compare(self, recording: Recording, look: Look) -> Iterator[Compared]:
        return self._stream(Engine.compare, recording, look)

    def forced(self, recording: Recording, look: Look) -> Iterator[Forced]:
        return self._stream(Engine.forced, recording, look)

    def find_equal(self, x: Given, recording: Recording, likely: Keys, anchors: Keys) -> Iterator[Met]:
        return self._stream(Engine.find_equal, x, recording, likely, anchors)

    def losses(self, recording: Recording, keys: list[str]) -> Pending[dict[str, Place]]:
        return self._ask(Engine.losses, recording, keys)

    def judge_forced_again(self, recording: Recording, losses: dict[str, Place]) -> Pending[dict[str, Difference]]:
        return self._ask(Engine.judge_forced_again, recording, losses)

    def anchored(
        self, recording: Recording, look: Look, sound: Collection[str], narrow: Collection[str]
    ) -> Iterator[Anchored]:
        return self._stream(Engine.anchored, recording, look, sound, narrow)

    def rerun(self, kind: str, inputs: tuple[Array, ...], weights: Weights, static: Static) -> Pending[Array | None]:
        return self._ask(Engine.rerun, kind, inputs, weights, static)

    def calls(self, key: str) -> Pending[tuple[Call, ...]]:
        return self._ask(Engine.calls, key)

    def edited(self, key: str, edits: Sequence[Edit]) -> Pending[Array | None]:
        return self._ask(Engine.edited, key, edits)

    def replay(self, look: Look) -> Iterator[Step]:
        return self._stream(Engine.replay, look)

    def free_gradients(self, x: Given, seed: int, look: Look, aim: Aim | None = None) -> Iterator[tuple[str, Array]]:
        return self._stream(Engine.free_gradients, x, seed, look, aim)

    def trained_steps(self, x: Given, look: Look) -> Pending[list[StepInfo]]:
        return self._ask(Engine.trained_steps, x, look)

    def teach(self, x: Given, seed: int, look: Look, aim: Aim | None = None) -> Pending[Taught]:
        return self._ask(Engine.teach, x, seed, look, aim)

    def teach_rounding(
        self, taught: Taught, x: Given, dtype: str, look: Look
    ) -> Pending[tuple[Taught, dict[Name, Measured]]]:
        return self._ask(Engine.teach_rounding, taught, x, dtype, look)

    def forced_gradients(
        self, taught: Taught, x: Given, dtype: str, look: Look, aim: Aim | None = None
    ) -> Pending[dict[Name, Measured]]:
        return self._ask(Engine.forced_gradients, taught, x, dtype, look, aim)

    def teach_losses(self, taught: Taught, names: list[Name]) -> Pending[Taught]:
        return self._ask(Engine.teach_losses, taught, names)

    def judge_again(self, taught: Taught) -> Pending[dict[Name, Difference]]:
        return self._ask(Engine.judge_again, taught)

    def build(self, spec: str, seed: int, dtype: str) -> Pending[list[LayerInfo]]:
        return self._ask(Engine.build, spec, seed, dtype)

    def outputs(self, x: Given) -> Pending[dict[str, tuple[Array, int]]]:
        return self._ask(Engine.outputs, x)

    def draws(self, recipe: Recipe, x: Array, y: Truths) -> Pending[list[Array]]:
        return self._ask(Engine.draws, recipe, x, y)

    def train(
        self, recipe: Recipe, x: Array, y: Truths, keys: list[Key], units: Sequence[float] = ()
    ) -> Iterator[list[Place | Distances]]:
        return self._stream(Engine.train, recipe, x, y, keys, units)

    def read(self, key: Key) -> Pending[Array]:
        return self._ask(Engine.read, key)

    def before(self, key: Key) -> Pending[Array]:
        return self._ask(Engine.before, key)

    def write(self, key: Key, array: Array) -> Pending[None]:
        return self._ask(Engine.write, key, array)

    def go_on(self) -> Pending[None]:
        return self._ask(Engine.go_on)

    def stop(self) -> Pending[None]:
        return self._ask(Engine.stop)
