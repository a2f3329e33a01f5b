"""torch's weights -> Keras's, every tensor once; for one that the other side lacks, what does the same without."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from parity.models.arrays import Array
from parity.models.keys import is_statistic
from parity.models.kinds import are_alike, named
from parity.models.layers import LayerInfo, check_shapes, shapes_of, without_spares
from parity.models.steps import StepInfo
from parity.pairs.graph import Graph
from parity.pairs.matching import NAMES
from parity.runners.recording import Recording
from parity.runners.runner import Runner

Read = Callable[[str], Array]
Arrays = dict[str, Array]  # by canonical name


@dataclass(frozen=True)
class Rewritten:
    """What is loaded in place of torch's own tensors. left: torch's that need no place. moved: layers that give another
    output for it, which the layer behind makes good. notes: what was done, in sentences."""

    arrays: Arrays = field(default_factory=dict)
    left: frozenset[str] = frozenset()
    moved: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def tells(self, path: str, tensor: str) -> bool:
        """Whether the notes say what became of a layer's tensor, which one side alone has."""
        return f"{path}.{tensor}" in self.arrays or f"{path}.{tensor}" in self.left


def copy_weights(
    torch: Runner, keras: Runner, recording: Recording, ours: list[LayerInfo], theirs: list[LayerInfo]
) -> Rewritten:
    """Give Keras torch's recorded weights. Raises UnmatchedError where a tensor has no place and cannot do without."""
    ours, theirs = without_spares(ours, theirs)
    read = {name: torch.shelf.view(place) for name, place in recording.weights.items()}
    found = rewritten(ours, theirs, read.__getitem__, recording.steps)
    shapes = shapes_of(ours)
    kept = {name: shape for name, shape in shapes.items() if name not in found.left}
    places, lone = shapes_of(theirs), _lone(ours, theirs)
    kept, places = ({name: s for name, s in side.items() if name not in lone} for side in (kept, places))
    check_shapes(kept | {name: array.shape for name, array in found.arrays.items()}, places, NAMES)
    keras.load(
        {name: place for name, place in recording.weights.items() if name in kept.keys() - found.arrays}
    ).result()
    if found.arrays:
        keras.assign(found.arrays).result()
    return found


def held_weights(
    torch: Runner, keras: Runner, recording: Recording, ours: list[LayerInfo], theirs: list[LayerInfo]
) -> Rewritten:
    """What Keras already holds of torch's weights as `copy_weights` would load them, rounded to its own dtype.

    It is loaded as it is before that rounding, which changes nothing but what a run in float64 has of it.
    """
    ours, theirs = without_spares(ours, theirs)
    read = {name: torch.shelf.view(place) for name, place in recording.weights.items()}
    wrong: set[str] = set()
    while True:
        kept = [[layer for layer in side if layer.path not in wrong] for side in (ours, theirs)]
        found = rewritten(kept[0], kept[1], read.__getitem__, recording.steps)
        more = _not_held(keras, found.arrays)
        if not more:
            break
        wrong |= more
    if found.arrays:
        keras.assign(found.arrays).result()
    return found


def _not_held(keras: Runner, arrays: Arrays) -> set[str]:
    """The layers of which Keras holds something else, to float32's precision."""
    wrong: set[str] = set()
    for path in {name.rpartition(".")[0] for name in arrays}:
        held = keras.weights_of(path).result()
        own = {name.rpartition(".")[2]: array for name, array in arrays.items() if name.rpartition(".")[0] == path}
        if any(not np.array_equal(held[name].astype(np.float32), a.astype(np.float32)) for name, a in own.items()):
            wrong.add(path)
    return wrong


def _lone(ours: list[LayerInfo], theirs: list[LayerInfo]) -> set[str]:
    """What one of two partners does without: running statistics, as it normalises by its batch, or a bias.

    Where nothing could take its place the two layers differ, which the comparison shows.
    """
    partners = {layer.path: layer for layer in theirs}
    both = ((layer, partners[layer.path]) for layer in ours if layer.path in partners)
    return {
        f"{layer.path}.{name}"
        for layer, partner in both
        if layer.kind == partner.kind
        for name in layer.weights.keys() ^ partner.weights.keys()
        if is_statistic(name) or (name == "bias" and name in layer.weights and named(layer.kind).sums)
    }


def rewritten(ours: list[LayerInfo], theirs: list[LayerInfo], read: Read, steps: list[StepInfo]) -> Rewritten:
    """What must be loaded otherwise for the layers, paired by path, that have not the same tensors."""
    partners = {layer.path: layer for layer in theirs}
    found = Rewritten()
    for layer in ours:
        partner = partners.pop(layer.path, None)
        if partner is None or not are_alike(partner.kind, layer.kind):
            continue
        found = _filled(found, layer, partner)
        for name in [name for name in layer.weights if name not in partner.weights]:
            found = _folded(found, layer, name, read) or _carried(found, layer, name, read, steps, ours) or found
    for partner in partners.values():  # norms that torch has without weights, or writes by hand
        if partner.weights and partner.weights.keys() <= dict(named(partner.kind).neutral).keys():
            found = _filled(found, replace(partner, weights={}), partner)
    return replace(found, notes=told(found.notes))


def _filled(found: Rewritten, layer: LayerInfo, partner: LayerInfo) -> Rewritten:
    """Keras's tensors that torch's layer is without, where a number is known that changes nothing."""
    neutral = dict(named(layer.kind).neutral)
    new = {name: shape for name, shape in partner.weights.items() if name not in layer.weights and name in neutral}
    arrays = {f"{layer.path}.{name}": np.full(shape, neutral[name]) for name, shape in new.items()}
    notes = tuple(f"{name} that torch lacks is {neutral[name]:g} in Keras: {layer.path}" for name in new)
    return replace(found, arrays=found.arrays | arrays, notes=found.notes + notes)


def _folded(found: Rewritten, layer: LayerInfo, name: str, read: Read) -> Rewritten | None:
    """torch's tensor made part of the layer's others."""
    fold = named(layer.kind).fold
    held = {key: f"{layer.path}.{key}" for key in layer.weights if f"{layer.path}.{key}" not in found.left}
    if fold is None:
        return None
    rest = fold({key: found.arrays.get(full, read(full)) for key, full in held.items()}, layer.static, name)
    if rest is None:
        return None
    arrays = {held[key]: array for key, array in rest.items()}
    note = f"{name} that Keras lacks is folded into {named(layer.kind).folded}: {layer.path}"
    gone = f"{layer.path}.{name}"
    arrays = {key: array for key, array in (found.arrays | arrays).items() if key != gone}
    return replace(found, arrays=arrays, left=found.left | {gone}, notes=(*found.notes, note))


def _carried(
    found: Rewritten, layer: LayerInfo, name: str, read: Read, steps: list[StepInfo], layers: list[LayerInfo]
) -> Rewritten | None:
    """torch's bias made part of the layer behind, if nothing else sees its output.

    It is taken off the running mean of a batch norm, or added to the bias of a layer that sums what a pixel has.
    """
    if dict(named(layer.kind).neutral).get(name) != 0 or not named(layer.kind).sums:
        return None
    users = _users(layer.path, steps)
    behind = next((other for other in layers if users == [other.path]), None)
    full = f"{layer.path}.{name}"
    if behind is None or full in found.arrays:
        return None
    bias = read(full).astype(np.float64)
    if "running_mean" in behind.weights:
        into, change, where = f"{behind.path}.running_mean", -bias, "the running mean of the norm behind"
    elif _is_of_pixels(behind, len(bias)):
        kernel = read(f"{behind.path}.weight").astype(np.float64)
        change = kernel.reshape(kernel.shape[:2]) @ bias
        into, where = f"{behind.path}.{name}", "the bias of the layer behind"
    else:
        return None
    note = f"{name} that Keras lacks is folded into {where}: {layer.path}"
    return replace(
        found,
        arrays=found.arrays | {into: found.arrays.get(into, read(into)).astype(np.float64) + change},
        left=found.left | {full},
        moved=found.moved | {layer.path},
        notes=(*found.notes, note),
    )


def _is_of_pixels(layer: LayerInfo, channels: int) -> bool:
    """Whether a layer with a bias sums over the channels of one place alone, and over all of them."""
    shape = layer.weights.get("weight", ())
    unpadded = not np.any(layer.static.get("padding", 0))
    pixels = shape[1:] == (channels, *[1] * (len(shape) - 2))
    return named(layer.kind).sums and "bias" in layer.weights and unpadded and pixels


def _users(path: str, steps: list[StepInfo]) -> list[str]:
    graph = Graph(steps)
    return [step.path for key, step in graph.steps.items() if path in (graph.before(key) or ())]


def told(notes: tuple[str, ...]) -> tuple[str, ...]:
    """Equal sentences as one."""
    paths: dict[str, list[str]] = {}
    for note in notes:
        what, _, path = note.rpartition(": ")
        paths.setdefault(what, []).append(path)
    return tuple(
        f"{len(where)} x {what} ({', '.join(where[:3])}{', ...' if len(where) > 3 else ''})"
        for what, where in paths.items()
    )
