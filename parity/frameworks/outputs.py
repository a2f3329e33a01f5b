"""What a model returns, of any structure -> its tensors, each with a name; and which is which of the other side's."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from parity.models.arrays import Array
from parity.models.steps import Expected, Step

from .side import Codec

OUTPUT = "output"
Shape = tuple[int, ...]


class Placed(NamedTuple):
    """An output of this side: the key that both sides know it by, its path in a report, the shape to show it in."""

    key: str
    path: str
    shape: Shape | None = None
    note: str | None = None

    def step(self, array: Array, source: str, origins: tuple[str, ...] | None) -> Step:
        """The output as a step of its model."""
        feeds = None if self.key == self.path else self.key
        return Step(self.path, "output", array, [source], feeds, origins=origins, note=self.note)


def given(output: Any, tensors: Callable[[Any], list[Any]], expected: Expected | None) -> Iterator[tuple[Placed, Any]]:
    """Every tensor of what a model returns, with what it is called; `tensors` tells which values are some."""
    found = [(name, x) for name, x in leaves(output) if tensors(x)]
    yield from zip(placed([(name, tuple(x.shape)) for name, x in found], expected), (x for _, x in found), strict=True)


def leaves(output: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(name, value) of all that a model returns, in order: "logits", "hidden.0"; "1" in a tuple, "" of one alone.

    Dictionaries (and model outputs that are one), dataclasses, named and plain tuples, lists, and any object that holds
    tensors as its attributes. What is None is left out.
    """
    inside = _inside(output)
    if inside is None:
        if output is not None:
            yield path, output
        return
    for name, value in inside:
        yield from leaves(value, f"{path}.{name}" if path else name)


def _inside(output: Any) -> list[tuple[str, Any]] | None:
    """What a container holds, by name; None of what is none."""
    if isinstance(output, Mapping):
        return [(str(name), value) for name, value in output.items()]
    if dataclasses.is_dataclass(output) and not isinstance(output, type):
        names = [entry.name for entry in dataclasses.fields(output)]
        return [(name, getattr(output, name)) for name in names]
    if isinstance(output, tuple | list):
        names = [str(name) for name in getattr(output, "_fields", range(len(output)))]
        return list(zip(names, output, strict=True))
    if hasattr(output, "shape") or isinstance(output, str | bytes | int | float | complex | type):
        return None
    held = getattr(output, "__dict__", None)
    return None if held is None else [(name, value) for name, value in held.items() if not name.startswith("_")]


def is_named(name: str) -> bool:
    """Whether a part of an output's name is more than its number."""
    return any(not part.isdigit() for part in name.split(".")) if name else False


def placed(found: Sequence[tuple[str, Shape]], expected: Expected | None) -> list[Placed]:
    """What each output, (name, shape), is called: by order, or as those of the other side that are the same."""
    if expected is None:
        return [Placed(key_of(number), _path(name, number)) for number, (name, _) in enumerate(found)]
    partners = _partners([name for name, _ in found], expected)
    return [_placed(name, shape, number, partners.get(number), expected) for number, (name, shape) in enumerate(found)]


def _placed(name: str, shape: Shape, number: int, partner: int | None, expected: Expected) -> Placed:
    if partner is None:
        return Placed(f"{OUTPUT}#keras:{name or number}", _path(name, number))
    key, other, wanted = expected.outputs[partner]
    path = f"{OUTPUT}.{other}" if is_named(other) else key
    batch = shape[:1] == wanted[:1] or not _long(shape)
    if shape == wanted or _long(shape) != _long(wanted) or not batch:
        return Placed(key, path)
    return Placed(
        key, path, wanted, f"torch gives {shown(wanted)} and Keras {shown(shape)}: the same numbers, one by one"
    )


def _partners(names: list[str], expected: Expected) -> dict[int, int]:
    """Which of the other side's outputs each is: by name where both have some in common, else by order."""
    theirs = [expected.aliases.get(name, name) for _, name, _ in expected.outputs]
    common = {name for name in names if is_named(name)} & set(theirs)
    if not common:
        return {number: number for number in range(min(len(names), len(theirs)))}
    found = {names.index(name): theirs.index(name) for name in common}
    rest = [[n for n, name in enumerate(side) if not is_named(name)] for side in (names, theirs)]
    return found | dict(zip(*rest, strict=False))


def key_of(number: int) -> str:
    """The key of the output at a place."""
    return OUTPUT if number == 0 else f"{OUTPUT}#{number + 1}"


def name_of(path: str) -> str:
    """The name that an output's path holds."""
    return path.removeprefix(f"{OUTPUT}.") if path.startswith(f"{OUTPUT}.") else ""


def _path(name: str, number: int) -> str:
    return f"{OUTPUT}.{name}" if is_named(name) else key_of(number)


def _long(shape: Shape) -> Shape:
    return tuple(size for size in shape if size != 1)


def shown(shape: Shape) -> str:
    """A shape whose batch is N: "(N, 1)"."""
    return f"({', '.join(['N', *map(str, shape[1:])])}{',' * (len(shape) == 1)})" if shape else "()"


def as_shaped(codec: Codec, shape: Shape | None) -> Codec:
    """The codec of an output that is shown in another shape, with as many numbers in the same order."""
    if shape is None:
        return codec

    def array(x: Any) -> Array:
        return codec.array(x).reshape(shape)

    def like(given: Array, x: Any) -> Any:
        return codec.like(given.reshape(codec.array(x).shape), x)

    return Codec(array, like)
