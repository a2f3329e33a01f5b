"""What has no partner -> what could be it: for the sentence that refuses, never for a comparison."""

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from parity.errors import few, short

Shapes = Mapping[str, tuple[int, ...]]
TOLD = 1  # layers whose nearest candidate is told
ROOM = 90  # characters of what one side alone has


class Look(NamedTuple):
    """A layer as it is searched by: its kind, and the shapes of its weights by name."""

    kind: str
    weights: Shapes


def nearest(lists: tuple[Sequence[str], Sequence[str]], looks: tuple[Mapping[str, Look], Mapping[str, Look]]) -> str:
    """ "; nearest to torch's a is x (...)": for the first that have no partner. Empty where nothing is near."""
    told: list[str] = []
    for keys, others, own, theirs in ((lists[0], lists[1], *looks), (lists[1], lists[0], *looks[::-1])):
        pool = [key for key in others if key in theirs] or list(theirs)
        for key in keys[: TOLD - len(told)]:
            found = _closest(key, own.get(key), pool, theirs)
            if found is not None:
                told.append(f"{short(key, 40)} is {described(found, theirs[found])}")
    return f"; nearest to {' and to '.join(told)}" if told else ""


def described(key: str, look: Look) -> str:
    """A layer for a message: with its kind and the shapes of its weights."""
    shapes = "".join(f", {name} {shape}" for name, shape in look.weights.items())
    return f"{short(key, 40)} ({short(look.kind + shapes, 60)})"


def without_partner(lists: Sequence[Sequence[str]], names: Sequence[str]) -> str:
    """ "only torch has a, b and 117 more; only keras has c"."""
    return "; ".join(f"only {name} has {few(keys, ROOM)}" for name, keys in zip(names, lists, strict=True) if keys)


def _closest(key: str, look: Look | None, pool: Sequence[str], looks: Mapping[str, Look]) -> str | None:
    """The likest layer of the same kind, by the shapes of its weights and then its name."""
    alike = [other for other in pool if look is not None and looks[other].kind == look.kind]
    if look is None or not alike:
        return None
    return max(alike, key=lambda other: (_shared(look.weights, looks[other].weights), _named_like(key, other)))


def _shared(ours: Shapes, theirs: Shapes) -> float:
    """How much of two layers' shapes is equal, from 0 to 1: an axis that differs counts less than a tensor."""
    names = set(ours) | set(theirs)
    parts = [_axes(ours[name], theirs[name]) for name in names if name in ours and name in theirs]
    return sum(parts) / len(names) if names else 0.0


def _axes(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    same = sum(x == y for x, y in zip(a, b, strict=False))
    return (same + 1) / (max(len(a), len(b)) + 1)


def _named_like(a: str, b: str) -> float:
    return SequenceMatcher(None, a, b, autojunk=False).ratio()
