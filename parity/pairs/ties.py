"""Branches of sums, and the partners of their layers -> those that could be exchanged, and all the ways to do so."""

from collections.abc import Iterator
from itertools import combinations, islice, permutations, product

from parity.errors import UnmatchedError, few

from .directions import path_of, told_by_direction
from .letters import letter
from .model import Matched, Model

MOST_TIES = 4  # of which all ways are tried
MOST_SIBLINGS = 4  # layers that work on one tensor, of which every order is tried
MOST_ORDERS = 12
Orders = tuple[tuple[int, ...], ...]


class TiedError(UnmatchedError):
    """Layers with weights that could be exchanged. ways: the partners of all, in each way."""

    def __init__(self, message: str, torch: list[str], keras: list[str], ways: list[Matched]) -> None:
        super().__init__(message, torch, keras)
        self.ways = ways


def raise_on_ties(ours: Model, theirs: Model, found: Matched, anchors: Matched) -> None:
    looks = theirs.flow.told
    told = {key for key, look in ours.flow.told.items() if key in found and looks.get(found[key]) == look}
    ties: list[list[list[str]]] = []
    for branches in ours.flow.ties():
        turned = told_by_direction(branches, found, (ours.layers, theirs.layers))
        loose = [[key for key in branch if key not in anchors.keys() | told | turned] for branch in branches]
        if sum(map(bool, loose)) > 1:
            ties.append(loose)
    if ties:
        keys = [key for branch in ties[0] for key in branch]
        lists = [[ours.named(key) for key in keys], [theirs.named(found[key]) for key in keys if key in found]]
        raise TiedError(
            "weights without a certain partner: every layer must have one, but branches that are summed could be "
            f"exchanged: torch's {few(lists[0])} and Keras's {few(lists[1])}; "
            "give the layers the same names, or pair them with --map",
            keys,
            [found[key] for key in keys if key in found],
            list(exchanged(ours, found, ties)),
        )


def exchanged(ours: Model, found: Matched, ties: list[list[list[str]]]) -> Iterator[Matched]:
    """The pairs as they are, and with the partners of branches exchanged that could be; none if these are too many."""
    swaps = []
    for one, other, *_ in ties:
        looks = [[ours.signature(key) for key in branch] for branch in (one, other)]
        if looks[0] == looks[1]:
            pairs = zip(one, other, strict=True)
            swaps.append({t: found[u] for a, b in pairs for t, u in ((a, b), (b, a))})
    if len(swaps) > MOST_TIES:
        return
    for size in range(len(swaps) + 1):
        for some in combinations(swaps, size):
            way = dict(found)
            for swap in some:
                way |= swap
            if len(set(way.values())) == len(way):
                yield way


def siblings(ours: Model, theirs: Model, found: Matched) -> Iterator[Matched]:
    """The partners of layers that do alike with one tensor (two gates, queries and keys) in every other order.

    The order in which a program calls such layers says little, and nothing that was seen may say more; where both
    sides have the same names for them, these do. Groups that are alike, of block after block, go one way.
    """
    groups: dict[tuple[object, Orders], list[list[str]]] = {}
    for keys in _fed_alike(ours, found):
        partners = [found[key] for key in keys]
        if len(set(map(theirs.sources, partners))) == 1:
            groups.setdefault((ours.signature(keys[0]), _orders(keys, partners)), []).append(keys)
    for choice in islice(product(*(orders for _, orders in groups)), 1, MOST_ORDERS):
        way = dict(found)
        for order, alike in zip(choice, groups.values(), strict=True):
            for keys in alike:
                way |= {key: found[keys[n]] for key, n in zip(keys, order, strict=True)}
        yield way


def _fed_alike(ours: Model, found: Matched) -> Iterator[list[str]]:
    """Layers of torch's with the same weight shapes that work on one tensor, each called once."""
    looks: dict[object, list[str]] = {}
    for key in found:
        if ours.weights(key) and ours.sources(key) and ours.calls[path_of(key)] == 1:
            looks.setdefault((ours.sources(key), ours.signature(key)), []).append(key)
    yield from (keys for keys in looks.values() if 1 < len(keys) <= MOST_SIBLINGS)


def _orders(keys: list[str], partners: list[str]) -> Orders:
    """The orders in which partners can be: as they are, and as their names say or, where these say nothing, in any."""
    names, others = ([letter(key) or key.rpartition(".")[2] for key in each] for each in (keys, partners))
    if sorted(names) == sorted(others) and len(set(names)) == len(names):
        return tuple(dict.fromkeys((tuple(range(len(keys))), tuple(map(others.index, names)))))
    return tuple(permutations(range(len(keys))))
