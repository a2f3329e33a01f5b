"""Layers that have no partner of their kind -> their tensors, and which parts of them are which of the other model's.

Whole layers are paired first (partners.py). What is then over, a layer of a kind or shape that the other model has
more or fewer of, a layer that the model reads the weights of and never calls, a parameter of no layer, is taken for its
tensors: each with its name, its shape and its place in the order of definition. One may be one of the other side's, or
several (shapes.py). All must be used; where shapes leave several ways, values choose (checks/ways.py).
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from itertools import product
from typing import NamedTuple

from parity.models.kinds import named
from parity.models.layers import LayerInfo, owned
from parity.models.pieces import Held
from parity.models.steps import StepInfo

from .bare import like
from .letters import letter
from .model import Model
from .roles import is_constant, norms_by_hand, tensors_of
from .shapes import ROWS, Tensor, Way, many_to_one, one_to_many, one_to_one, shifted

NAMES = ("torch", "Keras")
MOST_PARTS = 4
MOST_WAYS = 24
Owner = dict[str, Tensor]  # by role
Group = tuple[tuple[Owner, ...], tuple[Owner, ...]]  # torch's, and Keras's that hold the same numbers

NEUTRAL = {"bias": "lone offset", "weight": "lone scale"}  # the kind of a vector that torch lacks


class Melted(NamedTuple):
    """Both sides' layers without the weights that are in pieces, and the ways in which these can lie."""

    torch: list[LayerInfo]
    keras: list[LayerInfo]
    ways: tuple[Held, ...]


def melted(
    torch: list[LayerInfo], keras: list[LayerInfo], steps: tuple[list[StepInfo], list[StepInfo]] | None
) -> Melted | None:
    """Take apart what has no partner. steps: of a run of both, if there was one. None where pieces fit in no way."""
    loose = _loose(torch, keras, steps)
    sides = ((torch, loose[0]), (keras, loose[1]))
    pools = [list(tensors_of(*side, number)) for number, side in enumerate(sides)]
    found, left = _groups(*pools), frozenset[str]()
    if found is None:
        left = frozenset(tensor.name for tensor in pools[0] if tensor.tied)
        found = _groups([tensor for tensor in pools[0] if tensor.name not in left], pools[1])
    if not found and not left:
        return None
    held = _held(found or [], pools, loose, left)
    rest = [_without(side, paths) for side, paths in zip((torch, keras), loose, strict=True)]
    return Melted(rest[0], rest[1], held) if held else None


def _loose(
    torch: list[LayerInfo], keras: list[LayerInfo], steps: tuple[list[StepInfo], list[StepInfo]] | None
) -> tuple[frozenset[str], frozenset[str]]:
    """Paths of the layers, and of tensors outside of any, that have no partner of their kind and shape."""
    found = like(torch, keras)
    bare = [
        {
            layer.path
            for layer in side
            if named(layer.kind).bare and layer.path not in known and not is_constant(layer, norms)
        }
        for side, known, norms in (
            (torch, found, norms_by_hand(torch)),
            (keras, set(found.values()), norms_by_hand(keras)),
        )
    ]
    models = [Model(owned(side), [] if steps is None else steps[n]) for n, side in enumerate((torch, keras))]
    looks = [{path: side.signature(path) for path in side.idle(set())} for side in models]
    counts = [Counter(each.values()) for each in looks]
    own = [{path for path, look in each.items() if counts[0][look] != counts[1][look]} for each in looks]
    if steps is not None:
        idle = [set(side.idle({step.path.partition("#")[0] for step in side.steps.values()})) for side in models]
        resting = {path for path in idle[0] & idle[1] if looks[0][path] == looks[1][path]}
        own = [one | (rest - resting) for one, rest in zip(own, idle, strict=True)]
    return frozenset(bare[0] | own[0]), frozenset(bare[1] | own[1])


def _without(layers: list[LayerInfo], paths: Collection[str]) -> list[LayerInfo]:
    return [layer for layer in layers if layer.path not in paths or named(layer.kind).spare]


def _groups(torch: list[Tensor], keras: list[Tensor]) -> list[Group] | None:
    """Which owners hold the same numbers: matrices first, then what is a vector. None where one is over."""
    owners = [_owners(side) for side in (torch, keras)]
    large = [[owner for owner in side if _is_large(owner)] for side in owners]
    found = _aligned(large[0], large[1]) or _aligned(large[0], large[1], shift=True)
    if found is None:
        return None
    lone = {_name(owner) for pair in found for n in (0, 1) if not _biased(pair[1 - n]) for owner in pair[n]}
    small = [[_small(owner) for owner in side if not _is_large(owner) or _name(owner) in lone] for side in owners]
    small = [[owner for owner in side if owner] for side in small]
    # A bias that one side lacks has no partner: it is left, for what becomes of it to be said (copying.py).
    fewer = [[owner for owner in side if _name(owner) not in lone] for side in small]
    ways = (_aligned(*pair) for pair in (small, (fewer[0], small[1]), (small[0], fewer[1]), fewer))
    more = next((groups for groups in ways if groups is not None), None)
    return None if more is None else found + more


def _biased(owners: tuple[Owner, ...]) -> bool:
    return any("bias" in owner for owner in owners)


def _small(owner: Owner) -> Owner:
    """What is not part of a matrix's group: of a matrix, its bias, which those that hold its numbers are without."""
    return {role: tensor for role, tensor in owner.items() if role == "bias"} if _is_large(owner) else owner


def _owners(tensors: list[Tensor]) -> list[Owner]:
    """The tensors by owner, in order; queries, keys and values in that order."""
    found: dict[str, Owner] = {}
    for tensor in tensors:
        found.setdefault(tensor.owner, {})[tensor.role] = tensor
    names = list(found)
    looks = {name: (name.rpartition(".")[0], _is_large(owner)) for name, owner in found.items() if letter(name)}
    for look in set(looks.values()):
        places = [n for n, name in enumerate(names) if looks.get(name) == look]
        for place, name in zip(places, sorted((names[n] for n in places), key=letter), strict=True):
            names[place] = name
    return [found[name] for name in names]


def _is_large(owner: Owner) -> bool:
    return "weight" in owner and len(owner["weight"].plain) > 1


def _aligned(ours: list[Owner], theirs: list[Owner], shift: bool = False) -> list[Group] | None:
    """Both lists from first to last, one against one or several; at the least cost, and nothing over."""

    @cache
    def best(i: int, j: int) -> tuple[int, tuple[Group, ...]] | None:
        if i == len(ours) and j == len(theirs):
            return 0, ()
        found = []
        sizes = [(1, 1), *((1, n) for n in range(2, MOST_PARTS + 1)), *((n, 1) for n in range(2, MOST_PARTS + 1))]
        for a, b in sizes:
            if i + a > len(ours) or j + b > len(theirs):
                continue
            group = tuple(ours[i : i + a]), tuple(theirs[j : j + b])
            rest = best(i + a, j + b) if ways_of(group, shift) else None
            if rest is not None:
                found.append((rest[0] + _cost(group), (group, *rest[1])))
        return min(found, key=lambda each: each[0], default=None)

    by_name = _by_name(ours, theirs)
    if by_name is not None:
        return by_name
    alone = _alone(ours, theirs, shift)
    taken = {id(owner) for pair in alone for side in pair for owner in side}
    ours, theirs = ([owner for owner in side if id(owner) not in taken] for side in (ours, theirs))
    result = best(0, 0)
    return None if result is None else [*alone, *result[1]]


def _alone(ours: list[Owner], theirs: list[Owner], shift: bool) -> list[Group]:
    """Those that can be but each other: in whatever order they are defined."""
    fits = [[k for k, other in enumerate(theirs) if ways_of(((owner,), (other,)), shift)] for owner in ours]
    users = Counter(k for each in fits for k in each)
    return [((ours[t],), (theirs[k[0]],)) for t, k in enumerate(fits) if len(k) == 1 == users[k[0]]]


def _by_name(ours: list[Owner], theirs: list[Owner]) -> list[Group] | None:
    """All of them by equal names or, of one shape, alone: in whatever order they are defined."""
    looks = [{_name(owner): owner for owner in side} for side in (ours, theirs)]
    if looks[0].keys() != looks[1].keys() or not looks[0]:
        return None
    groups: list[Group] = [((looks[0][name],), (looks[1][name],)) for name in looks[0]]
    return groups if all(map(ways_of, groups)) else None


def _name(owner: Owner) -> str:
    return next(iter(owner.values())).owner


def _cost(group: Group) -> int:
    names = [[letter(_name(owner)) for owner in side] for side in group]
    apart = len(names[0]) == len(names[1]) and any(a != b and a and b for a, b in zip(*names, strict=True))
    return 10 * apart + len(group[0]) + len(group[1]) - 2


def ways_of(group: Group, shift: bool = True) -> list[Way]:
    """The ways in which the numbers of a group can lie, of weight and bias alike.

    shift: whether, where they lie in none, one of two tables may have rows that no input reads.
    """
    ours, theirs = group
    found: list[Way] = []
    single = [owner for owner in (*ours, *theirs) if len(owner) == 1]
    if len(single) == 2 and len(ours) == len(theirs) == 1:
        one, other = (next(iter(owner.values())) for owner in single)
        if one.is_nameless or other.is_nameless:
            return one_to_one(one, other)
    roles = dict.fromkeys(role for owner in ours for role in owner)
    for role in roles:
        parts = [owner[role] for owner in ours if role in owner], [owner[role] for owner in theirs if role in owner]
        if not parts[1] and role in ("bias",):
            continue
        if role == "bias" and len(parts[0]) == len(parts[1]) == 1 and _along_inputs(found):
            new = one_to_one(parts[0][0], parts[1][0])  # one sum of several products has one bias
        elif (len(parts[0]), len(parts[1])) != (len(ours), len(theirs)):
            return []
        else:
            alone = shift and len(ours) == len(theirs) == 1
            new = _ways(*parts) or (shifted(parts[0][0], parts[1][0]) if alone else [])
        if not new:
            return []
        found = [(label, pieces + dict(new).get(label, new[0][1])) for label, pieces in found] if found else new
    return found


def _along_inputs(ways: list[Way]) -> bool:
    """Whether a matrix is cut into parts of its inputs alone."""
    return bool(ways) and all(label[0] == "gates" or (label[0] == ROWS[0] and label[1] > 0) for label, _ in ways)


def _ways(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> list[Way]:
    if len(ours) == len(theirs) == 1:
        return one_to_one(ours[0], theirs[0])
    return one_to_many(ours[0], theirs) if len(ours) == 1 else many_to_one(ours, theirs[0])


def _held(
    groups: list[Group], pools: list[list[Tensor]], loose: tuple[frozenset[str], frozenset[str]], left: frozenset[str]
) -> tuple[Held, ...]:
    """The ways of all groups together: those that are alike go one way."""
    shapes: dict[object, list[Way]] = {}
    for group in groups:
        shapes.setdefault(_look(group), ways_of(group))
    found = []
    for chosen in _choices(shapes):
        labels = {look: label for look, (label, _) in chosen.items()}
        each = [(group, _labelled(group, labels[_look(group)])) for group in groups]
        pieces = tuple(piece for _, (_, some) in each for piece in some)
        in_pieces = {piece.keras.tensor for piece in pieces}
        over = (t for t in pools[1] if t.name not in in_pieces and len(t.plain) == 1 and t.role in NEUTRAL)
        spare = tuple((tensor.name, NEUTRAL[tensor.role]) for tensor in over)
        own = {piece.torch.tensor for piece in pieces}
        known = tuple((tensor.name, tensor.shape) for tensor in pools[0] if tensor.name in own)
        notes = tuple(_told(group, label) for group, (label, _) in each)
        steps = tuple((_name(t[0]), _name(k[0])) for t, k in groups if len(t) == len(k) == 1)
        found.append(Held(pieces, known, loose, spare, left, notes, steps))
    return tuple(found)


def _choices(shapes: dict[object, list[Way]]) -> Iterator[dict[object, Way]]:
    """A way for all groups that look alike, the likeliest first: all gates of a model come in one order."""
    free = {look: [way for way in ways if way[0][0] != "gates"] for look, ways in shapes.items()}
    numbers = sorted(product(*(range(len(ways)) for ways in free.values())), key=sum)[:MOST_WAYS]
    for choice in numbers:
        yield {look: ways[n] for (look, ways), n in zip(free.items(), choice, strict=True)}
    orders = dict.fromkeys(label for ways in shapes.values() for label, _ in ways if label[0] == "gates")
    for label in orders:
        yield {
            look: (label, dict(ways)[label]) if label in dict(ways) else free[look][0] for look, ways in shapes.items()
        }


def _labelled(group: Group, label: tuple[str, int]) -> Way:
    return next(way for way in ways_of(group) if way[0] == label)


def _look(group: Group) -> object:
    return tuple(tuple(tuple(tensor.shape for tensor in owner.values()) for owner in side) for side in group)


def _told(group: Group, label: tuple[str, int]) -> str:
    names = [", ".join(_name(owner) for owner in side) for side in group]
    how = f", by {label[1]} heads" if label[0].startswith("heads") else ""
    if label[0] == "from row":
        rows = [next(iter(side[0].values())).plain[0] for side in group]
        more, fewer = NAMES[rows[0] < rows[1]], NAMES[rows[0] > rows[1]]
        what = f"rows from {label[1]} on of {max(rows)} in {more} that are the {min(rows)} in {fewer}"
        return f"{what}, as inputs read no others: {names[0]}"
    if len(group[0]) == len(group[1]) == 1:
        return f"weights that Keras has in another shape or place{how}: {names[0]}"
    return f"weights that are {len(group[0])} in torch and {len(group[1])} in Keras{how}: {names[0]}"
