"""A model's layers as plain data: what a side tells of each without running it, and the shapes of their tensors."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from parity.errors import UnmatchedError, few

from .kinds import Kind, named
from .source import Sources

KEEP = ", or check the models as they are with --weights keep"  # where a comparison is asked for


@dataclass(frozen=True)
class LayerInfo:
    """What a side tells of one layer without running it. `weights`: torch-layout shapes by torch's names.

    initial: what its kernel was drawn from, if that is known; see settings.py. tied: of tensors that are those of other
    layers, under a second name, the first.
    biased: whether it is a norm whose framework keeps the batch's biased variance, as Keras's own does, of n numbers
    (n - 1) / n of torch's. made: the lines of the user's that made it.
    trained: what acts in training alone: "trainable", by torch's names of its tensors; "regularizer" and "constraint",
    in words.
    """

    path: str
    kind: str
    weights: dict[str, tuple[int, ...]]
    static: dict[str, Any]
    initial: dict[str, Any] | None = None
    tied: dict[str, str] = field(default_factory=dict)
    biased: bool = False
    trained: dict[str, Any] = field(default_factory=dict)
    made: Sources = ()


class Found(NamedTuple):
    """A layer of a model. `kind` is the table's row, or a row of the class's own name without weights."""

    path: str
    kind: Kind
    layer: Any


def in_order(layers: list[Found], bare: list[Found]) -> list[Found]:
    """All in order of definition: a tensor outside of layers is before those that its owner has."""
    places = {entry.path: number for number, entry in enumerate(layers)}
    first: dict[str, int] = {}
    for path, number in places.items():
        parts = path.split(".")
        for length in range(len(parts) + 1):
            first.setdefault(".".join(parts[:length]), number)

    def place(path: str) -> tuple[int, int]:
        owner = path
        while owner and owner not in first:
            owner = owner.rpartition(".")[0]
        return (first.get(owner, 0), 0) if owner else (-1, 0)

    keys = [(places[entry.path], 1) for entry in layers] + [place(entry.path) for entry in bare]
    both = [*layers, *bare]
    return [both[n] for n in sorted(range(len(both)), key=keys.__getitem__)]


class Bare:
    """The holder of a tensor that a model computes with itself, as a layer with one weight, its `value`."""

    def __init__(self, owner: Any, name: str) -> None:
        self.owner, self.name = owner, name

    @property
    def value(self) -> Any:
        return getattr(self.owner, self.name)


def owned(layers: Iterable[LayerInfo]) -> list[LayerInfo]:
    """The layers that are: not the tensors outside of any."""
    return [layer for layer in layers if not named(layer.kind).bare]


def without_spares(ours: list[LayerInfo], theirs: list[LayerInfo]) -> tuple[list[LayerInfo], list[LayerInfo]]:
    """Both sides' layers without the buffers that one side alone has."""
    paths = [{layer.path for layer in side} for side in (ours, theirs)]
    kept = [
        [layer for layer in side if layer.path in other or not named(layer.kind).spare]
        for side, other in zip((ours, theirs), paths[::-1], strict=True)
    ]
    return kept[0], kept[1]


def shapes_of(layers: Iterable[LayerInfo]) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor, in torch's layout, by canonical name."""
    return {f"{layer.path}.{name}": shape for layer in layers for name, shape in layer.weights.items()}


def check_shapes(
    source: dict[str, tuple[int, ...]], destination: dict[str, tuple[int, ...]], names: tuple[str, str]
) -> None:
    """Raise unless both sides have the same names with the same shapes. `names` are the sides', for the message."""
    missing = sorted(source.keys() - destination.keys()), sorted(destination.keys() - source.keys())
    by_side = dict(zip(names, missing, strict=True))
    if any(missing):
        text = "; ".join(f"only {name} has {few(keys)}" for name, keys in by_side.items() if keys)
        raise UnmatchedError(
            f"the weights cannot be copied: both models must have the same tensors, but {text}; "
            f"{_next_step(missing)}{KEEP}",
            by_side.get("torch", []),
            by_side.get("keras", []),
        )
    wrong = [key for key in source if source[key] != destination[key]]
    if wrong:
        shown = few((f"{key} {source[key]} and {destination[key]}" for key in wrong), 240)
        raise UnmatchedError(
            f"the weights cannot be copied: shapes (in torch's layout) must be equal, but {names[0]} and {names[1]} "
            f"have {shown}; nothing is reshaped to fit, so correct one of the definitions",
            wrong,
            wrong,
        )


def _next_step(missing: tuple[list[str], list[str]]) -> str:
    """What to change where tensors are on one side alone: a bias, most often, which is a setting."""
    kinds = {key.rpartition(".")[2] for keys in missing for key in keys}
    if kinds == {"bias"}:
        return "give the other side's layers a bias too (bias=True in torch, use_bias=True in Keras)"
    return "give the layers of both sides the same weights"
