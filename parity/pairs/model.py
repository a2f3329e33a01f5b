"""The layers and steps of one model -> what the search for partners asks of them: weights, signatures, flow, calls."""

from collections import Counter

from parity.models.keys import is_statistic
from parity.models.kinds import named
from parity.models.layers import LayerInfo
from parity.models.steps import StepInfo

from .directions import path_of
from .flow import Flow
from .nearest import Look, described

Steps = list[StepInfo]
Matched = dict[str, str]  # torch's step, or path, -> Keras's
Lists = tuple[list[str], list[str]]  # steps of both, in an order


class Model:
    """One model's steps, with what is known of them. lean: kinds of layers whose weights are not looked at."""

    def __init__(self, layers: list[LayerInfo], steps: Steps, lean: frozenset[str] = frozenset()) -> None:
        self._given, self._lean = (layers, steps), lean
        self.layers = {layer.path: layer for layer in layers}
        self.steps = {step.key: step for step in steps if "<" not in step.key and step.kind != "output"}
        self.flow = Flow(steps, {key: self.signature(key) for key in self.steps if self.weights(key)})
        self.calls = Counter(map(path_of, self.steps))

    def weights(self, key: str) -> bool:
        layer = self.layers.get(path_of(key))
        return layer is not None and self._counts(layer) and not self.steps[key].function

    def _counts(self, layer: LayerInfo) -> bool:
        return bool(layer.weights) and layer.kind not in self._lean

    def lean(self, key: str) -> bool:
        """Whether a step has weights that are not looked at."""
        layer = self.layers.get(path_of(key))
        return layer is not None and bool(layer.weights) and layer.kind in self._lean

    def leaner(self, kinds: frozenset[str]) -> "Model":
        """The same without a look at the weights of these kinds."""
        return Model(*self._given, kinds)

    def signature(self, key: str) -> tuple[object, ...]:
        """The kind and the weights that no layer of the kind can be without: bias, scale and centre may be missing."""
        layer = self.layers[path_of(key)]
        spare = dict(named(layer.kind).neutral)
        needed = (name for name in layer.weights if name not in spare and not is_statistic(name))
        own = tuple(sorted((name, layer.weights[name]) for name in needed))
        return layer.kind, own or next(iter(layer.weights.values()))

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
