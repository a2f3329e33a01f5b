"""What a framework's adapter must be: a `Side`, a model that can be walked, read, set and run step by step."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from parity.models.arrays import Array
from parity.models.calls import Call, Edit
from parity.models.inputs import Given, Inputs
from parity.models.kinds.kind import Static, Weights
from parity.models.layers import LayerInfo
from parity.models.steps import NOTHING, Expected, Look, Names, Visit

from .forcing import SideGradients

R = TypeVar("R")


class Codec(NamedTuple):
    """How a step's tensor becomes an array (N, C, ...) and back: `like(array, x)` is a tensor as x is."""

    array: Callable[[Any], Array]
    like: Callable[[Array, Any], Any]


class Tape(Protocol):
    """Gets a run's live tensors, so that gradients can be taken. A run with a Tape is in training mode."""

    def made(self, key: str, x: Any, taught: Any, codec: Codec) -> Any:
        """A step's output, an input ("input", "input:ids") or what feeds a layer: what to go on with.

        That is `taught`, if it is not None.
        """

    def fed(self, feeds: str, x: Any, codec: Codec) -> Any:
        """A tensor that goes into a layer as `feeds`, "conv1<0": what to give the layer."""


class Watching:
    """A Tape that changes nothing. model: a torch model's copy to be trained."""

    def __init__(self, model: Any = None) -> None:
        self.model = model

    def made(self, key: str, x: Any, taught: Any, codec: Codec) -> Any:
        return x

    def fed(self, feeds: str, x: Any, codec: Codec) -> Any:
        return x


class Reruns(Protocol):
    """What a framework makes again, in float64, of a layer's data and of the latest run's calls between layers.

    Raises what the framework raises where data, or an edit, does not fit.
    """

    def layer(self, kind: str, inputs: tuple[Array, ...], weights: Weights, static: Static) -> Array | None:
        """The output of a layer; None for a kind that it has nothing for."""

    def calls(self, key: str) -> tuple[Call, ...]:
        """The calls that made a step which the latest run's Look wanted; none of a layer's."""

    def edited(self, key: str, edits: Sequence[Edit]) -> Array:
        """The step's output with these changes of its calls."""


class Side(Protocol):
    """A model with its framework: all the rest of the package knows of either. framework: the folder's name."""

    framework: str
    model: Any

    def layers(self) -> list[LayerInfo]:
        """Every layer, in order of definition."""

    def weights(self) -> Iterator[tuple[str, Array]]:
        """Every tensor by canonical name, in torch's layout."""

    def load(self, name: str, array: Array) -> None:
        """Set one tensor, given in torch's layout."""

    def unknown_weights(self) -> list[str]:
        """Tensors that belong to no layer of a known kind: they could neither be copied nor compared."""

    def settle(self) -> list[LayerInfo]:
        """Take weights that the model computes from others for its own, in a copy of it. Returns the layers.

        Raises ParityError where that cannot be done.
        """

    def rename(self, names: Names, layers: dict[str, str], orders: dict[str, tuple[int, ...]]) -> list[LayerInfo]:
        """Call steps and layers as the other side does, and take the rows of Dense kernels in these orders.

        Returns the layers, by their new names.
        """

    def fitted(self, x: Inputs, seed: int) -> Inputs:
        """The inputs by the model's own names for them, token ids drawn where it embeds what is open.

        For the reference. Raises ParityError where the model cannot be called on them, or they hold ids out of range.
        """

    def meet(self, x: Inputs) -> list[LayerInfo]:
        """Find out how the model takes x, which builds it if it is not yet; its layers then.

        Raises ParityError where it takes other inputs.
        """

    def expect(self, expected: Expected) -> None:
        """Call outputs by the keys of the other side's that they are. For the side that is compared."""

    def randomize(self, x: Given, seed: int) -> None:
        """Replace neutral statistics, scales and biases by random ones that fit the input (see probes.py)."""

    def trace(self, x: Given, dtype: str, visit: Visit, look: Look = NOTHING, tape: Any = None) -> None:
        """Run and call `visit` after each step; an array that it returns replaces the output.

        In evaluation mode and without gradients, or, with a Tape, in training mode and with them.
        """

    def run(self, x: Given, dtype: str = "", training: bool = False) -> None:
        """Run the model with nobody looking and forget what it gives; "" is its own dtype. Raises what it raises.

        training: in that mode, and backward where that can be seen apart. The model is left as it was.
        """

    def reruns(self) -> "Reruns | None":
        """How hypotheses are run again. For the reference; the side that is compared need not."""

    def outputs(self, x: Given) -> dict[str, tuple[Array, int]]:
        """By key, each output of floating-point numbers in float64, and along which of torch's axes its classes are."""

    def gradients(self) -> SideGradients:
        """This side's half of the gradient check."""

    def spare_cores(self, spared: int) -> None:
        """Compute with so many threads less than the process was started with, where the framework can be told."""

    def require_onednn(self, asked: str) -> None:
        """Raise ParityError unless this process computes with oneDNN as is asked: "on", "off" or "as-is"."""

    def allow_wide_types(self, allowed: bool) -> bool:
        """Let runs in every dtype have JAX's 64-bit types; whether that changes anything in this process."""

    def allow_tf32(self, allowed: bool) -> None:
        """Let float32 products round to TF32's ten bits on a GPU that can, or not."""

    def environment(self) -> dict[str, Any]:
        """Versions, device, threads and flags that decide the numbers."""


def weights_of(side: Side, path: str) -> dict[str, Array]:
    """One layer's tensors, by torch's names and in torch's layout, in float64."""
    found = ((name.rpartition("."), array) for name, array in side.weights())
    return {name: array.astype(np.float64) for (owner, _, name), array in found if owner == path}


def fitting(ask: Callable[[Reruns], R | None], side: Side) -> R | None:
    """What a side makes again; None where a hypothesis does not fit, as it well may not."""
    reruns = side.reruns()
    try:
        return None if reruns is None else ask(reruns)
    except Exception:  # noqa: BLE001 - whatever a framework says of data that does not fit: it is no answer
        return None
