"""The steps of one model, and the search for the partner of each in the other. See pairing.py for the rules."""

from collections import Counter
from collections.abc import Collection, Iterator
from difflib import SequenceMatcher
from itertools import combinations

from parity.errors import UnmatchedError, few
from parity.models.keys import is_statistic
from parity.models.kinds import named
from parity.models.layers import LayerInfo, owned
from parity.models.steps import StepInfo

from .directions import path_of, told_by_direction
from .flow import Flow
from .nearest import Look, described, nearest, without_partner

Steps = list[StepInfo]
Found = dict[str, str]  # torch's step -> Keras's
Lists = tuple[list[str], list[str]]  # steps of both, in an order
NAMES = ("torch", "keras")
NUMBERED = tuple("0123456789")
MOST_TIES = 4  # of which all ways are tried


class TiedError(UnmatchedError):
    """Layers with weights that could be exchanged. ways: the partners of all, in each way."""

    def __init__(self, message: str, torch: list[str], keras: list[str], ways: list[Found]) -> None:
        super().__init__(message, torch, keras)
        self.ways = ways


class Model:
    """One model's steps, with what is known of them. lean: kinds of layers whose weights are not looked at."""

    def __init__(self, layers: list[LayerInfo], steps: Steps, lean: frozenset[str] = frozenset()) -> None:
        self._given, self._lean = (layers, steps), lean
        self.layers = {layer.path: layer for layer in layers}
        self.steps = {step.key: step for step in steps if "<" not in step.key and step.kind != "output"}
        self.flow = Flow(steps, {key: self.signature(key) for key in self.steps if self.weights(key)})
        self.calls = Counter(map(path_of, self.steps))

    def weights(self, key: str) -> bool:
        layer = self.layers.get(path_of(key))
        return layer is not None and self._counts(layer) and not self.steps[key].function

    def _counts(self, layer: LayerInfo) -> bool:
        return bool(layer.weights) and layer.kind not in self._lean

    def lean(self, key: str) -> bool:
        """Whether a step has weights that are not looked at."""
        layer = self.layers.get(path_of(key))
        return layer is not None and bool(layer.weights) and layer.kind in self._lean

    def leaner(self, kinds: frozenset[str]) -> "Model":
        """The same without a look at the weights of these kinds."""
        return Model(*self._given, kinds)

    def signature(self, key: str) -> tuple[object, ...]:
        """The kind and the weights that no layer of the kind can be without: bias, scale and centre may be missing."""
        layer = self.layers[path_of(key)]
        spare = dict(named(layer.kind).neutral)
        needed = (name for name in layer.weights if name not in spare and not is_statistic(name))
        own = tuple(sorted((name, layer.weights[name]) for name in needed))
        return layer.kind, own or next(iter(layer.weights.values()))

    def idle(self, ran: set[str]) -> list[str]:
        """The layers with weights that did not run."""
        return [path for path, layer in self.layers.items() if self._counts(layer) and path not in ran]

    def kind(self, key: str) -> str:
        """The kind of a step, or of a layer that has not run."""
        layer = self.layers.get(path_of(key))
        return self.steps[key].kind if key in self.steps else layer.kind if layer else "?"

    def named(self, key: str) -> str:
        """A step for a message: with its kind and the shapes of its weights."""
        layer = self.layers.get(path_of(key))
        return described(key, Look(self.kind(key), {} if layer is None else layer.weights))


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


def by_weights(ours: Model, theirs: Model, certain: Found) -> tuple[Found, Lists]:
    """The layers with weights, paired, and the order of all steps of both sides in which that worked.

    `certain` are pairs that the user gave. Raises UnmatchedError where a layer has no certain partner.
    """
    executed = (list(ours.steps), list(theirs.steps))
    flows = (ours.flow.order(), theirs.flow.order())
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
                _raise_on_ties(ours, theirs, found, anchors)
                _raise_on_idle(ours, theirs, found)
                return found, order
    raise _unmatched(ours, theirs, certain | named, _weighted(ours, theirs, orders[0]))


def _alone(ours: Model, theirs: Model, taken: Collection[str]) -> Found:
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


def _aligned(ours: Model, theirs: Model, lists: Lists, certain: Found, anchors: Found) -> Found | None:
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


def _one_to_one(found: Found) -> bool:
    """Whether every layer has one partner, in all of its calls."""
    layers = {(path_of(t), path_of(k)) for t, k in found.items()}
    return len(layers) == len({t for t, _ in layers}) == len({k for _, k in layers})


def _raise_on_ties(ours: Model, theirs: Model, found: Found, anchors: Found) -> None:
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


def exchanged(ours: Model, found: Found, ties: list[list[list[str]]]) -> Iterator[Found]:
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


def raise_on_unpaired(ours: Model, theirs: Model, found: Found) -> None:
    """Raise UnmatchedError if a layer of torch's that was paired without a look at its weights has found no partner."""
    lost = {path_of(t) for t in ours.steps if ours.lean(t)} - {path_of(t) for t, k in found.items() if theirs.lean(k)}
    if lost:
        raise _unmatched(ours.leaner(frozenset()), theirs.leaner(frozenset()), found, (sorted(lost), []))


def _raise_on_idle(ours: Model, theirs: Model, found: Found) -> None:
    """Layers with weights that did not run are paired by path, or not at all."""
    if set(ours.idle(set(map(path_of, found)))) != set(theirs.idle(set(map(path_of, found.values())))):
        raise _unmatched(ours, theirs, found, ([], []))


def _unmatched(ours: Model, theirs: Model, anchors: Found, lists: Lists) -> UnmatchedError:
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


def by_place(ours: Model, theirs: Model, found: Found, order: Lists, agree: bool) -> Found:
    """Steps without weights: by path, in corresponding places unless all names `agree`, and then gap by gap."""
    found = found | _by_path(ours, theirs, found, order, agree)
    left, right = (_gaps(*one) for one in ((ours, order[0], set(found)), (theirs, order[1], set(found.values()))))
    partners: dict[str | None, str | None] = {None: None} | dict(found.items())
    for last, keys in left.items():
        found = found | _longest(ours, theirs, keys, right.get(partners[last], []))
    return found


def _by_path(ours: Model, theirs: Model, found: Found, order: Lists, agree: bool) -> Found:
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
        alike = one.shape == other.shape or one.kind == other.kind
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


def _longest(ours: Model, theirs: Model, left: list[str], right: list[str]) -> Found:
    """The longest common subsequence of kinds and shapes."""
    looks = [[(s.steps[key].kind, s.steps[key].shape) for key in keys] for s, keys in ((ours, left), (theirs, right))]
    length = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i in range(len(left) - 1, -1, -1):
        for j in range(len(right) - 1, -1, -1):
            same = looks[0][i] == looks[1][j]
            length[i][j] = 1 + length[i + 1][j + 1] if same else max(length[i + 1][j], length[i][j + 1])
    pairs: Found = {}
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
