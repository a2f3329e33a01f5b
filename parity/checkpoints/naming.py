"""A file's names -> whose they are, and the same tensors by their canonical names, by the tables of schemes.py."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

from .schemes import LEAST, LEAVES, SCHEMES, STYLES, Axes, Scheme


class Renamed(NamedTuple):
    """A tensor's name on the other side of a table, and the axes that turn torch's array into the stored one."""

    name: str
    axes: Axes


@cache
def _pattern(path: str) -> re.Pattern[str]:
    """A path with placeholders as an expression. Numbers are as Python prints them, without leading zeros."""
    parts = re.split(r"\{(\w+)(?:\*\d+)?(?:[+-]\d+)?\}", path)
    text = "".join(f"(?P<{part}>0|[1-9][0-9]{{0,5}})" if i % 2 else re.escape(part) for i, part in enumerate(parts))
    return re.compile(text)


@cache
def _numbers(path: str) -> dict[str, tuple[int, int]]:
    """By placeholder, what its canonical number is multiplied by, and what is then added."""
    found = re.findall(r"\{(\w+)(?:\*(\d+))?([+-]\d+)?\}", path)
    return {name: (int(factor or 1), int(offset or 0)) for name, factor, offset in found}


@lru_cache(4096)  # a norm's leaves have one path
def _rewrite(path: str, source: str, destination: str) -> str | None:
    """A path that fits the pattern `source` in the words of `destination`; None if it does not fit."""
    match = _pattern(source).fullmatch(path)
    if match is None:
        return None
    numbers: dict[str, int] = {}
    for name, text in match.groupdict().items():
        factor, offset = _numbers(source)[name]
        numbers[name], rest = divmod(int(text) - offset, factor)
        if rest or numbers[name] < LEAST[name]:
            return None
    wanted = {name: numbers[name] * factor + offset for name, (factor, offset) in _numbers(destination).items()}
    return re.sub(r"\{(\w+)[^}]*\}", lambda part: str(wanted[part[1]]), destination)


def to_canonical(scheme: Scheme, style: str, stored: str) -> Renamed | None:
    """The canonical name of a stored one; None where the table has no row for it."""
    for layer, canonical, pattern in scheme.rows:
        for ours, theirs, axes in LEAVES[style][layer]:
            if stored.endswith(theirs):
                path = _rewrite(stored.removesuffix(theirs), pattern, canonical)
                if path is not None:
                    return Renamed(f"{path}.{ours}", axes)
    return None


def to_stored(scheme: Scheme, style: str, name: str) -> Renamed | None:
    """The stored name of a canonical one; None where the scheme has no word for it."""
    path, _, leaf = name.rpartition(".")
    for layer, canonical, pattern in scheme.rows:
        for ours, theirs, axes in LEAVES[style][layer]:
            if leaf == ours:
                stored = _rewrite(path, canonical, pattern)
                if stored is not None:
                    return Renamed(f"{stored}{theirs}", axes)
    return None


@dataclass(frozen=True)
class Naming:
    """What a file's names turned out to be. `found` maps canonical names to stored ones with their axes."""

    scheme: Scheme
    prefix: str
    found: dict[str, Renamed]
    unexpected: tuple[str, ...]
    style: str = "torch"  # of LEAVES


def identify(names: Iterable[str], layout: str) -> Naming:
    """The scheme, and the prefix that all names share (`module.`), under which the fewest names stay unexplained."""
    names = list(names)
    best: Naming | None = None
    for prefix in _prefixes(names, "." if layout == "torch" else "/"):
        for scheme in SCHEMES:
            for style in STYLES[layout] if scheme.layout == layout else ():
                naming = named_by(names, scheme, style, prefix)
                if best is None or len(naming.unexpected) < len(best.unexpected):
                    best = naming
                if not naming.unexpected:
                    return naming
    assert best is not None
    return best


def _prefixes(names: list[str], mark: str) -> Iterable[str]:
    """Nothing, then what all names begin with, part by part."""
    prefix = ""
    yield prefix
    for part in (names[0] if names else "").split(mark)[:4]:
        prefix += part + mark
        if not all(name.startswith(prefix) for name in names):
            return
        yield prefix


def named_by(names: list[str], scheme: Scheme, style: str, prefix: str) -> Naming:
    """What names are under a prefix, by a scheme and a style of leaves."""
    found: dict[str, Renamed] = {}
    unexpected = []
    for name in names:
        place = to_canonical(scheme, style, name.removeprefix(prefix))
        if place is None or place.name in found:
            unexpected.append(name)
        else:
            found[place.name] = Renamed(name, place.axes)
    return Naming(scheme, prefix, found, tuple(unexpected), style)


def scheme_named(name: str, layout: str) -> Scheme:
    """The scheme of that name for files of that layout. Raises KeyError."""
    return {scheme.name: scheme for scheme in SCHEMES if scheme.layout == layout}[name]


def functional_order(layers: Iterable[str]) -> list[str]:
    """Canonical layers in the order of a functional Keras model: by depth, those of one depth as they were made.

    Keras's builders make the shortcut first, so its convolution stands before the last convolution of the main path
    and its norm before that one's norm.
    """
    ordered: list[str] = []
    for layer in layers:
        _, _, shortcut = layer.partition(".downsample.")
        ordered.insert(len(ordered) - {"": 0, "0": 2, "1": 1}[shortcut], layer)
    return ordered
