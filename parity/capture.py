"""A model's run as steps. Past this point there are only NumPy arrays in torch's layout.

A side (`sides.torch_side.TorchSide`, `sides.keras_side.KerasSide`) runs its model and calls `visit` with a Step after
each layer; what is done with the Steps is in `sides.runner`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from .compare import Array


@dataclass(frozen=True)
class LayerInfo:
    """What a side tells of one layer without running it. `weights`: torch-layout shapes by torch's names.

    initial: what its kernel was drawn from, if that is known; see initializers.py.
    """

    path: str
    kind: str
    weights: dict[str, tuple[int, ...]]
    static: dict[str, Any]
    initial: dict[str, Any] | None = None


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


def weights_of(side: Side, path: str) -> dict[str, Array]:
    """One layer's tensors, by torch's names and in torch's layout, in float64."""
    found = ((name.rpartition("."), array) for name, array in side.weights())
    return {name: array.astype(np.float64) for (owner, _, name), array in found if owner == path}


if __name__ == "__main__":
    import sys

    from parity.traces.commands import capture_main

    sys.exit(capture_main())
