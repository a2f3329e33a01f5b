"""Run a model and see every layer as it runs. Past this point there are only NumPy arrays in torch's layout.

A side (`torch_side.TorchSide`, `keras_side.KerasSide`) runs its model and calls `visit` with a Step after each layer.
`Capture` makes of two runs, one in the asked dtype and one in float64, a stream of Records. Nothing keeps all
activations in memory: the first run's outputs wait in a file, and a Record lives until the next one.
"""

import tempfile
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any, NamedTuple, Protocol

import numpy as np

from .compare import Array, Difference, difference
from .errors import ParityError


@dataclass(frozen=True)
class LayerInfo:
    """What a side tells of one layer without running it. `weights`: torch-layout shapes by torch's names."""

    path: str
    kind: str
    weights: dict[str, tuple[int, ...]]
    static: dict[str, Any]


@dataclass
class Step:
    """One call of one layer, or one tensor made between layers (`glue`: an addition, a concatenation).

    `path` is the layer's, with "#2" for its second call; a glue step carries the path of the operation if the
    framework knows it, and `feeds`, the input ("layer1.0.relu#2<0") that it is, by which both sides recognise it.
    `sources` says for each input which step made it: a key, "input", or "glue". The last step is the model's "output".
    `inputs` are there only for the steps that a Look wants them of.
    function: a function that the model calls itself, not a layer. free: computes nothing, so it needs no partner.
    origins: of glue, the steps it was made of, None where that was not seen. order: of a Dense layer's input, where
    its numbers came from (see orders.py). note: what the reader must know of how the step was run.
    """

    path: str
    kind: str
    output: Array
    sources: list[str] = field(default_factory=list)
    feeds: str | None = None
    inputs: tuple[Array, ...] = ()
    function: bool = False
    free: bool = False
    origins: tuple[str, ...] | None = None
    order: tuple[str, tuple[int, ...]] | None = None
    note: str | None = None

    @property
    def key(self) -> str:
        """What identifies the step on both sides."""
        return self.feeds or self.path


@dataclass(frozen=True)
class Look:
    """What to show beside the steps.

    watch: inputs to show as glue steps although a layer made them, because on the other side something else did.
    want: steps whose inputs are to be shown too.
    """

    watch: frozenset[str] = frozenset()
    want: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Names:
    """What a side is to call its steps: `aliases` by its own names (Keras's by torch's); those `hidden` pass unseen."""

    aliases: dict[str, str] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True)
class StepInfo:
    """A step without its numbers."""

    key: str
    path: str
    kind: str
    shape: tuple[int, ...]
    sources: tuple[str, ...] = ()
    function: bool = False
    free: bool = False
    origins: tuple[str, ...] | None = None
    order: tuple[str, tuple[int, ...]] | None = None
    note: str | None = None


def info(step: Step) -> StepInfo:
    """A step without its numbers."""
    described = step.function, step.free, step.origins, step.order, step.note
    return StepInfo(step.key, step.path, step.kind, step.output.shape, tuple(step.sources), *described)


@dataclass
class Record:
    """A step in float64, with this side's rounding error in the asked dtype and its output in that dtype."""

    step: Step
    rounding: Difference
    low: Array | None


Visit = Callable[[Step], Array | None]
NOTHING = Look()


class Codec(NamedTuple):
    """How a step's tensor becomes an array (N, C, ...) and back: `like(array, x)` is a tensor as x is."""

    array: Callable[[Any], Array]
    like: Callable[[Array, Any], Any]


class Tape(Protocol):
    """Gets a run's live tensors, so that gradients can be taken. A run with a Tape is in training mode."""

    def made(self, key: str, x: Any, taught: Any, codec: Codec) -> Any:
        """A step's output, "input" or what feeds a layer; `taught` replaces it, if not None. What to go on with."""

    def fed(self, feeds: str, x: Any, codec: Codec) -> Any:
        """A tensor that goes into a layer as `feeds`, "conv1<0": what to give the layer."""


class Side(Protocol):
    """A model with its framework: all the rest of the package knows of either."""

    framework: str

    def layers(self) -> list[LayerInfo]:
        """Every layer, in order of definition."""

    def weights(self) -> Iterator[tuple[str, Array]]:
        """Every tensor by canonical name, in torch's layout."""

    def load(self, name: str, array: Array) -> None:
        """Set one tensor, given in torch's layout."""

    def unknown_weights(self) -> list[str]:
        """Tensors that belong to no layer of a known kind: they could neither be copied nor compared."""

    def rename(self, names: Names, layers: dict[str, str], orders: dict[str, tuple[int, ...]]) -> list[LayerInfo]:
        """Call steps and layers as the other side does, and take the rows of Dense kernels in these orders.

        Returns the layers, by their new names.
        """

    def randomize(self, x: Array, seed: int) -> None:
        """Replace neutral statistics, scales and biases by random ones that fit the input (see probes.py)."""

    def trace(self, x: Array, dtype: str, visit: Visit, look: Look = NOTHING, tape: Any = None) -> None:
        """Run and call `visit` after each step; an array that it returns replaces the output.

        In evaluation mode and without gradients, or, with a Tape, in training mode and with them.
        """

    def gradients(self) -> Any:
        """This side's half of the gradient check, a `forcing.SideGradients`."""

    def environment(self) -> dict[str, Any]:
        """Versions, device, threads and flags that decide the numbers."""


class Spool:
    """Arrays written to a temporary file one after another and read back in the same order."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="parity-")  # noqa: SIM115
        weakref.finalize(self, self._file.close)  # of a run that nobody streamed
        self._headers: list[tuple[str, np.dtype[Any], tuple[int, ...], tuple[int, ...]]] = []
        self.keys: set[str] = set()

    def write(self, key: str, array: Array) -> None:
        order = memory_order(array)
        flat = np.ascontiguousarray(array.transpose(order))
        self._headers.append((key, flat.dtype, flat.shape, order))
        self.keys.add(key)
        self._file.write(flat.reshape(-1).view(np.uint8).data)

    def read(self) -> Iterator[tuple[str, Array]]:
        self._file.seek(0)
        for key, dtype, shape, order in self._headers:
            flat = np.fromfile(self._file, dtype, int(np.prod(shape))).reshape(shape)
            yield key, flat.transpose(np.argsort(order))

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def memory_order(array: Array) -> tuple[int, ...]:
    """The axes from the slowest to the fastest in memory: transposed by them, a permuted array is contiguous."""
    return tuple(sorted(range(array.ndim), key=lambda axis: -array.strides[axis]))


class Capture:
    """One side's run on one input: first in the asked dtype, kept in a file, then in float64, layer by layer."""

    def __init__(self, side: Side, x: Array, dtype: str) -> None:
        self.side, self.x, self.dtype = side, x, dtype
        self._spool = Spool()

    def prepare(self) -> list[StepInfo]:
        """Run in the asked dtype and return the steps in order of execution."""
        steps: list[StepInfo] = []

        def visit(step: Step) -> None:
            steps.append(info(step))
            if self.dtype != "float64":
                self._spool.write(step.key, step.output)

        self.side.trace(self.x, self.dtype, visit)
        return steps

    def stream(self, emit: Callable[[Record], None], look: Look) -> None:
        """Run in float64 and emit every step, with its rounding error in the asked dtype, as it happens."""
        lows = self._spool.read()

        def visit(step: Step) -> None:
            if self.dtype == "float64":
                emit(Record(step, Difference(), None))
                return
            if step.key in look.watch and step.key not in self._spool.keys:
                emit(Record(step, Difference(), None))
                return
            key, low = next(lows, ("nothing", np.empty(0)))
            if key != step.key:
                raise ParityError(
                    f"{self.side.framework} ran {step.key} where it ran {key} before: a model must take the same steps "
                    "on the same input; remove what is random in its control flow"
                )
            emit(Record(step, difference(low, step.output), low))

        try:
            self.side.trace(self.x, "float64", visit, look)
        finally:
            self._spool.close()

    def replay(self, emit: Callable[[Record], None], look: Look) -> None:
        """Run in float64 once more and emit every step."""
        self.side.trace(self.x, "float64", lambda step: emit(Record(step, Difference(), None)), look)

    def forced(self, exchange: Visit, look: Look) -> None:
        """Run in float64 with every step's output replaced by what `exchange` answers: the other side's."""
        self.side.trace(self.x, "float64", exchange, look)


@dataclass(frozen=True)
class Exchange:
    """The visit of a forced run: names the step, gets the other side's output, and answers how this one differs.

    The answer carries this side's own output too where the Look wants it. Where the other side has no such step
    (None), the output stays as it is.
    """

    send: Callable[[Any], None]
    receive: Callable[[], Array | None]
    look: Look

    def __call__(self, step: Step) -> Array | None:
        self.send(step.key)
        theirs = self.receive()
        if theirs is not None:
            own = np.ascontiguousarray(step.output) if step.key in self.look.want else None
            self.send((difference(step.output, theirs), own))
        return theirs


def weights_of(side: Side, path: str) -> dict[str, Array]:
    """One layer's tensors, by torch's names and in torch's layout, in float64."""
    found = ((name.rpartition("."), array) for name, array in side.weights())
    return {name: array.astype(np.float64) for (owner, _, name), array in found if owner == path}
