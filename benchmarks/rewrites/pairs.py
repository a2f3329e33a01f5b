"""A seed -> a random network as a torch and a Keras model that are written differently, its inputs, and its faults."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import torch

from . import images, sequences, shared, tokens
from .build import STYLES, Element, Kind, Shape, TorchNet, keras_net

IMAGE = (images.CONV, images.CONV, images.NORM, images.POOL, images.UP, images.SQUEEZE, shared.ACTIVATION,
         shared.ACTIVATION, shared.SCALE, shared.RESIDUAL, shared.CONCAT, shared.GATE, tokens.FILM)  # fmt: skip
TOKEN = (tokens.LINEAR, tokens.LINEAR, tokens.LAYER_NORM, sequences.ATTENTION, sequences.CAUSAL, tokens.LOOKBACK,
         shared.ACTIVATION, shared.SCALE, shared.RESIDUAL, shared.CONCAT, shared.GATE, tokens.FILM)  # fmt: skip
VECTOR = (tokens.LINEAR, tokens.LINEAR, tokens.VECTOR_NORM, tokens.LAYER_NORM, shared.ACTIVATION, shared.SCALE,
          shared.RESIDUAL, shared.GATE, tokens.FILM)  # fmt: skip
BRANCHED = (shared.RESIDUAL, shared.CONCAT, shared.GATE)


@dataclass(frozen=True)
class Network:
    """What both models compute. named: whether layers have the same names in both (twin branches must)."""

    seed: int
    elements: list[Element]
    input: Shape
    ends: str
    style: str
    named: bool

    def models(self, fault: "Fault | None" = None) -> tuple[TorchNet, keras.Model]:
        """Both models, Keras's with a fault if one is given."""
        torch.manual_seed(self.seed)
        keras.utils.set_random_seed(self.seed)
        ours = TorchNet(self.elements, np.random.default_rng([self.seed, 1]), self.ends)
        theirs = list(self.elements)
        if fault is not None:
            theirs[fault.place] = fault.element
        last = [self._last(self.input), *([(3,)] if self.second else [])]
        theirs_made = keras_net(theirs, np.random.default_rng([self.seed, 2]), self.ends, self.style, last, self.named)
        return ours.eval(), theirs_made

    @property
    def second(self) -> bool:
        return any(element.second for element in self.elements)

    def inputs(self) -> Any:
        """One array, or a tuple of two."""
        draw = np.random.default_rng([self.seed, 3])
        if self.elements[0].kind is tokens.EMBEDDING:
            x: Any = draw.integers(0, 11, (2, *self.input))
        else:
            x = draw.standard_normal((2, *self.input)).astype(np.float32)
        z = draw.standard_normal((2, 3)).astype(np.float32)
        return (x, z) if self.second else x

    def faults(self) -> "Iterator[Fault]":
        """Everything that can be planted."""
        for place, element in enumerate(self.elements):
            for what, other in _faulty(element):
                yield Fault(what, place, other)

    @staticmethod
    def _last(shape: Shape) -> Shape:
        return (*shape[1:], shape[0]) if len(shape) == 3 else shape

    def __str__(self) -> str:
        return f"{self.style}, {'named' if self.named else 'unnamed'}, {self.ends}: " + " > ".join(
            map(_told, self.elements)
        )


@dataclass(frozen=True)
class Fault:
    """What is wrong, in which element of the network, and the element as it is then."""

    what: str
    place: int
    element: Element


def _told(element: Element) -> str:
    inside = "".join(f"[{' > '.join(map(_told, parts))}]" for parts in element.parts)
    return f"{element.options.get('name') or element.options.get('norm') or element.kind.name}{inside}"


def _faulty(element: Element) -> Iterator[tuple[str, Element]]:
    for what, options in element.kind.faults(element.options).items():
        yield what, replace(element, options=options)
    for number, parts in enumerate(element.parts):
        for place, part in enumerate(parts):
            for what, other in _faulty(part):
                chain = (*parts[:place], other, *parts[place + 1 :])
                yield what, replace(element, parts=(*element.parts[:number], chain, *element.parts[number + 1 :]))


def network(seed: int) -> Network:
    """A random network of some four to nine elements."""
    draw = np.random.default_rng(seed)
    start = str(draw.choice(["image", "image", "image", "tokens", "words", "vector"]))
    shape: Shape = {
        "image": (int(draw.choice([2, 3])), int(draw.integers(7, 12)), int(draw.integers(7, 12))),
        "tokens": (int(draw.integers(5, 8)), 4),
        "words": (int(draw.integers(4, 8)),),
        "vector": (6,),
    }[start]
    first = shape
    elements: list[Element] = []
    if start == "words":
        shape = _add(elements, tokens.EMBEDDING, draw, shape)
    for _ in range(int(draw.integers(3, 7))):
        shape = _add_one(elements, draw, shape)
    if len(shape) == 3 and draw.random() < 0.3:
        shape = _add(elements, tokens.TOKENS, draw, shape)
        for _ in range(int(draw.integers(1, 4))):
            shape = _add_one(elements, draw, shape)
    if len(shape) > 1 and draw.random() < 0.7:
        shape = _flatten(elements, draw, shape)
        for _ in range(int(draw.integers(1, 4))):
            shape = _add_one(elements, draw, shape)
    if not any(e.kind in (images.CONV, tokens.LINEAR, sequences.ATTENTION) for e in elements):
        shape = _add(elements, images.CONV if len(shape) == 3 else tokens.LINEAR, draw, shape)
    elements = _in_one_order(elements)
    ends = str(draw.choice(["plain", "plain", "plain", "dictionary", "tuple"]))
    branched = any(element.kind in BRANCHED for element in elements)
    named = bool(branched or draw.random() < 0.5)
    style = str(draw.choice(STYLES))
    style = "nested" if branched and style == "subclass" else style  # there alone attributes give torch's paths
    return Network(seed, elements, first, ends, style, named)


def _in_one_order(elements: list[Element]) -> list[Element]:
    """Flattened in torch's order in both where weights whose order nothing tells run along the flattened axis."""
    for place, element in enumerate(elements):
        if element.kind is tokens.FLAT and len(element.before) == 3:
            behind = [other.kind for other in elements[place + 1 :]]
            until = behind.index(tokens.LINEAR) if tokens.LINEAR in behind else len(behind)
            if {tokens.FILM, *BRANCHED} & set(behind[:until]):
                elements[place] = element.with_options(turned=True)
    return elements


def _flatten(elements: list[Element], draw: np.random.Generator, shape: Shape) -> Shape:
    options, _ = tokens.FLAT.drawn(draw, shape) or ({}, shape)
    channels = shape[0] if len(shape) == 3 else shape[-1]
    after = (channels,) if options["mean"] else (int(np.prod(shape)),)
    elements.append(Element(tokens.FLAT, options, shape, after))
    return after


def _add_one(elements: list[Element], draw: np.random.Generator, shape: Shape, inside: bool = False) -> Shape:
    kinds = {3: IMAGE, 2: TOKEN, 1: VECTOR}[len(shape)]
    if inside:
        kinds = tuple(kind for kind in kinds if kind not in (*BRANCHED, tokens.FILM, images.UP))
    return _add(elements, kinds[int(draw.integers(len(kinds)))], draw, shape)


def _add(elements: list[Element], kind: Kind, draw: np.random.Generator, shape: Shape) -> Shape:
    """Another element if the shape allows it."""
    if kind is images.UP and shape[1] * shape[2] > 200:
        return shape
    if kind in BRANCHED:
        return _add_branched(elements, kind, draw, shape)
    drawn = kind.drawn(draw, shape)
    if drawn is None:
        return shape
    elements.append(Element(kind, *_ordered(drawn, shape), second=kind is tokens.FILM))
    return drawn[1]


def _ordered(drawn: Any, shape: Shape) -> Any:
    return drawn[0], shape, drawn[1]


def _add_branched(elements: list[Element], kind: Kind, draw: np.random.Generator, shape: Shape) -> Shape:
    """Branches that keep the shape: one to three elements that do, then a layer to the right number of channels."""
    branches = 1 if kind is shared.RESIDUAL else 2
    parts = tuple(_branch(draw, shape) for _ in range(branches))
    options, after = kind.drawn(draw, shape) or ({}, shape)
    if kind is shared.CONCAT:
        after = (2 * shape[0], *shape[1:]) if len(shape) == 3 else (*shape[:-1], 2 * shape[-1])
    elements.append(Element(kind, options, shape, after, parts))
    return after


def _branch(draw: np.random.Generator, shape: Shape) -> tuple[Element, ...]:
    found: list[Element] = [_back(draw, shape)]
    for _ in range(int(draw.integers(0, 3))):
        trial: list[Element] = []
        if _add_one(trial, draw, shape, inside=True) == shape:
            found += trial
    return tuple(found)


def _back(draw: np.random.Generator, shape: Shape) -> Element:
    """A convolution or dense layer that keeps the shape."""
    if len(shape) < 3:
        options = {"units": shape[-1], "bias": True, "filled": True}
        return Element(tokens.LINEAR, options, shape, shape)
    kernel = int(draw.choice([1, 3]))
    pads = (kernel // 2, kernel // 2)
    options = {
        "kernel": kernel,
        "stride": 1,
        "pads": pads,
        "dilation": 1,
        "groups": 1,
        "filters": shape[0],
        "bias": "both",
    }
    return Element(images.CONV, options, shape, shape)


Check = Callable[..., Any]


def check(net: Network, fault: Fault | None = None) -> Any:
    """The report on a pair, torch's weights drawn at random and copied."""
    import parity
    from parity.frameworks.torch.side import TorchSide
    from parity.models.inputs import inputs_of

    ours, theirs = net.models(fault)
    x = net.inputs()
    TorchSide(ours).randomize(inputs_of(x), net.seed)
    return parity.check(ours, theirs, x, weights="copy")
