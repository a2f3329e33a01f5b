"""Walk a torch model: every leaf module once, as (dotted path, kind, module), in order of definition; its tensors."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from parity.models.kinds import SEQUENCE, bare, kind_of
from parity.models.layers import Bare, Found

from .recurrent import directions


def walk_torch(model: Any) -> Iterator[Found]:
    """The leaf modules of a torch model: those of a known kind, and those without children."""
    inside: tuple[str, ...] = ()
    for path, module in model.named_modules():
        if inside and path.startswith(inside):
            continue
        kind = kind_of(module, "torch")
        if kind.known or (path and not list(module.children())):
            yield from _parts(Found(path, kind, module))
            inside = (path + ".",) if path else inside


def _parts(found: Found) -> Iterator[Found]:
    if found.kind.recurs == SEQUENCE:
        yield from directions(found)
    elif not found.kind.known and any(True for _ in found.layer.parameters()):
        yield found._replace(kind=replace(found.kind, weighted=True))
    else:
        yield found


def bare_tensors(model: Any, layers: Iterable[Found]) -> Iterator[Found]:
    """The parameters and buffers that belong to no layer of a known kind, each once, in order of definition."""
    known = [entry for entry in layers if entry.kind.known]
    seen = {id(tensor) for _, tensor in torch_tensors(known)}
    inside = tuple(f"{entry.path}." if entry.path else "" for entry in known)
    for path, module in model.named_modules():
        if (inside and f"{path}.".startswith(inside)) or "parametrizations" in path.split("."):
            continue  # what a parametrization holds is no weight until it is removed
        for weight, tensors in ((True, module._parameters), (False, module._buffers)):
            for name, tensor in tensors.items():
                if tensor is not None and id(tensor) not in seen:
                    seen.add(id(tensor))
                    yield Found(f"{path}.{name}" if path else name, bare(weight), Bare(module, name))


def in_copy(found: Found, model: Any) -> Bare:
    """A tensor outside of any layer, as a copy of its model has it."""
    owner, _, name = found.path.rpartition(".")
    return Bare(model.get_submodule(owner), name)


def torch_tensors(layers: Iterable[Found]) -> Iterator[tuple[str, Any]]:
    """(canonical name, tensor) for every parameter and buffer of the layers that the table of kinds knows."""
    for path, kind, layer in layers:
        for name, _, _ in kind.weights:
            tensor = getattr(layer, name, None)
            if tensor is not None:
                yield f"{path}.{name}" if path else name, tensor
