"""Walk a Keras model: every layer once, as (dotted path, kind, layer), in order of definition, and its variables."""

import dis
import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from parity.models.arrays import Axes
from parity.models.kinds import Kind, bare, held, is_keras_layer, kind_of, kind_of_class
from parity.models.layers import Found

# Attributes of a layer's that hold layers which others of its attributes have, or Keras has for itself.
TRACKED = ("_layers", "_functional", "_modules")
TENSORFLOW = "_self_unconditional_"  # how names of attributes begin in which TensorFlow keeps all that is tracked


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


@dataclass(frozen=True)
class Holder:
    """A variable outside of any layer, as a layer with one weight."""

    value: Any


def walk_keras(model: Any) -> Iterator[Found]:
    """The leaf layers of a Keras model of any style, or the parts of a layer that does several things."""
    yield from (found._replace(kind=_as_laid(found)) for found in _walk_keras(model, "", set()))


def _as_laid(found: Found) -> Kind:
    """The kind of a layer, which has torch's axes if its data format or its norm's axis says (N, C, ...)."""
    if not found.kind.known:
        return replace(found.kind, weighted=bool(getattr(found.layer, "variables", None)))
    axis = getattr(found.layer, "axis", None)
    first = getattr(found.layer, "data_format", None) == "channels_first" or axis in (1, [1], (1,))
    if found.kind.layout != "channels":
        return found.kind
    each = found.kind.gates and getattr(found.layer, "return_sequences", False)
    return replace(found.kind, layout="equal" if first else "frames" if each else "channels")


def _walk_keras(layer: Any, path: str, seen: set[int]) -> Iterator[Found]:
    for name, child in keras_children(layer):
        if id(child) in seen:
            continue
        seen.add(id(child))
        child_path = f"{path}.{name}" if path else name
        kind = kind_of(child, "keras")
        layer = kind.known or not keras_children(child)
        if layer:
            yield from _with_parts(Found(child_path, kind, child))
        if not layer or base_call(Found(child_path, kind, child)) is not None:
            yield from _walk_keras(child, child_path, seen)


def keras_scopes(model: Any) -> Iterator[tuple[str, Any]]:
    """The model, under the path "", and every layer in it that is made of layers."""
    waiting, seen = [("", model)], {id(model)}
    while waiting:
        path, layer = waiting.pop()
        yield path, layer
        for name, child in keras_children(layer):
            if id(child) not in seen and _is_scope(child):
                seen.add(id(child))
                waiting.append((f"{path}.{name}" if path else name, child))


def _is_scope(layer: Any) -> bool:
    """Whether other layers, or functions, run in a layer as steps of their own."""
    kind = kind_of(layer, "keras")
    if kind.known:
        return base_call(Found("", kind, layer)) is not None
    return bool(keras_children(layer))


def _with_parts(found: Found) -> Iterator[Found]:
    path, kind, layer = found
    for name, like, own in kind.parts:
        part = Part(layer, name, dict(own))
        yield Found(f"{path}.{name}", kind_of_class(like, "keras"), part)
    if not kind.parts:
        yield found
    activation = fused_activation(found)
    if activation is not None:
        yield Found(f"{path}.activation", kind_of(activation, "keras"), Part(layer, "activation", {}))


def fused_activation(found: Found) -> Any:
    """The `activation=` of a Keras layer that has weights; None where it has none, or the linear one."""
    if found.kind.gates or not (found.kind.weights or found.kind.parts or found.kind.opaque):
        return None
    activation = getattr(found.layer, "activation", None)
    return None if activation is None or kind_of(activation, "keras").idle else activation


def base_call(found: Found) -> type | None:
    """The class whose `call` a layer's own `call` makes use of: that is the layer, and what else is called is not.

    None where the layer has no other `call` than Keras's, or one that does not call it.
    """
    layer = found.layer.owner if isinstance(found.layer, Part) else found.layer
    if not (found.kind.weights or found.kind.parts) or found.kind.gates:
        return None
    has = [cls for cls in type(layer).__mro__ if "call" in vars(cls)]
    own = [vars(cls)["call"] for cls in has if not cls.__module__.startswith("keras.")]
    bases = [cls for cls in has if cls.__module__.startswith("keras.")]
    return bases[0] if own and bases and all(_calls_base(call) for call in own) else None


def _calls_base(call: Any) -> bool:
    """Whether a method always calls another one of its name: `super().call(x)`, or `Dense.call(self, x)`.

    One that branches may do so in one dtype and not in another, where the same steps must run: it stays whole.
    """
    code = getattr(inspect.unwrap(call), "__code__", None)
    if code is None or "call" not in code.co_names:
        return False
    return not any("JUMP" in step.opname and "_IF_" in step.opname for step in dis.get_instructions(code))


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
    own = type(layer).__module__.startswith("keras.")  # whose private layers are a part of what it does
    fused = kind_of(layer, "keras").known  # whose activation is told as a part
    for name, value in (vars(layer) | modules).items():
        kept = name in TRACKED or name.startswith(TENSORFLOW) or (fused and name == "activation")
        if kept or (own and name.startswith("_")):
            continue
        if is_keras_layer(value):
            yield name, value
        elif isinstance(value, list | tuple | dict):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            yield from ((f"{name}.{key}", item) for key, item in items if is_keras_layer(item))


def bare_variables(model: Any, layers: Iterable[Found]) -> Iterator[Found]:
    """The variables that belong to no layer of a known kind, each once, in order of definition."""
    leaves = list(layers)
    seen = {id(variable) for _, variable, _ in keras_variables(leaves)}
    unknown = [(entry.path, entry.layer) for entry in leaves if not entry.kind.known or entry.kind.opaque]
    inside = [found for path, layer in unknown if not isinstance(layer, Part) for found in _inside(path, layer)]
    for path, layer in (*keras_scopes(model), *inside):
        for weight, name in ((True, "_trainable_variables"), (False, "_non_trainable_variables")):
            for variable in getattr(layer, name, ()):
                if id(variable) not in seen and str(variable.dtype) not in ("uint32", "string"):  # a seed
                    seen.add(id(variable))
                    own = _called(layer, variable)
                    yield Found(f"{path}.{own}" if path else own, bare(weight), Holder(variable))


def _inside(path: str, layer: Any) -> Iterator[tuple[str, Any]]:
    """A layer and those in it that it does not show, as a MultiHeadAttention's projections, by the names they have."""
    yield path, layer
    for child in getattr(layer, "_layers", ()):
        if is_keras_layer(child):
            yield from _inside(f"{path}.{child.name}", child)


def _called(layer: Any, variable: Any) -> str:
    """The attribute that a layer has a variable as, or else the variable's own name."""
    attributes = (name for name, value in vars(layer).items() if value is variable)
    return next((name for name in attributes if not name.startswith("_")), str(variable.name))


def keras_variables(layers: Iterable[Found]) -> Iterator[tuple[str, Any, Axes]]:
    """(canonical name, variable, axes from torch's layout) for every variable of the known layers."""
    for path, kind, layer in layers:
        for torch_name, keras_name, layout in kind.weights:
            variable = held(layer, keras_name)
            if variable is not None:
                yield f"{path}.{torch_name}", variable, layout(tuple(variable.shape))
