"""A model's run as steps, in torch's layout: what a side shows of each, and what else it may be asked to show."""

from collections.abc import Callable
from dataclasses import dataclass, field

from .arrays import Array


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
