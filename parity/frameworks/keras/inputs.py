"""Inputs in torch's order and a Keras model -> the structure that it is called on, and how each lies in it."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from parity.errors import ParityError
from parity.frameworks.calling import Call, arrays_of, call_of, counted
from parity.frameworks.patch import patch
from parity.models.arrays import Array, channels_last
from parity.models.inputs import Inputs, Leaf
from parity.models.layers import Found

OWN = {"training", "mask"}  # what Keras itself gives a `call`


def functional(model: Any) -> Any:
    """The graph with declared inputs that a model is, or has inside; None of any other."""
    found = getattr(model, "_functional", None) or model
    return found if getattr(found, "_inputs_struct", None) is not None else None


def calls(model: Any, x: Inputs) -> list[Call]:
    """The ways to call the model on x, the likeliest first. Raises ParityError where it takes other inputs."""
    graph = functional(model)
    if graph is not None:
        return [Call((_structured(graph, x),), {})]
    words = tuple(x.aliases.get(word, word) for word, _ in x.entries)
    own = OWN - set(words)
    form = dict(zip(words, x.form.values(), strict=True)) if isinstance(x.form, dict) else x.form
    return call_of("Keras", model.call, replace(x, form=form, words=words), own)


def _structured(graph: Any, x: Inputs) -> Any:
    """The declared inputs' structure with the names of x's arrays in it: by name, the others by order."""
    declared = list(_declared(graph._inputs_struct))
    given = {name: x.aliases.get(name, name) for name in x.names}
    found: dict[int, str] = {}
    for name, alias in given.items():
        fit = next((t for names, t in declared if alias in names and id(t) not in found), None)
        if fit is not None:
            found[id(fit)] = name
    free = [t for _, t in declared if id(t) not in found]
    rest = [name for name in given if name not in found.values()]
    required = [t for t in free if not getattr(t._keras_history.operation, "optional", False)]
    if not len(required) <= len(rest) <= len(free):
        raise ParityError(
            f"the Keras model must be called on the inputs given, and it takes "
            f"{', '.join(names[0] for names, _ in declared)}, while {counted(x)}; give as many to both, by name or in "
            "one order"
        )
    found |= {id(t): name for t, name in zip(free, rest, strict=False)}
    return keras.tree.map_structure(lambda t: Leaf(found[id(t)]) if id(t) in found else None, graph._inputs_struct)


def _declared(struct: Any, path: str = "") -> Iterator[tuple[tuple[str, ...], Any]]:
    """(names, tensor) of every declared input, in the order of its definition."""
    if isinstance(struct, dict | list | tuple):
        items = struct.items() if isinstance(struct, dict) else enumerate(struct)
        for name, value in items:
            yield from _declared(value, f"{path}.{name}" if path else str(name))
        return
    names = (struct.name, path) if path.isdigit() or not path else (path, struct.name)
    yield names, struct


def declared_of(model: Any, call: Call) -> dict[str, Any]:
    """The declared tensor of each array, by its name; nothing where the model declares none."""
    graph = functional(model)
    if graph is None:
        return {}
    leaves = _flat(call.args[0])
    tensors = [tensor for _, tensor in _declared(graph._inputs_struct)]
    return {leaf.name: t for leaf, t in zip(leaves, tensors, strict=True) if isinstance(leaf, Leaf)}


def _flat(form: Any) -> list[Any]:
    """The leaves in the order of `_declared`, None among them."""
    if isinstance(form, dict | list | tuple):
        return [leaf for entry in (form.values() if isinstance(form, dict) else form) for leaf in _flat(entry)]
    return [form]


def layouts(model: Any, found: list[Found], x: Inputs, call: Call) -> dict[str, str]:
    """How each input lies in Keras: "channels" where its last axis is torch's second, "frames" where it is torch's
    third, as of a sequence of images, else as in torch.

    Told by the declared shape, or the one that the model was built for, where only one of the two fits it, else by the
    first layer behind it that works on axes. A Dense works on any: on an image that torch convolves, on its patches.
    """
    declared, built = declared_of(model, call), built_of(model, call)
    graph = functional(model)
    kinds = {id(entry.layer): entry for entry in reversed(found)}
    made: dict[str, str] = {}
    for name in arrays_of((call.args, call.kwargs)):
        array, tensor = x.arrays[name], declared.get(name)
        shape = built.get(name) if tensor is None else tuple(tensor.shape)
        lies = None if shape is None else _by_shape(x.batch_first(name), shape)
        if lies is None and tensor is not None and len(declared) > 1:
            lies = _by_consumers(graph, tensor, kinds)
        made[name] = lies or ("equal" if name in x.time_first else _by_rank(found, array, name in x.images))
    return made


def readings(x: Inputs) -> list[Inputs]:
    """What to try a model on: one that does not take its images channels last is built on them as torch has them."""
    return [x, replace(x, images=frozenset())] if x.images else [x]


def built_of(model: Any, call: Call) -> dict[str, tuple[Any, ...]]:
    """The shape of each array, by its name, that a model without declared inputs was built for; of its first input."""
    shapes = list((getattr(model, "_build_shapes_dict", None) or {}).values())
    first = call.args[0] if call.args else next(iter(call.kwargs.values()), None)
    if functional(model) is not None or not shapes:
        return {}
    leaves = zip(_flat(first), _flat_shapes(shapes[0]), strict=False)
    return {leaf.name: shape for leaf, shape in leaves if isinstance(leaf, Leaf)}


def _flat_shapes(shapes: Any) -> list[tuple[Any, ...]]:
    """Shapes of a structure of inputs, in the order of `_flat`."""
    if isinstance(shapes, dict):
        return [shape for entry in shapes.values() for shape in _flat_shapes(entry)]
    if isinstance(shapes, tuple | list) and any(isinstance(entry, tuple | list | dict) for entry in shapes):
        return [shape for entry in shapes for shape in _flat_shapes(entry)]
    return [tuple(shapes)]


def _by_shape(array: Array, known: tuple[Any, ...]) -> str | None:
    """The layout that alone fits a shape; where none does, as the model takes other sizes, its last axis alone."""
    if array.ndim < 3 or len(known) != array.ndim:
        return None
    shapes = {"equal": array.shape[1:], "channels": (*array.shape[2:], array.shape[1])}
    frames = (array.shape[1], *array.shape[3:], array.shape[2])
    for start in (1, -1):
        fits = [name for name, shape in shapes.items() if _fits(shape[min(start, 0) :], known[start:])]
        if fits:
            return fits[0] if len(fits) == 1 else None
        if array.ndim > 3 and start == 1 and _fits(frames, known[1:]):
            return "frames"
    return None


def _fits(shape: tuple[int, ...], known: tuple[Any, ...]) -> bool:
    return all(b in (None, a) for a, b in zip(shape, known, strict=True))


def _by_consumers(graph: Any, tensor: Any, kinds: dict[int, Found]) -> str | None:
    """The layout of the first layer on axes that the graph has behind an input, breadth first."""
    users: dict[int, list[Any]] = {}
    for operation in graph.operations:
        for node in operation._inbound_nodes:
            for source in node.input_tensors:
                users.setdefault(id(source), []).append(node)
    waiting, seen = deque([tensor]), {id(tensor)}
    while waiting:
        for node in users.get(id(waiting.popleft()), ()):
            lies = _inside(node.operation, kinds)
            if lies is not None:
                return lies
            new = [t for t in node.outputs if id(t) not in seen]
            seen |= {id(t) for t in new}
            waiting.extend(new)
    return None


def _inside(operation: Any, kinds: dict[int, Found]) -> str | None:
    """The layout that a layer, or the first one in it, works in."""
    layers = [operation, *getattr(operation, "_flatten_layers", lambda **_: ())()]
    entries = (kinds[id(layer)] for layer in layers if id(layer) in kinds)
    return next((lies for entry in entries if (lies := layout_of(entry)) != "input"), None)


def _by_rank(found: list[Found], array: Array, image: bool) -> str:
    """The layout of the first layer that works on as many axes; without one, an image has its channels last."""
    works = [(entry, layout_of(entry)) for entry in found if layout_of(entry) != "input"]
    ranked = [(getattr(entry.layer, "rank", None), lies) for entry, lies in works]
    same = (lies for rank, lies in ranked if rank is not None and rank + 2 == array.ndim)
    return next(same, None) or ("channels" if image else next((lies for _, lies in ranked), "channels"))


def layout_of(entry: Found) -> str:
    """What the axes of a layer's input mean."""
    return "channels" if entry.kind.moves else entry.kind.layout


def input_layout(found: list[Found]) -> str:
    """Of the model's input: told by the first layer that works on axes at all. Sequences lie alike in both."""
    return next((lies for lies in map(layout_of, found) if lies != "input"), "channels")


def laid(array: Array, layout: str) -> Array:
    """An array of torch's as Keras has it."""
    return np.ascontiguousarray(channels_last(array, layout))


@contextmanager
def whole_numbers(declared: dict[str, Any], x: Inputs, dtype: str) -> Iterator[dict[str, str | None]]:
    """The dtype to give each array in, None as it is: whole numbers where floats are declared exactly, in any run."""
    undo: list[Any] = []
    found: dict[str, str | None] = {}
    for name, array in x.arrays.items():
        tensor = declared.get(name)
        floats = tensor is not None and str(tensor.dtype).startswith(("float", "bfloat"))
        if array.dtype.kind == "f":
            found[name] = dtype
        elif floats:
            found[name] = wide = dtype if dtype == "float64" else "float32"
            undo.append(patch(tensor, "_dtype", wide))
        else:
            found[name] = str(tensor.dtype) if tensor is not None else None
    try:
        yield found
    finally:
        for step in undo:
            step()
