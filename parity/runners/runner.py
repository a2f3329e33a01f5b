"""One interface for a side that runs, here, in a process of its own, or read from a trace: questions -> its answers.

Every request returns at once. What is asked of two sides one after the other is done by both at the same time; only
`result()`, or the next item of a stream, waits.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

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

from .lessons import Taught
from .recording import Place, Recording, Shelf

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Keys = dict[str, str]  # of this side's steps, those of the other's

Emit = Callable[[T], None]

Distances = list[dict[str, tuple[float, float]]]  # of each nudged run, by kind of number


class Pending(Protocol[T_co]):
    """An answer that may still be on its way."""

    def result(self) -> T_co:
        """Wait for it. Raises the ParityError that it came to instead."""


@dataclass(frozen=True)
class Done(Generic[T]):
    """An answer that is there already."""

    value: T

    def result(self) -> T:
        return self.value


class Runner(Protocol):
    """A side that runs: all that a check asks of it. Arrays are in torch's layout, x is (N, C, ...).

    shelf: where its recordings lie, which the other side's runner reads.
    """

    framework: str
    shelf: Shelf

    def require_device(self) -> Pending[None]:
        """Nothing. Raises ParityError if the framework cannot use the device that is asked for."""

    def start(self, seed: int, blank: bool = False) -> Pending[list[LayerInfo]]:
        """Build the model and tell its layers. blank: its random weights may be zeros, as it gets others at once."""

    def unknown_weights(self) -> Pending[list[str]]:
        """Tensors that belong to no layer of a known kind."""

    def environment(self) -> Pending[dict[str, Any]]:
        """Versions, device, threads and flags that decide the numbers."""

    def spare_cores(self, spared: int) -> Pending[None]:
        """Compute with so many threads less than the process was started with."""

    def require_onednn(self, asked: str) -> Pending[None]:
        """Nothing. Raises ParityError unless Keras computes with oneDNN as is asked: "on", "off" or "as-is"."""

    def allow_wide_types(self, allowed: bool) -> Pending[bool]:
        """Let runs in every dtype have JAX's 64-bit types; whether that changes anything in its process."""

    def allow_tf32(self, allowed: bool) -> Pending[None]:
        """Let float32 products round to TF32's ten bits on a GPU that can, or not."""

    def fitted(self, x: Inputs, seed: int) -> Pending[Inputs]:
        """The inputs by the model's own names for them, token ids drawn where it embeds what is open (torch's side)."""

    def meet(self, x: Inputs) -> Pending[list[LayerInfo]]:
        """Find out how the model takes x, which builds it if it is not yet; its layers then."""

    def expect(self, expected: Expected) -> Pending[None]:
        """Call outputs by the keys of the other side's that they are (Keras's side)."""

    def randomize(self, x: Given, seed: int) -> Pending[None]:
        """Replace neutral statistics, scales and biases by random ones that fit the input."""

    def rename(
        self, names: Names, layers: dict[str, str], orders: dict[str, tuple[int, ...]]
    ) -> Pending[list[LayerInfo]]:
        """Call steps and layers as the other side does; tells the layers by their new names (see `Side.rename`)."""

    def put_weights(self) -> Pending[dict[str, Place]]:
        """Put every tensor on the shelf; where, by canonical name."""

    def load(self, places: dict[str, Place]) -> Pending[None]:
        """Set tensors that the other side has put on the shelf."""

    def assign(self, arrays: dict[str, Array]) -> Pending[None]:
        """Set tensors, in torch's layout, by canonical name."""

    def unequal(self, places: dict[str, Place]) -> Pending[dict[str, Difference]]:
        """How tensors differ from those that the other side has put on the shelf, where they do."""

    def weights_of(self, path: str) -> Pending[dict[str, Array]]:
        """One layer's tensors in float64, by torch's names."""

    def prepare(self, x: Given, dtype: str) -> Pending[list[StepInfo]]:
        """Run in the asked dtype, keep the outputs for `compare`, and tell the steps in order of execution."""

    def record(self, x: Given, dtype: str, look: Look = NOTHING, weights: bool = False) -> Pending[Recording]:
        """Run in the asked dtype and in float64; put all outputs, and the weights if asked, on the shelf."""

    def compare(self, recording: Recording, look: Look) -> Iterator[Compared]:
        """Run in float64, freely, beside the other side's recording: its common steps, as they are made."""

    def forced(self, recording: Recording, look: Look) -> Iterator[Forced]:
        """Run in float64, every step on the other side's numbers: what each adds, as it is made."""

    def find_equal(self, x: Given, recording: Recording, likely: Keys, anchors: Keys) -> Iterator[Met]:
        """Run on x in float64: every step, with those of the other side's recording that it equals, as they are made.

        likely: by this side's steps, those of the recording that they are by name or place. anchors: those with whose
        numbers they go on.
        """

    def losses(self, recording: Recording, keys: list[str]) -> Pending[dict[str, Place]]:
        """Put on the shelf how far off right float64 outputs of these steps of its recording may be, where known."""

    def judge_forced_again(self, recording: Recording, losses: dict[str, Place]) -> Pending[dict[str, Difference]]:
        """What steps of the last forced run add, now that it is known what float64 can lose there."""

    def anchored(
        self, recording: Recording, look: Look, sound: Collection[str], narrow: Collection[str]
    ) -> Iterator[Anchored]:
        """Run in float64, freely but for anchors among the `sound` steps: nothing where no run can be made.

        narrow: those of them that compute in float32 and were seen to add what that rounds.
        """

    def replay(self, look: Look) -> Iterator[Step]:
        """Run in float64: the steps that the Look wants, with their inputs."""

    def rerun(self, kind: str, inputs: tuple[Array, ...], weights: Weights, static: Static) -> Pending[Array | None]:
        """What this side's framework makes of a layer's data, in float64; None where it has nothing for the kind."""

    def calls(self, key: str) -> Pending[tuple[Call, ...]]:
        """The calls that made a step which the latest replay's Look wanted; none of a layer's."""

    def edited(self, key: str, edits: Sequence[Edit]) -> Pending[Array | None]:
        """The step's output with these changes of its calls; None where they do not fit."""

    def outputs(self, x: Given) -> Pending[dict[str, tuple[Array, int]]]:
        """By key, each output of floating-point numbers in float64, and along which of torch's axes its classes are."""

    def trained_steps(self, x: Given, look: Look) -> Pending[list[StepInfo]]:
        """Run in training mode, and tell the steps in order of execution: they may be others than in evaluation."""

    def teach(self, x: Given, seed: int, look: Look, aim: Aim | None = None) -> Pending[Taught]:
        """Run forward and backward in float64; put outputs, gradients and statistics on the shelf.

        aim: the loss; without one it is the outputs' sum, weighted by fixed random numbers.
        Raises ParityError where a side cannot run backward.
        """

    def teach_rounding(
        self, taught: Taught, x: Given, dtype: str, look: Look
    ) -> Pending[tuple[Taught, dict[Name, Measured]]]:
        """Run every step in `dtype` on what this very side has taught: that and the numbers made; its rounding."""

    def free_gradients(self, x: Given, seed: int, look: Look, aim: Aim | None = None) -> Iterator[tuple[str, Array]]:
        """Run forward and backward in float64: loss, input gradient, every tensor's gradient or statistic.

        Raises ParityError where a side cannot run backward.
        """

    def forced_gradients(
        self, taught: Taught, x: Given, dtype: str, look: Look, aim: Aim | None = None
    ) -> Pending[dict[Name, Measured]]:
        """Run every step forward and backward on the teacher's numbers in `dtype`: what differs."""

    def teach_losses(self, taught: Taught, names: list[Name]) -> Pending[Taught]:
        """Put on the shelf how far off right numbers of these names may be."""

    def judge_again(self, taught: Taught) -> Pending[dict[Name, Difference]]:
        """What differed in the forced run in float64, now that it is known what float64 can lose there."""


class TrainingRunner(Runner, Protocol):
    """A Runner that trains too. In a run it waits after every step, and answers, until it is told to go on."""

    def build(self, spec: str, seed: int, dtype: str) -> Pending[list[LayerInfo]]:
        """Build another model, "package.module:factory", to be trained in `dtype`, and tell its layers."""

    def draws(self, recipe: Recipe, x: Array, y: Truths) -> Pending[list[Array]]:
        """The losses of two forward passes in training mode: they differ where numbers are drawn."""

    def train(
        self, recipe: Recipe, x: Array, y: Truths, keys: list[Key], units: Sequence[float] = ()
    ) -> Iterator[list[Place | Distances]]:
        """Train on batches of x (E * N, C, ...) and their targets y: after each step, where what keys name lies.

        It lies there until the run goes on. units: of as many nudged runs, whose distances the key ("band", "") names.
        """

    def read(self, key: Key) -> Pending[Array]:
        """What a key names, after the step."""

    def before(self, key: Key) -> Pending[Array]:
        """A weight, statistic or state before the step."""

    def write(self, key: Key, array: Array) -> Pending[None]:
        """Set a weight or state."""

    def go_on(self) -> Pending[None]:
        """Take the next step."""

    def stop(self) -> Pending[None]:
        """End the run after this step; nothing where none waits."""
