"""Walk a model of either framework: every layer once, as (dotted path, kind, layer), in the order of definition.

The path is torch's: attribute names joined by dots, numbers inside a Sequential or a list. Neither framework is
imported here; a class is recognised by its name or that of a class it inherits from.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from .kinds import KINDS, Kind

KERAS_ACTIVATIONS = {"linear": "identity"}  # Keras names one activation function otherwise than the kind


class Found(NamedTuple):
    """A layer of a model. `kind` is the table's row, or a row of the class's own name without weights."""

    path: str
    kind: Kind
    layer: Any


def walk_torch(model: Any) -> Iterator[Found]:
    """The leaf modules of a torch model: those of a known kind, and those without children."""
    inside: tuple[str, ...] = ()
    for path, module in model.named_modules():
        if inside and path.startswith(inside):
            continue
        kind = kind_of(module, "torch")
        if kind.known or not list(module.children()):
            yield Found(path, kind, module)
            inside = (path + ".",) if path else inside


def walk_keras(model: Any) -> Iterator[Found]:
    """The leaf layers of a Keras model, subclassed, Sequential or functional."""
    yield from _walk_keras(model, "", set())


def _walk_keras(layer: Any, path: str, seen: set[int]) -> Iterator[Found]:
    for name, child in keras_children(layer):
        if id(child) in seen:
            continue
        seen.add(id(child))
        child_path = f"{path}.{name}" if path else name
        kind = kind_of(child, "keras")
        if kind.known or not keras_children(child):
            yield Found(child_path, kind, child)
        else:
            yield from _walk_keras(child, child_path, seen)


def keras_children(layer: Any) -> list[tuple[str, Any]]:
    """The sublayers of a Keras layer with the names they have in a path."""
    names = {cls.__name__ for cls in type(layer).__mro__}
    if "Sequential" in names and "Model" in names:
        return [(str(number), child) for number, child in enumerate(layer.layers)]
    if "Functional" in names:
        return [(child.name, child) for child in layer.operations if type(child).__name__ != "InputLayer"]
    return list(_attribute_layers(layer))


def _attribute_layers(layer: Any) -> Iterator[tuple[str, Any]]:
    for name, value in vars(layer).items():
        if name.startswith("_") or name == "layers":
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
    """The row of the table for a layer; for an unknown class a row of that name that has no weights to carry."""
    names = [cls.__name__ for cls in type(layer).__mro__]
    if framework == "keras" and names[0] == "Activation":
        name = layer.activation.__name__
        name = KERAS_ACTIVATIONS.get(name, name)
        return next((kind for kind in KINDS if kind.name == name), Kind(name, (), ()))
    for name in names:
        for kind in KINDS:
            if name in (kind.torch if framework == "torch" else kind.keras):
                return kind
    return Kind(names[0].lower(), (), (), known=False)
