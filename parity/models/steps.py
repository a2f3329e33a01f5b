"""A model's run as steps, in torch's layout: what a side shows of each, and what else it may be asked to show."""

from collections.abc import Callable
from dataclasses import dataclass, field

from .arrays import Array, View
from .kinds.noise import Noise
from .pieces import Held
from .source import Sources


@dataclass
class Step:
    """One call of one layer, or one tensor made between layers (`glue`: an addition, a concatenation).

    `path` is the layer's, with "#2" for its second call; a glue step carries the path of the operation if the
    framework knows it, and `feeds`, the input ("layer1.0.relu#2<0") that it is, by which both sides recognise it.
    `sources` says for each input which step made it: a key, "input", or "glue". The last step is the model's "output".
    `inputs` are there only for the steps that a Look wants them of.
    function: a function that the model calls itself, not a layer. free: computes nothing, so it needs no partner.
    origins: of glue, the steps it was made of, None where that was not seen. order: of a Dense layer's input, or of an
    image made of a vector, where its numbers came from (see orders.py). note: what the reader must know of how the step
    was run. raw: the output
    with its axes as the framework has them, if a Look wants it.
    narrow: what of it was in float32 although the run is in float64, in words. maker: of an output that is glue, the
    kind of that. mixed: of glue, whether it was made of other glue that takes its inputs in any order. noise: what it
    draws in training. called: the lines of the user's that call it.
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
    raw: Array | None = None
    narrow: str | None = None
    maker: str = ""
    mixed: bool = False
    noise: Noise | None = None
    called: Sources = ()

    @property
    def key(self) -> str:
        """What identifies the step on both sides."""
        return self.feeds or self.path


@dataclass(frozen=True)
class Look:
    """What to show beside the steps.

    watch: inputs to show as glue steps although a layer made them, because on the other side something else did.
    want: steps whose inputs are to be shown too. raw: whether outputs are to be shown as they lie, too.
    left_out: outputs that the other side has not.
    """

    watch: frozenset[str] = frozenset()
    want: frozenset[str] = frozenset()
    raw: bool = False
    left_out: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Expected:
    """The other side's outputs: (key, name, shape) of each, and what this side calls one, where the user says so."""

    outputs: tuple[tuple[str, str, tuple[int, ...]], ...]
    aliases: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Names:
    """What a side is to call its steps, and which it is not to show.

    aliases: other names by its own (Keras's by torch's). hidden: part of what comes after, a step or an input of one,
    by its own name. only: if given, all others are hidden but outputs. passed: padding layers that are told as the
    padding of what they feed. views: how the outputs of steps, by their new names, lie beside the other side's, where
    their kind does not say so. shapes: of the other side's parameters outside of layers, by path. held: the weights
    that the two sides have in other pieces. columns: of layers that give a vector which becomes an image, by their
    own path, which of torch's numbers each of Keras's is. drawing: of steps that draw numbers, by their own names,
    what the two sides call the draw, where a step itself is not shown.
    """

    aliases: dict[str, str] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    only: frozenset[str] | None = None
    passed: frozenset[str] = frozenset()
    views: dict[str, View] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    held: Held = field(default_factory=Held)
    columns: dict[str, tuple[int, ...]] = field(default_factory=dict)
    drawing: dict[str, str] = field(default_factory=dict)

    @property
    def of_weights(self) -> "Names":
        """What is said of weights alone: every step is shown, by its own name."""
        return Names(shapes=self.shapes, held=self.held, columns=self.columns)

    def draw(self, name: str) -> str | None:
        """What both sides call what a step draws; `name` is its own. None for one that the other side has not."""
        return self.drawing.get(name) or (None if self.hides(name) else self.aliases.get(name, name))

    def hides(self, name: str) -> bool:
        """Whether a step, or an input of one, is not to be shown; `name` is its own."""
        return name in self.hidden or name in self.passed or (self.only is not None and name not in self.only)


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
    maker: str = ""
    mixed: bool = False
    noise: Noise | None = None
    called: Sources = ()


def info(step: Step) -> StepInfo:
    """A step without its numbers."""
    more = step.maker, step.mixed, step.noise, step.called
    described = step.function, step.free, step.origins, step.order, step.note, *more
    return StepInfo(step.key, step.path, step.kind, step.output.shape, tuple(step.sources), *described)


def is_output(key: str) -> bool:
    """Whether a step is one of the model's own outputs."""
    return key.partition("#")[0] == "output"


Visit = Callable[[Step], Array | None]
NOTHING = Look()
