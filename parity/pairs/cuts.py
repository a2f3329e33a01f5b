"""Both models' steps, and which tensors of one equal tensors of the other -> the cut points, and the regions between.

Combinational equivalence checking pairs the signals of two circuits by their values under random stimulus and judges
what lies between such cut points (Kuehlmann and Krohm 1997, "Equivalence checking using cuts and heaps"). Here a cut
point is a step of each side whose tensors are equal in float64, whatever either is called and however it was computed.
What lies between belongs to the region that its end is judged by: a step that only one side has is no fault.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from math import prod

from parity.models.arrays import View
from parity.models.kinds import named
from parity.models.steps import Names, StepInfo, is_output

from .graph import Graph
from .pairing import Pair, Pairing

Partners = dict[str, dict[str, View | None]]  # by Keras's step, torch's that it equals and how it then lies
Matched = dict[str, str]  # torch's step -> Keras's


@dataclass(frozen=True)
class Region:
    """What is judged as one by its end, a step of torch's: the steps in it that are not shown, by path."""

    torch: tuple[str, ...]
    keras: tuple[str, ...]


@dataclass(frozen=True)
class Cuts:
    """The steps that are shown. pairs: torch's by Keras's. views: how Keras's lie, by torch's. doubtful: ends of
    regions that disagree, and what is shown in them: there, whatever differs in how a step is fed is looked at."""

    pairs: Matched
    views: dict[str, View] = field(default_factory=dict)
    shown: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())  # without a partner, in such regions
    doubtful: frozenset[str] = frozenset()

    def names(self, passed: tuple[frozenset[str], frozenset[str]]) -> tuple[Names, Names]:
        """What to tell each side; `passed` are padding layers told as the padding of what they feed."""
        back = {k: t for t, k in self.pairs.items()}
        cut = self.pairs.keys(), set(self.pairs.values())
        fed = [{key for key in pads if f"{key}<0" in keys} for pads, keys in zip(passed, cut, strict=True)]
        kept = passed[0] & self.shown[0] - fed[0], passed[1] & self.shown[1] - fed[1]  # a cut point must be seen
        only = frozenset(self.pairs) | self.shown[0], frozenset(back) | self.shown[1]
        aliases = {k: t for k, t in back.items() if k != t}
        clashing = (key for key in self.shown[1] if key not in back and key in self.pairs.keys() | self.shown[0])
        aliases |= {key: f"keras:{key}" for key in clashing}
        ours = Names(only=only[0], passed=kept[0])
        return ours, Names(aliases, only=only[1], passed=kept[1], views=self.views)

    def regions(self, torch: Graph, keras: Graph) -> Iterator[tuple[str, Region]]:
        """The regions of more than their end."""
        for t, k in self.pairs.items():
            ours = torch.named(torch.between(t, self.pairs.keys() | self.shown[0]))
            theirs = keras.named(keras.between(k, set(self.pairs.values()) | self.shown[1]))
            if ours or theirs:
                yield t, Region(ours, theirs)


def by_value(order: Iterable[str], partners: Partners, likely: Matched) -> tuple[Matched, dict[str, View]]:
    """The cut points that values alone decide: every step of either side once, in Keras's order of execution.

    likely: pairs of structure and names, which break ties.
    """
    found: Matched = {}
    back = {k: t for t, k in likely.items()}
    keys = [key for key in order if not is_output(key)]
    for key in keys:
        if back.get(key) in partners.get(key, {}):
            found[back[key]] = key
    taken = set(found.values())
    for key in keys:
        mine = {t: view for t, view in partners.get(key, {}).items() if t not in found and not is_output(t)}
        if key not in taken and mine:
            found[_nearest(key, mine, likely)] = key
    views = ((t, partners[key][t]) for t, key in found.items())
    return found, {t: view for t, view in views if view is not None}


def _nearest(key: str, mine: dict[str, View | None], likely: Matched) -> str:
    """Of the equal tensors that several steps hold (what returns its input makes one), the one that a step is.

    One that is promised to nobody, of as many axes (what flattens is another step), and made as this one is.
    """

    def apart(t: str) -> tuple[bool, bool, bool]:
        view = mine[t]
        reshaped = view is not None and len(view.axes) != len(view.sample) + 1
        return t in likely, reshaped, ("<" in t) != ("<" in key)

    return min(mine, key=apart)


def _with_outputs(found: Matched, views: dict[str, View], order: Iterable[str], partners: Partners) -> Cuts:
    outputs = {key: key for key in order if is_output(key)}
    lying = {key: view for key in outputs if (view := partners.get(key, {}).get(key)) is not None}
    return Cuts(found | outputs, views | lying)


def free_cuts(order: list[str], partners: Partners, likely: Matched) -> Cuts:
    """Where both outputs agree: what is equal is a cut point, and nothing else is looked at."""
    return _with_outputs(*by_value(order, partners, likely), order, partners)


def anchored_cuts(
    order: list[str], partners: Partners, likely: Matched, anchors: Matched, lying: dict[str, View]
) -> Cuts:
    """Where they do not: cut points by value, and the anchors, the steps with weights that are paired by structure.

    lying: how the outputs of those lie that are of other kinds.
    """
    found, views = by_value(order, partners, likely)
    taken = set(found.values())
    more = {t: k for t, k in anchors.items() if t not in found and k not in taken}
    views |= {t: lying[t] for t in more if t in lying}
    return _with_outputs(found | more, views, order, partners)


def lying_of(torch: Graph, keras: Graph, t: str, k: str) -> View | None:
    """How a tensor of Keras's lies beside its partner of torch's, by the kinds that made them, or that they go into.

    None where it lies as it should, or where that is not known.
    """
    shapes = torch.steps[t].shape, keras.steps[k].shape
    return _lying(*shapes, _layout(torch, t), _layout(keras, k))


def _lying(ours: tuple[int, ...], theirs: tuple[int, ...], torch: str, keras: str) -> View | None:
    if ours == theirs and (torch == keras or "input" in (torch, keras)):
        return None
    rank = len(theirs)
    plain, first = tuple(range(rank)), (0, rank - 1, *range(1, rank - 1))
    last = (*theirs[:1], *theirs[2:], *theirs[1:2])  # as it lies in Keras, if it is shown channels first
    lie = {"channels": (last,), "equal": (theirs,)}.get(keras, (theirs, last))
    orders = {"channels": (first,), "equal": (plain,)}.get(torch, (plain, first)) if rank > 2 else (plain,)
    for shape in lie:
        for axes in orders:
            if tuple(shape[axis] for axis in axes) == ours:
                return View(axes, ours[1:])
    merged = torch == keras == "equal" and ours[:1] == theirs[:1] and prod(ours) == prod(theirs)
    return View(plain, ours[1:]) if merged else None


def _inputs_lying(torch: Graph, keras: Graph, t: str, k: str) -> Iterator[tuple[str, View]]:
    """How what goes into a step of Keras's lies beside what goes into torch's, where their kinds lie otherwise."""
    layouts = _layout(torch, t), _layout(keras, k)
    if "<" in t or layouts[0] == layouts[1] or "input" in layouts:
        return
    for number, (one, other) in enumerate(zip(torch.steps[t].sources, keras.steps[k].sources, strict=False)):
        if one in torch.steps and other in keras.steps:
            view = _lying(torch.steps[one].shape, keras.steps[other].shape, *layouts)
            if view is not None:
                yield f"{t}<{number}", view


def _layout(graph: Graph, key: str) -> str:
    user = key.partition("<")[0] if "<" in key else key
    return named(graph.steps[user].kind).layout if user in graph.steps else "input"


def opened(cuts: Cuts, faults: Iterable[str], torch: Graph, keras: Graph, pairing: Pairing) -> Cuts:
    """The same with the regions at fault opened: their own steps are shown, and paired by structure."""
    likely = pairing.found
    ours: set[str] = set()
    theirs: set[str] = set()
    ends = [fault for fault in faults if fault in cuts.pairs]
    for end in ends:
        ours |= torch.between(end, cuts.pairs.keys())
        theirs |= keras.between(cuts.pairs[end], set(cuts.pairs.values()))
    ours -= pairing.apart.keys()
    theirs -= set(pairing.apart.values())
    more = {t: k for t, k in likely.items() if t in ours and k in theirs}
    pairs = cuts.pairs | more
    more |= {key: key for key in (ours & theirs) - more.keys() - set(more.values()) if _alike(key, torch, keras)}
    pairs |= more
    users = {k: t for t, k in pairs.items()}
    glue = {t: k for k in theirs if (t := _fed(k, users)) is not None and t in ours and t not in pairs}
    pairs |= glue
    back, ends_too = {k: t for t, k in pairs.items()}, {pairs[end] for end in ends}
    gone = {
        t: k
        for t, k in pairs.items()
        if (_feeds(t, ends) and _is_elsewhere(t, k, pairs, (torch, keras)))
        or (_feeds(k, ends_too) and _is_elsewhere(k, t, back, (keras, torch)))
    }
    pairs = {t: k for t, k in pairs.items() if t not in gone}
    ours, theirs = ours | gone.keys(), theirs | set(gone.values())
    shown = (
        frozenset(key for key in ours if key not in pairs),
        frozenset(key for key in theirs if key not in pairs.values()),
    )
    new = ((t, lying_of(torch, keras, t, k)) for t, k in (more | glue).items() if t not in cuts.pairs)
    fed = {feeds: view for t in ends for feeds, view in _inputs_lying(torch, keras, t, pairs[t])}
    views = fed | cuts.views | {t: view for t, view in new if view is not None}
    return replace(cuts, pairs=pairs, views=views, shown=shown, doubtful=frozenset([*ends, *more, *glue]))


def _is_elsewhere(t: str, k: str, pairs: Matched, sides: tuple[Graph, Graph]) -> bool:
    """Whether an input of a step of torch's is equal to a tensor that is not that input of its partner in Keras.

    Under the input's name it would hide what Keras's partner is fed in its place, if that lies as the input does.
    """
    torch, keras = sides
    user, less, number = t.partition("<")
    partner = keras.steps.get(pairs.get(user, ""))
    if not less or partner is None:
        return False
    given = _given(partner, int(number), k)
    return k != given and (given not in keras.steps or keras.steps[given].shape == torch.steps[t].shape)


def _feeds(key: str, users: Iterable[str]) -> bool:
    """Whether it is an input of one of these steps."""
    return key.partition("<")[0] in users


def _given(user: StepInfo, number: int, default: str) -> str:
    """The key of what goes into a step."""
    source = user.sources[number] if number < len(user.sources) else default
    return f"{user.key}<{number}" if source == "glue" else source


def _alike(key: str, torch: Graph, keras: Graph) -> bool:
    """Whether both sides have a step of that name, and of that many numbers."""
    return "<" not in key and prod(torch.steps[key].shape) == prod(keras.steps[key].shape)


def _fed(key: str, users: Matched) -> str | None:
    """torch's name of an input of a step of Keras's, where that is paired."""
    user, less, number = key.partition("<")
    return f"{users[user]}<{number}" if less and user in users else None


def with_cuts(pairing: Pairing, cuts: Cuts, torch: Graph, keras: Graph) -> Pairing:
    """The pairing with the cut points for the steps that were paired by structure."""
    names = cuts.names((pairing.torch.passed, pairing.keras.passed))
    known = {(pair.torch, pair.keras): pair for pair in pairing.pairs}
    new = (
        known.get((torch.path(t), keras.path(k))) or Pair(torch.path(t), keras.path(k), "value")
        for t, k in cuts.pairs.items()
        if torch.path(t) != keras.path(k) and "#" not in t + k and not keras.path(k).endswith("glue")
    )
    drawn = {t: k for t, k in pairing.found.items() if t in torch.steps and torch.steps[t].noise}
    torch_names = replace(names[0], held=pairing.torch.held, drawing={t: t for t in drawn})
    weights = pairing.keras.of_weights
    keras_names = replace(
        names[1],
        shapes=weights.shapes,
        held=weights.held,
        columns=weights.columns,
        drawing={k: t for t, k in drawn.items()},
    )
    return replace(pairing, torch=torch_names, keras=keras_names, pairs=tuple(dict.fromkeys(new)))
