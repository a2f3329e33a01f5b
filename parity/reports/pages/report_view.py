"""A document of `parity.check --json` -> what the report page shows: statuses in words, a tree, sizes. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any

from parity.verdict.difference import STRUCTURE_LINE

from .render import size

Document = dict[str, Any]

WORDS = {  # of a fault, the gravest first
    "not finite": "NaN or infinity",
    "structure": "differs here",
    "arithmetic": "too coarse",
    "gradient": "gradient differs",
    "gradient arithmetic": "gradient too coarse",
    "settings": "settings differ",
}
INHERITS, MATCH = "inherits an error", "match"
PLURAL = {INHERITS: "inherit an error", WORDS["structure"]: "differ here"}
NUMBERS = ("inherited", "added", "torch", "keras")


@dataclass(frozen=True)
class LayerView:
    """One step. `numbers` are None where a number is not finite. weights: tensors' shapes by torch's names."""

    number: int
    path: str
    kind: str
    shape: tuple[int, ...]
    weights: dict[str, tuple[int, ...]]
    numbers: dict[str, float | None]
    gradient: dict[str, float | None]
    faults: tuple[str, ...]
    why: str
    note: str

    @property
    def ok(self) -> bool:
        return not self.faults

    @property
    def status(self) -> str:
        """In words: at fault and how, right on a wrong input, or a match."""
        if self.faults:
            return ", ".join(word for fault, word in WORDS.items() if fault in self.faults)
        inherited = self.numbers["inherited"]
        return MATCH if inherited is not None and inherited <= STRUCTURE_LINE else INHERITS

    @property
    def tone(self) -> str:
        """The status as a style: "bad", "warn" or "good"."""
        return "bad" if self.faults else "good" if self.status == MATCH else "warn"

    @property
    def parameters(self) -> int:
        return sum(prod(shape) for shape in self.weights.values())

    @property
    def grouped(self) -> dict[str, tuple[int, ...]]:
        """The weights' shapes, those of the same shape together: "weight, bias"."""
        found: dict[tuple[int, ...], list[str]] = {}
        for name, shape in self.weights.items():
            found.setdefault(shape, []).append(name)
        return {", ".join(names): shape for shape, names in found.items()}


@dataclass
class Node:
    """A composite of the network, or one step (`layer`), with what it contains in order."""

    name: str
    layer: LayerView | None = None
    children: list["Node"] = field(default_factory=list)

    @property
    def layers(self) -> list[LayerView]:
        own = [self.layer] if self.layer else []
        return own + [layer for child in self.children for layer in child.layers]

    @property
    def faulty(self) -> bool:
        return any(layer.faults for layer in self.layers)

    @property
    def tone(self) -> str:
        tones = {layer.tone for layer in self.layers}
        return next(tone for tone in ("bad", "warn", "good") if tone in tones)

    @property
    def status(self) -> str:
        """The layer's, or how many layers inside have which, unless all match."""
        if self.layer:
            return self.layer.status
        found: dict[str, int] = {}
        for layer in self.layers:
            found[layer.status] = found.get(layer.status, 0) + 1
        if set(found) == {MATCH}:
            return MATCH
        found.pop(MATCH, None)
        return ", ".join(f"{n} {PLURAL.get(status, status) if n > 1 else status}" for status, n in found.items())

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the output: the last step's."""
        return self.layers[-1].shape

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)


def layer_views(document: Document) -> list[LayerView]:
    """The document's layers in order of execution."""
    acts = (entry for entry in document["static"] if entry.get("acts", True) and entry["field"] != "initializer")
    differing = {entry["path"] for entry in acts}
    return [_layer_view(number, layer, differing) for number, layer in enumerate(document["layers"])]


def _layer_view(number: int, layer: Document, differing: set[str]) -> LayerView:
    faults = tuple(layer.get("faults", ()))
    if layer["verdict"] != "match" and not faults:
        faults = ("structure",)
    gradient = layer.get("gradient") or {}
    return LayerView(
        number,
        layer["path"],
        layer["kind"],
        tuple(layer["shape"]),
        {name: tuple(shape) for name, shape in layer["weights"].items()},
        layer["structure"] | {side: layer["arithmetic"][side] for side in ("torch", "keras")},
        {name: gradient.get(name) for name in NUMBERS} if gradient else {},
        faults + (("settings",) if layer["path"] in differing else ()),
        layer.get("why", ""),
        layer.get("note") or "",
    )


def tree(layers: list[LayerView]) -> Node:
    """The network as its paths nest."""
    root = Node("")
    for layer in layers:
        *outer, name = layer.path.split(".")
        node = root
        for part in outer:
            inner = next((child for child in node.children if child.name == part and child.layer is None), None)
            if inner is None:
                inner = Node(part)
                node.children.append(inner)
            node = inner
        node.children.append(Node(name, layer))
    return root


def stages(layers: list[LayerView]) -> Iterator[tuple[str, int, int]]:
    """(name, first, last) of runs of layers below one first name; loose layers before are the stem, behind the head."""
    runs: list[tuple[str, int, int]] = []
    last = max((place for place, layer in enumerate(layers) if "." in layer.path), default=-1)
    for place, layer in enumerate(layers):
        loose = "stem" if not runs else "head" if place > last >= 0 else runs[-1][0]
        name = layer.path.partition(".")[0] if "." in layer.path else loose
        if runs and runs[-1][0] == name:
            runs[-1] = (name, runs[-1][1], layer.number)
        else:
            runs.append((name, layer.number, layer.number))
    yield from runs


def worst(layers: list[LayerView], number: str) -> LayerView | None:
    """The layer where that number is greatest, None if it is nowhere finite."""
    finite = [layer for layer in layers if layer.numbers[number] is not None]
    return max(finite, key=lambda layer: layer.numbers[number] or 0.0, default=None)


def unlike(layers: list[LayerView]) -> str:
    """What a number that is not finite means in this report."""
    return "NaN" if any("not finite" in layer.faults for layer in layers) else "other shape"


def number_text(value: float | None, missing: str) -> str:
    """A number of the table."""
    return missing if value is None else size(value)
