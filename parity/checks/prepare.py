"""Before the comparison: both models run once, their steps are paired, Keras takes torch's names and weights."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from parity.models.inputs import Inputs
from parity.models.layers import LayerInfo
from parity.models.steps import NOTHING, StepInfo
from parity.pairs.bare import are_unclear
from parity.pairs.name_map import NameMap
from parity.pairs.pairing import Margins, Pair, Pairing, pair, raise_on_others, same_paths
from parity.runners.recording import Recording
from parity.runners.runner import Pending, Runner
from parity.verdict.in_training import of_steps, shared
from parity.verdict.results import StaticDifference

from .copying import Rewritten, told
from .options import Options
from .report import Report

Copy = Callable[[Recording, list[LayerInfo], list[LayerInfo]], Rewritten]


Layers = tuple[list[LayerInfo], list[LayerInfo]]


@dataclass(frozen=True)
class Prepared:
    """What both sides answered when they ran last, by torch's names."""

    recording: Recording  # torch's
    keras_steps: list[StepInfo]
    torch_layers: list[LayerInfo]
    keras_layers: list[LayerInfo]
    pairing: Pairing
    rewritten: Rewritten = field(default_factory=Rewritten)  # what was copied otherwise than tensor for tensor
    copy: Copy | None = None  # how torch's weights come into Keras, if they are to
    drawn: tuple[StaticDifference, ...] = ()  # in what the two sides draw otherwise in training
    replayed: int = 0  # steps that draw on both sides

    def again(self, torch: Runner, keras: Runner, x: Inputs, pairing: Pairing) -> "Prepared":
        """The same with weights that lie otherwise, or with other partners, and copied anew."""
        ours = torch.rename(pairing.torch, {}, {}).result()
        theirs = keras.rename(pairing.keras, pairing.layers, pairing.orders).result()
        layers = _padded(ours, pairing.margins[0]), _padded(theirs, pairing.margins[1])
        ready = replace(self, pairing=pairing, torch_layers=layers[0], keras_layers=layers[1])
        if self.copy is None:
            return ready
        recording = torch.record(x, "float64", NOTHING, True).result()
        return ready.told(self.copy(recording, *layers))

    def anew(self, torch: Runner, keras: Runner, x: Inputs, dtype: str) -> "Prepared":
        """The same with what both sides answer now."""
        recorded = torch.record(x, dtype, NOTHING, True)
        steps = keras.prepare(x, dtype).result()
        return replace(self, recording=recorded.result(), keras_steps=steps)

    def told(self, rewritten: Rewritten) -> "Prepared":
        """The same with what was copied, and with what lies in pieces."""
        columns = (f"{INTO_AN_IMAGE}: {path}" for path in self.pairing.keras.columns)
        notes = told((*self.pairing.torch.held.notes, *columns))
        return replace(self, rewritten=replace(rewritten, notes=(*notes, *rewritten.notes)))


def prepared(
    torch: Runner,
    keras: Runner,
    layers: Layers,
    x: Inputs,
    recorded: Pending[Recording],
    options: Options,
    copy: Copy,
) -> Prepared:
    """Pair and copy. `recorded` is torch's run on x, which may still be going on.

    Where all names agree, weights are copied first and nothing runs twice. Raises UnmatchedError where the layers
    cannot be paired with certainty.
    """
    torch_layers, keras_layers = layers
    early = options.name_map is None and same_paths(*layers) and not are_unclear(*layers)
    recording = recorded.result()
    if not same_paths(torch_layers, keras_layers):
        raise_on_others(torch_layers, keras_layers)  # before Keras runs on what may not even fit it
    rewritten = copy(recording, torch_layers, keras_layers) if early else Rewritten()
    keras_steps = keras.prepare(x, options.dtype).result()
    (torch_layers, keras_layers), pairing = named_alike(
        torch, keras, layers, (recording.steps, keras_steps), options.name_map, in_pieces=True, by_values=True
    )
    drawn = of_steps(recording.steps, keras_steps, pairing.found)
    replayed = shared(recording.steps, keras_steps, pairing.found)
    if not early or pairing.orders or pairing.layers:
        rewritten = copy(recording, torch_layers, keras_layers)
    if pairing.changes or not early:
        recorded = torch.record(x, options.dtype, NOTHING, True)
        keras_steps = keras.prepare(x, options.dtype).result()
        recording = recorded.result()
    joints = tuple(_joints(recording.steps, keras_steps, keras_layers))
    padded = _padded(torch_layers, pairing.margins[0]), _padded(keras_layers, pairing.margins[1])
    others = tuple(replace(each, pairs=each.pairs + joints).without(rewritten.moved) for each in pairing.others)
    pairing = replace(pairing, pairs=pairing.pairs + joints, others=others).without(rewritten.moved)
    return Prepared(recording, keras_steps, *padded, pairing, copy=copy, drawn=drawn, replayed=replayed).told(rewritten)


def named_alike(
    torch: Runner,
    keras: Runner,
    layers: Layers,
    steps: tuple[list[StepInfo], list[StepInfo]],
    name_map: NameMap | None,
    in_pieces: bool = False,
    by_values: bool = False,
) -> tuple[Layers, Pairing]:
    """Pair both sides' layers by the steps that one run of each has shown, and let both go by torch's names."""
    pairing = pair(layers[0], steps[0], layers[1], steps[1], name_map, in_pieces, by_values)
    if pairing.changes:
        ours = torch.rename(pairing.torch, {}, {}).result()
        layers = ours, keras.rename(pairing.keras, pairing.layers, pairing.orders).result()
    return layers, pairing


def _joints(torch_steps: list[StepInfo], keras_steps: list[StepInfo], layers: list[LayerInfo]) -> Iterator[Pair]:
    """torch's operators with the layers that do the same in Keras: both are seen at what they go into."""
    theirs = {step.key: step.path for step in keras_steps}
    paths = {layer.path for layer in layers}
    for step in torch_steps:
        path = theirs.get(step.key)
        if "<" in step.key and path in paths and path != step.path:
            yield Pair(step.path, path, "order")


def _padded(layers: list[LayerInfo], margins: Margins) -> list[LayerInfo]:
    """The layers with the padding that is done before them as their own."""
    return [
        replace(layer, static=layer.static | {"padding": _sum(layer.static["padding"], margins[layer.path])})
        if layer.path in margins
        else layer
        for layer in layers
    ]


def _sum(padding: Any, margins: list[list[int]]) -> Any:
    if isinstance(padding, str):
        return f"{padding} after {margins}"
    pairs = [p if isinstance(p, list) else [p, p] for p in padding]
    total = [[a + c, b + d] for (a, b), (c, d) in zip(pairs, margins, strict=True)]
    return [before for before, _ in total] if all(a == b for a, b in total) else total


def with_pairing(report: Report, pairing: Pairing) -> Report:
    """The report with the pairs of other names, and a note on every kernel whose rows were put in another order."""
    layers = tuple(
        replace(layer, note=_joined(layer.note, REORDERED)) if layer.step.key in pairing.orders else layer
        for layer in report.layers
    )
    return replace(report, layers=layers, pairs=pairing.pairs)


def with_notes(report: Report, notes: dict[str, str]) -> Report:
    """The report with what each step was compared as one with."""
    layers = tuple(
        replace(layer, note=_joined(layer.note, notes[layer.step.key])) if layer.step.key in notes else layer
        for layer in report.layers
    )
    return replace(report, layers=layers)


INTO_AN_IMAGE = "numbers that become an image, channels first in torch and last in Keras, in the other's order"
REORDERED = (
    "its input is a flattened image, channels first in torch and last in Keras: the kernel's input axis is permuted "
    "between them"
)


def _joined(*notes: str | None) -> str:
    return "; ".join(note for note in notes if note)
