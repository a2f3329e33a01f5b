"""What a training script or a whole module was saved as -> its tensors by name, wherever in it they lie.

Tensors lie in dictionaries in dictionaries, or in the objects of a saved module, in what these would have been given:
`_modules`, `_parameters` and `_buffers`, or a TorchScript program's attributes.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from parity.errors import CheckpointError, few
from parity.models.arrays import Array

from .objects import Odd, Storage
from .pickles import Global, Thing

FIRST = ("state_dict", "model", "model_state_dict", "net")  # where most training scripts put the weights
MOST_DEPTH = 6  # of dictionaries in dictionaries
MOST_NETWORKS = 8  # in one file
MOST_MODULES = 40  # of modules in modules
MOST_PARTS = 100_000
OTHERS = ("optimizer", "optim", "scheduler", "amp", "scaler", "lr_")  # what never is the network

SPREAD = (
    "DeepSpeed spread it over files: run `python zero_to_fp32.py . OUT` in the checkpoint's folder, where "
    "DeepSpeed put that script, and convert OUT"
)

State = dict[str, Array]
Modules = dict[str, dict[str, Any]]  # by path: a module's class, and its attributes of plain values


class Nest(NamedTuple):
    """The tensors by name; what of the rest is to be said; what lies beside them; of a saved module, its parts."""

    tensors: State
    notes: tuple[str, ...]
    beside: dict[str, Any]
    modules: Modules


def state_of(content: Any, subject: str, at: str = "") -> Nest:
    """The tensors, wherever they lie. at: that place, "a.b". Raises CheckpointError for none, or several networks."""
    places = dict(_places(content, "", 0))
    if len(places) > MOST_NETWORKS:  # a tree of layers, as Flax and Haiku have it
        places = {"": {f"{path}/{name}": each for path, held in places.items() for name, each in held.items()}}
    if at:
        chosen = places.get(at)
        if chosen is None:
            raise CheckpointError(
                f"--at must be where tensors lie in {subject}, and nothing lies at {at!r}; try {few(places) or 'none'}"
            )
        return _nest(content, chosen, at, subject)
    if "" in places:
        return _nest(content, places[""], "", subject)
    firsts = [name for name in FIRST if name in places]
    usable = firsts or [name for name in places if not name.startswith(OTHERS)]
    usable = [name for name in usable if any(_is_kernel(each) for each in places[name].values())] or usable
    if len(usable) != 1:
        raise CheckpointError(_undecided(content, usable, places, subject))
    return _nest(content, places[usable[0]], usable[0], subject)


def _is_kernel(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 4


def _nest(content: Any, tensors: dict[str, Any], path: str, subject: str) -> Nest:
    inside = content
    for key in path.split(".") if path else ():
        inside = dict(_inside(inside)).get(key)
    modules = dict(_modules(inside)) if isinstance(inside, Thing) else {}
    notes = _said(content, path, inside) if isinstance(content, Mapping) else ()
    return Nest(_checked(tensors, subject), notes, _beside(content, path), modules)


def _undecided(content: Any, usable: list[str], places: dict[str, Any], subject: str) -> str:
    if usable:
        return f"{subject} must hold one network, and holds {few(usable)}; choose one with --at {usable[0]}"
    if isinstance(content, Mapping) and "ds_version" in content:
        return f"{subject} must hold a network, and holds an optimizer's share of one; {SPREAD}"
    what = few(map(repr, content)) if isinstance(content, Mapping) and content else _kind(content)
    more = f" beside {few(places)}" if places else ""
    return f"{subject} must hold tensors by name, and holds {what}{more}; save the network's state_dict"


def _kind(content: Any) -> str:
    if isinstance(content, Thing):
        return f"an object, {content.name or 'of a class of its own'}, without tensors"
    if isinstance(content, Mapping | list | tuple) and not content:
        return "nothing"
    return "one tensor" if isinstance(content, np.ndarray | Odd) else f"a {type(content).__name__}"


def _places(value: Any, path: str, depth: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every dictionary of tensors, and every module, with the path to it; not what is in one that was found."""
    found = _tensors(value)
    if found:
        yield path, found
    elif depth < MOST_DEPTH:
        for key, each in _inside(value):
            yield from _places(each, f"{path}.{key}" if path else key, depth + 1)


def _inside(value: Any) -> Iterator[tuple[str, Any]]:
    """What a dictionary holds by name, or the first few of a list by their numbers."""
    if isinstance(value, Mapping):
        yield from ((key, each) for key, each in value.items() if isinstance(key, str))
    elif isinstance(value, list | tuple):
        yield from ((str(number), each) for number, each in enumerate(value[:MOST_NETWORKS]))


def _tensors(value: Any) -> dict[str, Any] | None:
    """The tensors of a dictionary that holds some by name, or of a module; what else is in it is left out."""
    if isinstance(value, Thing):
        return dict(_of_module(value)) or None
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        return None
    found = {key: each for key, each in value.items() if isinstance(each, np.ndarray | Odd)}
    blobs = value.get("blobs")  # Caffe2's
    if not found and isinstance(blobs, Mapping):
        return _tensors(blobs)
    return found if len(found) * 2 > len(value) else None


def _modules(thing: Thing) -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, class and attributes) of a saved module's parts."""
    for path, part in _walked(thing):
        state = part.state if isinstance(part.state, Mapping) else {}
        settings = {str(key): value for key, value in state.items() if isinstance(value, str | int | float | tuple)}
        yield path, {"class": part.name.rpartition(".")[2], **settings}


def _of_module(thing: Thing) -> Iterator[tuple[str, Any]]:
    """(name, tensor) of a saved module: a module's parameters before its buffers."""
    for path, part in _walked(thing):
        own, _ = _attributes(part)
        start = f"{path}." if path else ""
        yield from ((f"{start}{name}", each) for name, each in own if isinstance(each, np.ndarray | Odd))


def _walked(thing: Thing) -> Iterator[tuple[str, Thing]]:
    """Every module in a module, each once, with its path."""
    waiting: list[tuple[str, Thing, int]] = [("", thing, 0)]
    seen: set[int] = set()
    while waiting:
        path, part, depth = waiting.pop()
        if id(part) in seen or depth > MOST_MODULES or len(seen) > MOST_PARTS:
            continue
        seen.add(id(part))
        yield path, part
        _, inside = _attributes(part)
        waiting.extend((f"{path}.{name}" if path else name, each, depth + 1) for name, each in reversed(inside))


def _attributes(part: Thing) -> tuple[list[tuple[str, Any]], list[tuple[str, Thing]]]:
    """A module's tensors and its modules, by name."""
    state = part.state if isinstance(part.state, Mapping) else {}
    groups = [state.get(name) for name in ("_parameters", "_buffers", "_modules")]
    if any(isinstance(group, Mapping) for group in groups):
        left_out = state.get("_non_persistent_buffers_set")
        hidden = {name for name in left_out if isinstance(name, str)} if isinstance(left_out, list) else set()
        entries = [pair for group in groups if isinstance(group, Mapping) for pair in group.items()]
        entries = [(name, each) for name, each in entries if name not in hidden]
    else:
        entries = list(state.items())
    named = [(name, each) for name, each in entries if isinstance(name, str)]
    return named, [(name, each) for name, each in named if isinstance(each, Thing)]


SAVE = {
    "DTensor": "gather them with get_model_state_dict(model, options=StateDictOptions(full_state_dict=True))",
    "float8_": "save them as float32",
} | dict.fromkeys(("quantised", "Quant", "Int4", "Int8", "Float8"), "save the network before it is quantised")


def _checked(state: dict[str, Any], subject: str) -> State:
    """The tensors. Raises CheckpointError where one is no array of numbers."""
    odd = {name: each.what for name, each in state.items() if isinstance(each, Odd)}
    if odd:
        what = next(iter(odd.values()))
        step = next((step for key, step in SAVE.items() if key.lower() in what.lower()), "save them dense, as float32")
        raise CheckpointError(
            f"{subject} must hold plain tensors, and {len(odd)} are not: {few(odd, most=5)} ({what}); {step}",
            {"odd": odd},
        )
    return state


def _said(content: Any, path: str, inside: Any) -> tuple[str, ...]:
    """What is passed over, in sentences: beside the tensors, and among them."""
    rest = list(_beside(content, path))
    values = inside.items() if isinstance(inside, Mapping) else ()
    strange = [str(key) for key, each in values if not isinstance(each, np.ndarray | Odd)]
    among = (f"{few(strange)} among the tensors passed over",) if strange and "blobs" not in strange else ()
    return ((f"{few(rest)} beside {path} passed over",) if rest else ()) + among


def _beside(content: Any, path: str) -> dict[str, Any]:
    """What lies beside the tensors at the top, plain data."""
    if not isinstance(content, Mapping) or not path:
        return {}
    own = path.partition(".")[0]
    return {str(key): plain(value, 0) for key, value in content.items() if key != own}


def plain(value: Any, depth: int) -> Any:
    """Text, numbers, lists and dictionaries of a value; of an object, its attributes."""
    if depth > MOST_DEPTH or isinstance(value, np.ndarray | Odd | Storage | Global):
        return None
    if isinstance(value, Thing):
        return plain(value.state if isinstance(value.state, Mapping) else value.items, depth)
    if isinstance(value, Mapping):
        return {str(key): plain(each, depth + 1) for key, each in list(value.items())[:1000]}
    if isinstance(value, list | tuple):
        return [plain(each, depth + 1) for each in value[:100]]
    return value if isinstance(value, str | int | float | bool) else None
