"""Branches of sums, and the partners of their layers -> those that could be exchanged, and all the ways to do so."""

from collections.abc import Iterator
from itertools import combinations

from parity.errors import UnmatchedError, few

from .directions import told_by_direction
from .model import Matched, Model

MOST_TIES = 4  # of which all ways are tried


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
