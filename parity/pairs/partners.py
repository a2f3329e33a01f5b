"""Two models' layers and steps -> the partner of each in the other. See pairing.py for the rules."""

from collections import Counter
from collections.abc import Collection
from difflib import SequenceMatcher

from parity.errors import UnmatchedError, few
from parity.models.kinds import named
from parity.models.layers import LayerInfo, owned

from .directions import path_of
from .model import Lists, Matched, Model
from .nearest import Look, nearest, without_partner
from .ties import raise_on_ties

NAMES = ("torch", "keras")
NUMBERED = tuple("0123456789")


def raise_on_other_layers(torch: list[LayerInfo], keras: list[LayerInfo]) -> None:
    """Raise UnmatchedError if no pairing can be complete, whatever runs: the layers with weights differ in number."""
    ours, theirs = Model(owned(torch), []), Model(owned(keras), [])
    spare = dispensable(ours, theirs)
    ours, theirs = ours.leaner(spare), theirs.leaner(spare)
    looks = [Counter(side.signature(path) for path in side.idle(set())) for side in (ours, theirs)]
    if looks[0] != looks[1]:
        raise _unmatched(Model(torch, []), Model(keras, []), {}, ([], []))


def dispensable(ours: Model, theirs: Model) -> frozenset[str]:
    """Kinds whose layers do without all of their weights (a norm's scale and centre), if Keras has more with some."""
    counts = [Counter(layer.kind for layer in side.layers.values() if layer.weights) for side in (ours, theirs)]
    more = {kind for kind, count in counts[1].items() if count > counts[0][kind]}
    return frozenset(kind for kind in more if _neutral(kind, theirs))


def _neutral(kind: str, side: Model) -> bool:
    spare = dict(named(kind).neutral)
    return all(layer.weights.keys() <= spare.keys() for layer in side.layers.values() if layer.kind == kind)


def by_weights(ours: Model, theirs: Model, certain: Matched) -> tuple[Matched, Lists]:
    """The layers with weights, paired, and the order of all steps of both sides in which that worked.

    `certain` are pairs that the user gave. Raises UnmatchedError where a layer has no certain partner.
    """
    executed = (list(ours.steps), list(theirs.steps))
    flows = (ours.order(), theirs.order())
    orders: list[Lists] = [executed]
    if flows[0] is not None and flows[1] is not None:
        orders.insert(0, (flows[0], flows[1]))
    taken = certain.keys() | certain.values()
    same = (key for key in ours.steps if key in theirs.steps and key not in taken)
    both = [key for key in same if ours.weights(key) and theirs.weights(key)]
    by_path = {key: key for key in both if ours.signature(key) == theirs.signature(key)}
    named = {key: key for key in by_path if not path_of(key).endswith(NUMBERED)}
    alone = certain | _alone(ours, theirs, taken)
    ways = [(certain, certain | by_path), (certain, certain | named), (certain, certain), (alone, alone)]
    for known, anchors in ways:
        for order in orders:
            found = _aligned(ours, theirs, _weighted(ours, theirs, order), known, anchors)
            if found is not None and _one_to_one(found):
                raise_on_ties(ours, theirs, found, anchors)
                _raise_on_idle(ours, theirs, found)
                return found, order
    raise _unmatched(ours, theirs, certain | named, _weighted(ours, theirs, orders[0]))


def _alone(ours: Model, theirs: Model, taken: Collection[str]) -> Matched:
    """Layers of a kind and weight shapes that either model has but once: certain, in whatever order they run."""
    sides: list[dict[object, list[str]]] = []
    for side in (ours, theirs):
        looks: dict[object, list[str]] = {}
        for key in side.steps:
            if side.weights(key) and key not in taken:
                looks.setdefault(side.signature(key), []).append(key)
        sides.append(looks)
    shared = (look for look in sides[0] if len(sides[0][look]) == 1 == len(sides[1].get(look, ())))
    return {sides[0][look][0]: sides[1][look][0] for look in shared}


def _weighted(ours: Model, theirs: Model, order: Lists) -> Lists:
    return [key for key in order[0] if ours.weights(key)], [key for key in order[1] if theirs.weights(key)]


def _aligned(ours: Model, theirs: Model, lists: Lists, certain: Matched, anchors: Matched) -> Matched | None:
    """What is not certain, paired one after another, if the anchors keep their order and all else is alike."""
    a = [key for key in lists[0] if key not in certain]
    b = [key for key in lists[1] if key not in certain.values()]
    if len(a) != len(b):
        return None
    pairs = dict(zip(a, b, strict=True))
    for t, k in pairs.items():
        if anchors.get(t, k) != k or (t not in anchors and ours.signature(t) != theirs.signature(k)):
            return None
    return pairs | certain


def _one_to_one(found: Matched) -> bool:
    """Whether every layer has one partner, in all of its calls."""
    layers = {(path_of(t), path_of(k)) for t, k in found.items()}
    return len(layers) == len({t for t, _ in layers}) == len({k for _, k in layers})


def raise_on_unpaired(ours: Model, theirs: Model, found: Matched) -> None:
    """Raise UnmatchedError if a layer of torch's that was paired without a look at its weights has found no partner."""
    lost = {path_of(t) for t in ours.steps if ours.lean(t)} - {path_of(t) for t, k in found.items() if theirs.lean(k)}
    if lost:
        raise _unmatched(ours.leaner(frozenset()), theirs.leaner(frozenset()), found, (sorted(lost), []))


def _raise_on_idle(ours: Model, theirs: Model, found: Matched) -> None:
    """Layers with weights that did not run are paired by path, or not at all."""
    if set(ours.idle(set(map(path_of, found)))) != set(theirs.idle(set(map(path_of, found.values())))):
        raise _unmatched(ours, theirs, found, ([], []))


def _unmatched(ours: Model, theirs: Model, anchors: Matched, lists: Lists) -> UnmatchedError:
    """The layers that have no certain partner, with those of the other side that could be."""
    ran = [set(map(path_of, [*keys, *known])) for keys, known in zip(lists, (anchors, anchors.values()), strict=True)]
    a = [key for key in lists[0] if key not in anchors] + ours.idle(ran[0])
    b = [key for key in lists[1] if key not in anchors.values()] + theirs.idle(ran[1])
    looks = [ours.signature(key) for key in a], [theirs.signature(key) for key in b]
    left: Lists = ([], [])
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, *looks, autojunk=False).get_opcodes():
        if tag != "equal":
            left[0].extend(a[i1:i2])
            left[1].extend(b[j1:j2])
    if not any(left):  # alike as lists, but not where the names say
        left = a, b
    like = [] if all(left) else _like(ours, theirs, left[0], b) + _like(theirs, ours, left[1], a)
    return UnmatchedError(
        "weights without a certain partner: every layer with weights must have one, of the same path or place, kind "
        f"and weight shapes, but {_only(ours, theirs, left)}"
        + (f" (like it, and paired or not by a guess: {few(like, 60)})" if like else _nearest(ours, theirs, left))
        + f"; {_next_step(ours, theirs, left, bool(like))}",
        *left,
    )


def _only(ours: Model, theirs: Model, left: Lists) -> str:
    return without_partner([[ours.named(key) for key in left[0]], [theirs.named(key) for key in left[1]]], NAMES)


def _nearest(ours: Model, theirs: Model, left: Lists) -> str:
    looks = [
        {path: Look(layer.kind, layer.weights) for path, layer in side.layers.items() if layer.weights}
        for side in (ours, theirs)
    ]
    return nearest(left, (looks[0], looks[1]))


def _next_step(ours: Model, theirs: Model, left: Lists, like: bool) -> str:
    """What to do about it: a name map helps only where both sides have as many layers that could be partners."""
    if like:
        return "take out the layer that is one too many, or pair the layers with --map"
    kinds = [Counter(side.kind(key) for key in keys) for side, keys in zip((ours, theirs), left, strict=True)]
    if all(left) and kinds[0] == kinds[1]:
        return "give partners the same weight shapes, or, where they have them, pair them with --map"
    fewer, more = (NAMES[1], NAMES[0]) if len(left[0]) >= len(left[1]) else NAMES
    return f"add what {fewer} lacks or take it out of {more}'s model, and pair what is then still unclear with --map"


def _like(side: Model, other: Model, left: list[str], candidates: list[str]) -> list[str]:
    looks = [side.signature(key) for key in left]
    return [key for key in candidates if other.signature(key) in looks]


def by_place(ours: Model, theirs: Model, found: Matched, order: Lists, agree: bool) -> Matched:
    """Steps without weights: by path, in corresponding places unless all names `agree`, and then gap by gap."""
    found = found | _by_path(ours, theirs, found, order, agree)
    left, right = (_gaps(*one) for one in ((ours, order[0], set(found)), (theirs, order[1], set(found.values()))))
    partners: dict[str | None, str | None] = {None: None} | dict(found.items())
    for last, keys in left.items():
        found = found | _longest(ours, theirs, keys, right.get(partners[last], []))
    return found


def _by_path(ours: Model, theirs: Model, found: Matched, order: Lists, agree: bool) -> Matched:
    taken = set(found.values())
    places = [
        {key: last for last, keys in _gaps(*one).items() for key in keys}
        for one in ((ours, order[0], set(found)), (theirs, order[1], taken))
    ]
    partners: dict[str | None, str | None] = {None: None} | dict(found.items())
    pairs = {}
    for key, last in places[0].items():
        if key not in places[1] or not (agree or partners[last] == places[1][key]):
            continue
        one, other = ours.steps[key], theirs.steps[key]
        drawing = one.noise or other.noise  # which computes nothing in evaluation, and is no partner of what does
        alike = one.kind == other.kind or (one.shape == other.shape and not drawing)
        called = ours.calls[path_of(key)] == theirs.calls[path_of(key)]
        if alike and called and not (one.function or other.function):
            pairs[key] = key
    return pairs


def _gaps(side: Model, order: list[str], known: set[str]) -> dict[str | None, list[str]]:
    """The steps without weights that are not in `known`, by the step in it that is before them."""
    last: str | None = None
    gaps: dict[str | None, list[str]] = {}
    for key in order:
        if key in known:
            last = key
        elif not side.weights(key):
            gaps.setdefault(last, []).append(key)
    return gaps


def _longest(ours: Model, theirs: Model, left: list[str], right: list[str]) -> Matched:
    """The longest common subsequence of kinds and shapes."""
    looks = [[(s.steps[key].kind, s.steps[key].shape) for key in keys] for s, keys in ((ours, left), (theirs, right))]
    length = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i in range(len(left) - 1, -1, -1):
        for j in range(len(right) - 1, -1, -1):
            same = looks[0][i] == looks[1][j]
            length[i][j] = 1 + length[i + 1][j + 1] if same else max(length[i + 1][j], length[i][j + 1])
    pairs: Matched = {}
    i = j = 0
    while i < len(left) and j < len(right):
        if looks[0][i] == looks[1][j]:
            pairs[left[i]] = right[j]
            i, j = i + 1, j + 1
        elif length[i + 1][j] >= length[i][j + 1]:
            i += 1
        else:
            j += 1
    return pairs
