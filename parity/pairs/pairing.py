"""Which step of one model is which of the other: by path where names agree, else by order of execution, kind and shape.

Layers with weights come first. If their paths and kinds agree, those decide. If not, both models' layers are put in an
order that the tensors' flow decides, each after what it works on, the longer branch of a sum first; where the flow was
not seen (operators in a Keras `call`), in the order of execution. Between layers that are paired already, the others
must then be the same list of kinds and weight shapes. Nothing else is accepted: no layer is left over, no branches that
could be exchanged are told apart by a guess. Steps without weights are paired within the gaps between these.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace

from parity.errors import UnmatchedError
from parity.models.kinds import named
from parity.models.layers import LayerInfo, owned, without_spares
from parity.models.pieces import Held
from parity.models.steps import Names

from .bare import are_unclear, pair_bare
from .directions import path_of
from .melting import Melted, melted
from .model import Lists, Matched, Model, Steps, counts_once
from .name_map import NameMap
from .orders import Orders, columns_of, orders_of, renumbered
from .partners import by_place, by_weights, dispensable, raise_on_other_layers, raise_on_unpaired
from .ties import TiedError, siblings

Margins = dict[str, list[list[int]]]  # (before, after) on every axis, by the path of the layer that it goes into


@dataclass(frozen=True)
class Pair:
    """Two steps that are compared although their names differ. by: "order", "value" or "map"."""

    torch: str
    keras: str
    by: str


@dataclass(frozen=True)
class Pairing:
    """What to tell the sides, and the reader, so that both call their steps by torch's names.

    layers: Keras's layer paths by torch's. orders: for the weights of a layer that is fed by a flattened image,
    the input of torch's that each of Keras's rows is for. margins: of torch's and of Keras's layers, by torch's paths,
    the padding that a layer before them does, which the other model has in the layer itself. found: Keras's steps by
    torch's, by each side's own names; anchors: those of layers with weights; apart: those
    whose outputs need not be equal. ways: those in which weights can be held that have no partner as they are.
    others: this one and those with layers exchanged, where nothing but values tells them apart; exchanged: the
    partners of those that could be, in each other way.
    """

    pairs: tuple[Pair, ...] = ()
    layers: dict[str, str] = field(default_factory=dict)
    torch: Names = field(default_factory=Names)
    keras: Names = field(default_factory=Names)
    orders: Orders = field(default_factory=dict)
    margins: tuple[Margins, Margins] = ({}, {})
    found: Matched = field(default_factory=dict)
    anchors: Matched = field(default_factory=dict)
    apart: Matched = field(default_factory=dict)
    ways: tuple[Held, ...] = ()
    others: tuple["Pairing", ...] = ()
    exchanged: tuple[Matched, ...] = ()

    def without(self, paths: Collection[str]) -> "Pairing":
        """The same without the steps of these layers of torch's, whose outputs need not be equal."""
        found, anchors = ({t: k for t, k in x.items() if path_of(t) not in paths} for x in (self.found, self.anchors))
        apart = {t: k for t, k in self.found.items() if t not in found}
        return replace(self, found=found, anchors=anchors, apart=self.apart | apart)

    def hiding(self, feeds: Collection[str]) -> "Pairing":
        """The same with these inputs of steps, by torch's names, shown on neither side."""
        own = {t: k for k, t in self.keras.aliases.items()}

        def raw(key: str) -> str:
            user, _, number = key.partition("<")
            return own.get(key, f"{own.get(user, user)}<{number}")

        torch = replace(self.torch, hidden=self.torch.hidden | frozenset(feeds))
        keras = replace(self.keras, hidden=self.keras.hidden | frozenset(map(raw, feeds)))
        return replace(self, torch=torch, keras=keras)

    def with_bare(self, found: Matched, shapes: dict[str, tuple[int, ...]]) -> "Pairing":
        """The same with the parameters outside of layers, torch's by Keras's, whose shapes are `shapes`."""
        layers = {k: t for t, k in found.items() if t != k}
        return replace(self, layers=self.layers | layers, keras=replace(self.keras, shapes=shapes))

    def held(self, way: Held) -> "Pairing":
        """The same with weights in pieces held in one of the ways."""
        return replace(self, torch=replace(self.torch, held=way), keras=replace(self.keras, held=way))

    @property
    def trials(self) -> tuple["Pairing", ...]:
        """What values choose from, the likeliest first."""
        others = self.others or ((self,) if self.ways else ())
        return tuple(each.held(way) for each in others for way in self.ways) or others

    @property
    def changes(self) -> bool:
        """Whether the sides must be told anything."""
        return bool(self.layers or self.orders) or self.torch != Names() or self.keras != Names()


def same_paths(torch: list[LayerInfo], keras: list[LayerInfo]) -> bool:
    """Whether the layers with weights agree in path and kind, and the parameters outside of them in shape too."""
    ours, theirs = without_spares(torch, keras)
    sides = [
        {layer.path: (layer.kind, layer.weights if named(layer.kind).bare else ()) for layer in layers if layer.weights}
        for layers in (ours, theirs)
    ]
    return sides[0] == sides[1]


def raise_on_others(torch: list[LayerInfo], keras: list[LayerInfo]) -> None:
    """Raise UnmatchedError if no pairing can be complete, whatever runs, and no weights are others in pieces."""
    try:
        raise_on_other_layers(torch, keras)
    except UnmatchedError:
        if melted(torch, keras, None) is None:
            raise


def pair(
    torch_layers: list[LayerInfo],
    torch_steps: Steps,
    keras_layers: list[LayerInfo],
    keras_steps: Steps,
    name_map: NameMap | None = None,
    in_pieces: bool = True,
    by_values: bool = False,
) -> Pairing:
    """Pair two models' steps. Raises UnmatchedError, with the candidates of both sides, where that is not certain.

    in_pieces: whether weights may be held in pieces of layers of other kinds. by_values: whether values are to choose
    between branches that could be exchanged.
    """
    given = torch_layers, torch_steps, keras_layers, keras_steps, name_map
    if in_pieces and by_values and are_unclear(torch_layers, keras_layers):
        found = melted(torch_layers, keras_layers, (torch_steps, keras_steps))
        if found is not None:
            return _in_pieces(found, given, by_values)
    try:
        return _with_others(given, (), by_values)
    except TiedError:
        raise
    except UnmatchedError:
        found = melted(torch_layers, keras_layers, (torch_steps, keras_steps)) if in_pieces else None
        if found is None:
            raise
        return _in_pieces(found, given, by_values)


Given = tuple[list[LayerInfo], Steps, list[LayerInfo], Steps, NameMap | None]


def _in_pieces(found: Melted, given: Given, by_values: bool) -> Pairing:
    """The pairs of what is no piece, with the likeliest way in which the pieces lie."""
    _, torch_steps, _, keras_steps, name_map = given
    rest = found.torch, torch_steps, found.keras, keras_steps, name_map
    return replace(_with_others(rest, found.ways[0].steps, by_values), ways=found.ways).held(found.ways[0])


def _with_others(given: Given, partners: tuple[tuple[str, str], ...], by_values: bool) -> Pairing:
    """The pairing with those that values may choose in its place."""
    try:
        first = _pair(*given, partners)
        ways = first.exchanged if by_values else ()
        others = tuple(_pair(*given, partners, way) for way in ways)
    except TiedError as tied:
        if not by_values or not tied.ways:
            raise
        first, *rest = (_pair(*given, partners, way) for way in tied.ways)
        others = tuple(rest)
    return replace(first, others=(first, *others) if others else ())


def _pair(
    torch_layers: list[LayerInfo],
    torch_steps: Steps,
    keras_layers: list[LayerInfo],
    keras_steps: Steps,
    name_map: NameMap | None,
    partners: tuple[tuple[str, str], ...] = (),
    chosen: Matched | None = None,
) -> Pairing:
    """partners: paths of layers that are one although they are of other kinds. chosen: one of several ways."""
    bare, shapes = pair_bare(torch_layers, keras_layers)
    sides = (owned(torch_layers), torch_steps), (owned(keras_layers), keras_steps)
    ours, theirs = (Model(*side, once=counts_once(sides[0][0], sides[1][0])) for side in sides)
    mapped = {} if name_map is None else name_map.pairs(list(ours.steps), list(theirs.steps))
    certain = (chosen or {}) | {t: k for t, k in mapped.items() if ours.weights(t)}
    agree = same_paths(torch_layers, keras_layers) and not certain
    if agree:
        found = {key: key for key in ours.steps if ours.weights(key) and key in theirs.steps}
        flows = ours.order(), theirs.order()
        order = list(ours.steps), list(theirs.steps)
        if flows[0] is not None and flows[1] is not None:
            order = flows[0], flows[1]
    else:
        ours, theirs, found, order = _by_weights(ours, theirs, certain)
    alike = {t: k for t, k in _calls(ours, theirs, partners) if t not in found}
    found = by_place(ours, theirs, found | mapped | alike, order, agree)
    raise_on_unpaired(ours, theirs, found)
    paired = _pairing(ours, theirs, found, set(mapped)).with_bare(bare, shapes)
    weighted = {t: k for t, k in paired.anchors.items() if t not in mapped and not (agree and t == k)}
    ways = () if chosen else tuple(siblings(ours, theirs, weighted))
    return replace(paired, anchors=paired.anchors | alike, exchanged=ways)


def _calls(ours: Model, theirs: Model, partners: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, str]]:
    """Every call of layers that are one."""
    for t, k in partners:
        if ours.calls[t] == theirs.calls[k]:
            yield from ((key, f"{k}{key.removeprefix(t)}") for key in ours.steps if path_of(key) == t)


def _by_weights(ours: Model, theirs: Model, certain: Matched) -> tuple[Model, Model, Matched, Lists]:
    """`by_weights`, if need be without a look at norms that torch may have without scale and centre."""
    try:
        return ours, theirs, *by_weights(ours, theirs, certain)
    except UnmatchedError:
        kinds = dispensable(ours, theirs)
        if not kinds:
            raise
    ours, theirs = ours.leaner(kinds), theirs.leaner(kinds)
    return ours, theirs, *by_weights(ours, theirs, certain)


def _pairing(ours: Model, theirs: Model, found: Matched, mapped: set[str]) -> Pairing:
    back = {k: t for t, k in found.items()}
    aliases = {k: t for k, t in back.items() if k != t}
    folded = _folded(ours, dict(zip(found, found, strict=True))), _folded(theirs, back)
    free = [
        frozenset(key for key, step in side.steps.items() if key not in known and (step.function or step.free))
        for side, known in ((ours, found), (theirs, back))
    ]
    passed = [frozenset(key for key, _ in pads) for pads in folded]
    unseen = free[1] | passed[1]
    clashing = [key for key in theirs.steps if key not in back and key not in unseen and key in found]
    aliases |= {key: f"keras:{key}" for key in clashing}
    pairs = tuple(
        Pair(t, k, "map" if t in mapped else "order") for t, k in found.items() if t != k and "#" not in t + k
    )
    layers = dict(_layers(ours, theirs, found))
    margins = dict(m for _, users in folded[0] for m in users), dict(m for _, users in folded[1] for m in users)
    columns = columns_of(ours.steps, theirs.steps, found)
    names = Names({}, free[0], passed=passed[0]), Names(aliases, free[1], passed=passed[1], columns=columns)
    anchors = {t: k for t, k in found.items() if ours.weights(t) and theirs.weights(k)}
    orders = orders_of(ours.steps, renumbered(theirs.steps, columns), found, {})
    return Pairing(pairs, layers, *names, orders, margins, found, anchors)


def _folded(side: Model, known: Matched) -> list[tuple[str, list[tuple[str, list[list[int]]]]]]:
    """Padding layers without partner that go into padded layers alone, with torch's paths of these and the margins."""
    result = []
    for key, step in side.steps.items():
        users = [user for user in side.steps.values() if key in user.sources]
        layer = side.layers.get(path_of(key))
        alone = users and all(named(user.kind).padded is not None and user.key in known for user in users)
        if named(step.kind).pads and key not in known and alone and layer is not None and not step.function:
            result.append((key, [(path_of(known[user.key]), layer.static["margins"]) for user in users]))
    return result


def _layers(ours: Model, theirs: Model, found: Matched) -> Iterator[tuple[str, str]]:
    """Keras's layer paths with torch's, where they differ; a path that only one side's layer has is kept apart."""
    partners: dict[str, str] = {}
    for t, k in found.items():
        if not ours.steps[t].function and not theirs.steps[k].function and path_of(t) not in partners.values():
            partners.setdefault(path_of(k), path_of(t))
    for path in theirs.layers:
        if path in partners:
            if partners[path] != path:
                yield path, partners[path]
        elif path in partners.values():
            yield path, f"keras:{path}"
