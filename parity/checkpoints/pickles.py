"""A pickle's bytes -> plain values, with an inert `Thing` for every object: nothing is imported, nothing is called.

A pickle is a program for a stack machine that may name any function and call it. This machine knows the same
instructions and does less: a name stays a name (`Global`), a call stays a note of what was called with what (`Thing`),
and what some few of them mean for weights is said elsewhere. Instructions are counted, so that a file of a few
megabytes makes no more objects than a network needs.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MOST_THINGS = 400_000
MOST_NUMBER = 64  # bytes of a whole number


class PickleFault(Exception):
    """The bytes are no sound pickle, or do what no file of weights needs."""


@dataclass(frozen=True)
class Global:
    """A name that the pickle would have imported."""

    name: str


@dataclass(eq=False)
class Thing:
    """An object that was not made: what would have been called, with what, and what it would have been given then."""

    made_by: Any
    args: tuple[Any, ...] = ()
    state: Any = None
    items: dict[Any, Any] = field(default_factory=dict)
    listed: list[Any] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What made it, or what it would be an object of."""
        return self.made_by.name if isinstance(self.made_by, Global) else ""


class _Mark:
    """Where a group of values begins on the stack."""


MARK = _Mark()
Found = Callable[[Any], Any]


def real(value: Any) -> Any:
    """A value, which a mark is none of."""
    if value is MARK:
        raise PickleFault("it uses a mark as a value")
    return value


class Machine:
    """Reads one pickle out of `data`, bytes or a map of a file, from `at` on.

    meaning: what a name or a finished Thing stands for. stored: what an id of the file's own stands for.
    """

    def __init__(
        self, data: Any, at: int = 0, meaning: Found = lambda thing: thing, stored: Found | None = None
    ) -> None:
        self.data, self.at = data, at
        self.meaning, self.stored = meaning, stored
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.things = 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if count < 0 or self.at + count > len(self.data):
            raise PickleFault("it breaks off")
        self.at += count
        return bytes(self.data[self.at - count : self.at])

    def number(self, form: str) -> Any:
        """The next number of a struct form."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> str:
        """The text up to the end of a line."""
        end = self.data.find(b"\n", self.at)
        if end < 0:
            raise PickleFault("it breaks off")
        text = bytes(self.data[self.at : end]).decode("utf-8")
        self.at = end + 1
        return text

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        return real(self.stack.pop())

    def group(self) -> list[Any]:
        """What was pushed since the last mark."""
        found: list[Any] = []
        while (value := self.stack.pop()) is not MARK:
            found.append(value)
        found.reverse()
        return found

    def top(self) -> Any:
        return real(self.stack[-1])

    def call(self, function: Any, args: Any) -> None:
        """Note a call, and push what it stands for."""
        self.things += 1
        if self.things > MOST_THINGS:
            raise PickleFault(f"it has more than {MOST_THINGS} objects")
        given = tuple(args) if isinstance(args, list | tuple) else (args,)
        self.push(self.meaning(Thing(function, given)))

    def build(self) -> None:
        """Give the thing below its state."""
        state, thing = self.pop(), self.top()
        if isinstance(thing, Thing):
            thing.state = state
            self.stack[-1] = self.meaning(thing)
        elif isinstance(thing, dict) and isinstance(state, dict):
            pass  # attributes of a dictionary: a state_dict's _metadata

    def extend(self, values: list[Any]) -> None:
        """Put values behind those of the list, the set or the thing below."""
        owner = self.top()
        target = owner.listed if isinstance(owner, Thing) else owner
        if isinstance(target, list):
            target.extend(values)

    def set(self, pairs: list[Any]) -> None:
        """Put keys and values into the dictionary or the thing below."""
        owner = self.top()
        target = owner.items if isinstance(owner, Thing) else owner
        if not isinstance(target, dict):
            raise PickleFault("it puts keys into what has none")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            target[_key(key)] = value

    def again(self, number: int) -> None:
        """Push what was put aside; a thing may have got its state since."""
        value = self.memo[number]
        self.push(self.meaning(value) if isinstance(value, Thing) and value.state is not None else value)

    def identified(self, key: Any) -> None:
        if self.stored is None:
            raise PickleFault("it refers to what lies outside of it")
        self.push(self.stored(key))

    def whole(self, size: int) -> int:
        """A whole number of so many bytes."""
        if size > MOST_NUMBER:
            raise PickleFault(f"it has a whole number of {size} bytes")
        return int.from_bytes(self.take(size), "little", signed=True)

    def named(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise PickleFault("it names what is no name")
        self.push(self.meaning(Global(f"{module}.{name}")))


def _key(key: Any) -> Any:
    """A key that can be one: others stand for themselves, by identity."""
    if isinstance(key, str | int | float | bytes | bool | None):
        return key
    if isinstance(key, tuple) and all(isinstance(each, str | int | float | bytes | bool | None) for each in key):
        return key
    return f"<{type(key).__name__} {id(key)}>"
