"""Walk a model of either framework: every layer once, as (dotted path, kind, layer), in the order of definition.

The path is torch's: attribute names joined by dots, numbers inside a Sequential or a list. Neither framework is
imported here; a class is recognised by its name or that of a class it inherits from.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from .kinds import KINDS, Kind


class Found(NamedTuple):
    """A layer of a model. `kind` is the table's row, or a row of the class's own name without weights."""

    path: str
    kind: Kind
    layer: Any


@dataclass(frozen=True)
class Part:
    """One computation of a Keras layer that does several: its fused activation, or half of a separable convolution.

    It has the attributes of a layer that does this alone: those in `own`, which name an attribute of the owner or
    give a value, and otherwise the owner's.
    """

    owner: Any
    name: str
    own: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        if name not in self.own:
            return getattr(self.owner, name)
        value = self.own[name]
        return getattr(self.owner, value) if isinstance(value, str) and hasattr(self.owner, value) else value


def walk_torch(model: Any) -> Iterator[Found]:
    """The leaf modules of a torch model: those of a known kind, and those without children."""
    inside: tuple[str, ...] = ()
    for path, module in model.named_modules():
        if inside and path.startswith(inside):
            continue
        kind = kind_of(module, "torch")
        if kind.known or (path and not list(module.children())):
            yield Found(path, kind, module)
            inside = (path + ".",) if path else inside


def walk_keras(model: Any) -> Iterator[Found]:
    """The leaf layers of a Keras model of any style, or the parts of a layer that does several things."""
    yield from _walk_keras(model, "", set())


def _walk_keras(layer: Any, path: str, seen: set[int]) -> Iterator[Found]:
    for name, child in keras_children(layer):
        if id(child) in seen:
            continue
        seen.add(id(child))
        child_path = f"{path}.{name}" if path else name
        kind = kind_of(child, "keras")
        if kind.known or not keras_children(child):
            yield from _with_parts(Found(child_path, kind, child))
        else:
            yield from _walk_keras(child, child_path, seen)


def keras_scopes(model: Any) -> Iterator[tuple[str, Any]]:
    """The model, under the path "", and every layer in it that is made of layers."""
    waiting, seen = [("", model)], {id(model)}
    while waiting:
        path, layer = waiting.pop()
        yield path, layer
        for name, child in keras_children(layer):
            if id(child) not in seen and not kind_of(child, "keras").known and keras_children(child):
                seen.add(id(child))
                waiting.append((f"{path}.{name}" if path else name, child))


def _with_parts(found: Found) -> Iterator[Found]:
    path, kind, layer = found
    for name, like, own in kind.parts:
        part = Part(layer, name, dict(own))
        yield Found(f"{path}.{name}", next(row for row in KINDS if like in row.keras), part)
    if not kind.parts:
        yield found
    activation = fused_activation(found)
    if activation is not None:
        yield Found(f"{path}.activation", kind_of(activation, "keras"), Part(layer, "activation", {}))


def fused_activation(found: Found) -> Any:
    """The `activation=` of a Keras layer that has weights; None where it has none, or the linear one."""
    if not (found.kind.weights or found.kind.parts):
        return None
    activation = getattr(found.layer, "activation", None)
    return None if activation is None or kind_of(activation, "keras").name == "identity" else activation


def keras_children(layer: Any) -> list[tuple[str, Any]]:
    """The sublayers of a Keras layer with the names they have in a path."""
    names = {cls.__name__ for cls in type(layer).__mro__}
    if "Sequential" in names and "Model" in names:
        return [(str(number), child) for number, child in enumerate(layer.layers)]
    if "Functional" in names:
        children = [child for child in layer.operations if is_keras_layer(child)]
        return [(child.name, child) for child in children if type(child).__name__ != "InputLayer"]
    return list(_attribute_layers(layer))


def _attribute_layers(layer: Any) -> Iterator[tuple[str, Any]]:
    modules = vars(layer).get("_modules", {})  # where Keras's torch backend has them
    for name, value in (vars(layer) | modules).items():
        if name.startswith("_") or name in ("layers", "activation"):
            continue
        if is_keras_layer(value):
            yield name, value
        elif isinstance(value, list | tuple | dict):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            yield from ((f"{name}.{key}", item) for key, item in items if is_keras_layer(item))


def is_keras_layer(value: Any) -> bool:
    """Whether `value` is a Keras layer (or model), told without importing Keras."""
    return any(cls.__name__ == "Layer" and cls.__module__.startswith("keras.") for cls in type(value).__mro__)


def kind_of(layer: Any, framework: str) -> Kind:
    """The row of the table for a layer or an activation function; for an unknown class a row of that name alone."""
    names = [cls.__name__ for cls in type(layer).__mro__]
    if framework == "keras" and names[0] == "Activation":
        layer = layer.activation
        names = [cls.__name__ for cls in type(layer).__mro__]
    if framework == "keras" and not is_keras_layer(layer):
        name = function_of(layer)[0]
        return next((kind for kind in KINDS if name in _short(kind.operations)), Kind(name, known=False))
    for name in names:
        for kind in KINDS:
            classes = kind.torch if framework == "torch" else kind.keras
            if name in classes and (kind.test is None or kind.test(layer)):
                return kind
    return Kind(names[0].lower(), known=False)


def function_of(activation: Any) -> tuple[str, dict[str, Any]]:
    """The name of an activation function, through functools.partial, and the arguments that this gives it."""
    arguments: dict[str, Any] = {}
    while hasattr(activation, "func"):
        arguments = activation.keywords | arguments
        activation = activation.func
    return getattr(activation, "__name__", type(activation).__name__.lower()), arguments


def _short(operations: tuple[str, ...]) -> set[str]:
    return {name.rpartition(".")[2] for name in operations}
