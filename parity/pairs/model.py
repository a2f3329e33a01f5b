"""The layers and steps of one model -> what the search for partners asks of them: weights, signatures, flow, calls."""

from collections import Counter

from parity.models.keys import is_statistic
from parity.models.kinds import CELL, named
from parity.models.layers import LayerInfo
from parity.models.steps import StepInfo

from .directions import path_of
from .flow import Flow
from .nearest import Look, described

Steps = list[StepInfo]
Matched = dict[str, str]  # torch's step, or path, -> Keras's
Lists = tuple[list[str], list[str]]  # steps of both, in an order


class Model:
    """One model's steps, with what is known of them. lean: kinds of layers whose weights are not looked at.

    once: whether a recurrent cell that is called at every step of a sequence counts once, as a layer over the sequence
    that the other side has.
    """

    def __init__(
        self, layers: list[LayerInfo], steps: Steps, lean: frozenset[str] = frozenset(), once: bool = False
    ) -> None:
        self._given, self._lean, self._once = (layers, steps), lean, once
        self.layers = {layer.path: layer for layer in layers}
        shown = (step for step in steps if "<" not in step.key and step.kind != "output")
        self.steps = {step.key: step for step in shown if not (once and _is_repeated(step))}
        self.flow = Flow(steps, {key: self.signature(key) for key in self.steps if self.weights(key)})
        self.calls = Counter(map(path_of, self.steps))

    def order(self) -> list[str] | None:
        """The steps as the tensors' flow orders them; None where an operation was not seen."""
        found = self.flow.order()
        return None if found is None else [key for key in found if key in self.steps]

    def weights(self, key: str) -> bool:
        layer = self.layers.get(path_of(key))
        return layer is not None and self._counts(layer) and not self.steps[key].function

    def _counts(self, layer: LayerInfo) -> bool:
        return bool(layer.weights) and layer.kind not in self._lean

    def sources(self, key: str) -> tuple[str, ...]:
        """What goes into a step, by key: what operators made, as the input that it was first."""
        return tuple(f"{key}<{n}" if source == "glue" else source for n, source in enumerate(self.steps[key].sources))

    def lean(self, key: str) -> bool:
        """Whether a step has weights that are not looked at."""
        layer = self.layers.get(path_of(key))
        return layer is not None and bool(layer.weights) and layer.kind in self._lean

    def leaner(self, kinds: frozenset[str]) -> "Model":
        """The same without a look at the weights of these kinds."""
        return Model(*self._given, kinds, self._once)

    def signature(self, key: str) -> tuple[object, ...]:
        """The kind and the weights that no layer of the kind can be without: bias, scale and centre may be missing."""
        layer = self.layers[path_of(key)]
        spare = dict(named(layer.kind).neutral)
        needed = (name for name in layer.weights if name not in spare and not is_statistic(name))
        own = tuple(sorted((name, layer.weights[name]) for name in needed))
        return named(layer.kind).family or layer.kind, own or next(iter(layer.weights.values()))

    def idle(self, ran: set[str]) -> list[str]:
        """The layers with weights that did not run."""
        return [path for path, layer in self.layers.items() if self._counts(layer) and path not in ran]

    def kind(self, key: str) -> str:
        """The kind of a step, or of a layer that has not run."""
        layer = self.layers.get(path_of(key))
        return self.steps[key].kind if key in self.steps else layer.kind if layer else "?"

    def named(self, key: str) -> str:
        """A step for a message: with its kind and the shapes of its weights."""
        layer = self.layers.get(path_of(key))
        return described(key, Look(self.kind(key), {} if layer is None else layer.weights))


def _is_repeated(step: StepInfo) -> bool:
    return "#" in step.key and named(step.kind).recurs == CELL


def counts_once(torch: list[LayerInfo], keras: list[LayerInfo]) -> bool:
    """Whether one side has cells where the other has layers over a sequence."""
    counts = [sum(named(layer.kind).recurs == CELL for layer in side) for side in (torch, keras)]
    return counts[0] != counts[1]
