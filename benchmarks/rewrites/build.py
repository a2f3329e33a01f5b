"""Elements of a network, each a torch and a Keras writing of one function -> a torch module and a Keras model.

An element is written by two functions, which put layers into a `Kit` and return what is called on tensors. torch's
axes are (N, C, H, W), Keras's (N, H, W, C); tokens are (N, T, C) and vectors (N, C) in both.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np
import torch
from torch import nn

Run = Callable[..., Any]
Options = dict[str, Any]
Shape = tuple[int, ...]  # torch's, of one sample
STYLES = ("functional", "subclass", "nested", "sequential")


class Kit:
    """Takes an element's layers by name, and draws how it is written. prefix: of a part of an element."""

    def __init__(self, draw: np.random.Generator, named: bool = True, owner: str = "", prefix: str = "") -> None:
        self.draw, self.named, self.owner, self.prefix = draw, named, owner, prefix
        self.layers: dict[str, Any] = {}

    def add(self, name: str, make: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """A layer, called by torch's path if the pair's names agree and its constructor takes one."""
        if self.named and issubclass(make, keras.layers.Layer):
            options["name"] = f"{self.owner}.{self.prefix}{name}"
        layer = make(*args, **options)
        self.layers[self.prefix + name] = layer
        return layer

    def add_lazily(self, name: str, make: Callable[..., Any], *args: Any, **options: Any) -> "Later":
        """A layer that is made if its way of writing is drawn."""
        return Later(lambda: self.add(name, make, *args, **options))

    def part(self, name: str) -> "Kit":
        """A kit for a part: its layers are this element's too."""
        part = Kit(self.draw, self.named, self.owner, f"{self.prefix}{name}_")
        part.layers = self.layers
        return part

    def one_of(self, *ways: Any) -> Any:
        """One way of writing, by chance."""
        way = ways[int(self.draw.integers(len(ways)))]
        return way.make() if isinstance(way, Later) else way


@dataclass(frozen=True)
class Later:
    """A layer that is not made yet."""

    make: Callable[[], Any]


@dataclass(frozen=True)
class Element:
    """What is computed: a row of a table of kinds, its options, the shapes of one sample, and parts if it has any.

    second: whether it also takes the network's second input.
    """

    kind: "Kind"
    options: Options
    before: Shape
    after: Shape
    parts: tuple[tuple["Element", ...], ...] = ()
    second: bool = False

    def with_options(self, **new: Any) -> "Element":
        return replace(self, options=self.options | new)


@dataclass(frozen=True)
class Kind:
    """How a kind of element is drawn and written. faults: by name, options that make another function of it."""

    name: str
    drawn: Callable[[np.random.Generator, Shape], tuple[Options, Shape] | None]
    torch: Callable[[Kit, Element], Run]
    keras: Callable[[Kit, Element], Run]
    faults: Callable[[Options], dict[str, Options]] = field(default=lambda options: {})


class TorchElement(nn.Module):
    """An element's layers, under their names, and what is done with them."""

    def __init__(self, kit: Kit, run: Run) -> None:
        super().__init__()
        for name, layer in kit.layers.items():
            self.add_module(name, layer)
        self.run = run

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.run(*inputs)


class TorchNet(nn.Module):
    """Elements one after another. ends: how the output is given."""

    def __init__(self, elements: list[Element], draw: np.random.Generator, ends: str) -> None:
        super().__init__()
        self.second = [element.second for element in elements]
        self.ends = ends
        for number, element in enumerate(elements):
            kit = Kit(draw, named=False)
            self.add_module(f"e{number}", TorchElement(kit, element.kind.torch(kit, element)))

    def forward(self, x: torch.Tensor, z: torch.Tensor | None = None) -> Any:
        return _run(list(self.children()), self.second, x, z, self.ends)


class KerasElement(keras.layers.Layer):
    """An element's layers as attributes, and what is done with them."""

    def __init__(self, kit: Kit, run: Run, name: str) -> None:
        super().__init__(name=name)
        for key, layer in kit.layers.items():
            setattr(self, key, layer)
        self.run = run

    def build(self, x_shape: Shape, z_shape: Shape | None = None) -> None:
        """Nothing: its layers are built in the first call."""

    def call(self, x: Any, z: Any = None) -> Any:
        return self.run(x) if z is None else self.run(x, z)


class KerasNet(keras.Model):
    """Elements one after another, each a layer of its own or, if not `nested`, all layers in the model."""

    def __init__(self, kits: list[Kit], runs: list[Run], second: list[bool], ends: str, nested: bool) -> None:
        super().__init__()
        self.second, self.ends = second, ends
        for kit, run in zip(kits, runs, strict=True):
            if nested:
                setattr(self, kit.owner, KerasElement(kit, run, kit.owner))
            for name, layer in {} if nested else kit.layers.items():
                setattr(self, f"{kit.owner}_{name}", layer)
        owners = [kit.owner for kit in kits]
        self.runs = lambda: [getattr(self, owner) for owner in owners] if nested else runs

    def call(self, x: Any, z: Any = None) -> Any:
        return _run(self.runs(), self.second, x, z, self.ends)


def _run(runs: list[Run], second: list[bool], x: Any, z: Any, ends: str) -> Any:
    middle = x
    for number, (run, both) in enumerate(zip(runs, second, strict=True)):
        x = run(x, z) if both else run(x)
        if number == len(runs) // 2:
            middle = x
    return {"plain": x, "dictionary": {"out": x, "middle": middle}, "tuple": (middle, x)}[ends]


def keras_net(
    elements: list[Element], draw: np.random.Generator, ends: str, style: str, shapes: list[Shape], named: bool
) -> keras.Model:
    """The Keras model in a style. shapes: of one sample of each input, axes as Keras has them."""
    kits = [Kit(draw, named and style != "nested", f"e{number}") for number in range(len(elements))]
    runs = [element.kind.keras(kit, element) for kit, element in zip(kits, elements, strict=True)]
    second = [element.second for element in elements]
    if style in ("subclass", "nested"):
        model = KerasNet(kits, runs, second, ends, style == "nested")
        model(
            *[
                np.zeros((2, *shape), np.int32 if elements[0].kind.name == "embedding" else np.float32)
                for shape in shapes
            ]
        )
        return model
    if style == "sequential" and ends == "plain" and not any(second):
        return keras.Sequential([_input(elements, shapes[0]), *map(as_layer, kits, runs)])
    inputs = [_input(elements, shapes[0]), *map(keras.Input, shapes[1:])]
    outputs = _run(runs, second, inputs[0], inputs[-1], ends)
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs)


def _input(elements: list[Element], shape: Shape) -> Any:
    return keras.Input(shape, dtype="int32" if elements[0].kind.name == "embedding" else "float32")


def as_layer(kit: Kit, run: Run) -> keras.layers.Layer:
    """What a Sequential model takes: a layer as it is, the rest of an element in a layer of its own."""
    if isinstance(run, keras.layers.Layer):
        return run
    return KerasElement(kit, run, kit.owner) if kit.layers else keras.layers.Lambda(run)
