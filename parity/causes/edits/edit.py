"""A cause, the settings that differ and the lines of a program -> the edit of it that mends, where that is known.

An edit is only proposed where the call is literal on a line of the user's own; that it mends is proven by a new check.
"""

import ast
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

from parity.causes.settings import SETTING_CAUSES
from parity.models.edits import Edit, Mend
from parity.models.kinds import named
from parity.models.kinds.spelling import JOINED
from parity.models.layers import LayerInfo
from parity.models.source import Sources, Written
from parity.verdict.cause import Cause
from parity.verdict.results import StaticDifference

from .alike import exchanged, likely, listed_otherwise, scaled
from .arguments import Changes, Read, with_arguments
from .around import NO_TENSOR, Before, put_before
from .calls import as_called
from .compared import as_the_other, in_its_mode
from .flow import Spot, is_layer, spot_at
from .naming import operation
from .operations import Operation, replaced, with_after, without
from .padding import around_same, cut, other_pad, with_padding
from .settings import SPELLED

# The settings that a cause is about, where several of its layer differ.
FIELDS: dict[str, tuple[str, ...]] = {
    "BN momentum": ("momentum",),
    "renorm": ("renorm",),
    **{name: tuple(f for f, n in SETTING_CAUSES.items() if n == name) for name in set(SETTING_CAUSES.values())},
}


class Site(NamedTuple):
    """Where an edit is made: one side's program. info: of the layer there, if it is one.

    size: of what goes in, without the batch. pads: the layers of that side that pad, the nearest before it first.
    """

    side: str
    written: Written
    read: Read
    info: LayerInfo | None = None
    size: Sequence[int] | None = None
    pads: tuple[LayerInfo, ...] = ()

    @property
    def lines(self) -> Sources:
        """Where its settings are written."""
        return self.written.made if self.info is not None and self.written.made else self.written.called


class Places(NamedTuple):
    """The expressions of a step: those of the side that is edited, the likeliest first, and the other's."""

    mine: tuple[Spot, ...]
    theirs: Spot | None


def mends_of(cause: Cause, differing: Sequence[StaticDifference], side: str) -> list[Mend]:
    """What must be done to one side: what the cause's own row says, else the settings that differ are set."""
    about = FIELDS.get(cause.name, ())
    if cause.mend is not None and cause.mend.action == "settings":
        about = (*about, *cause.mend.value)
    elif cause.mend is not None:
        return [cause.mend]
    chosen = [entry for entry in differing if entry.field in about] or list(differing)
    values = ((entry.field, entry.reference if side == "keras" else entry.candidate) for entry in chosen)
    return [Mend("set", field, value) for field, value in values]


def edit_of(mends: Iterable[Mend], site: Site) -> Edit | None:
    """The edit of one side's program that does all of this; None where that is not known for certain."""
    found: list[Changes] = []
    arguments: dict[str, str] = {}
    for mend in mends:
        if mend.action == "set" and not _is_layers(mend, site.side):
            spelled = SPELLED[site.side].get(mend.name)
            told = None if spelled is None else spelled(mend.value)
            if told is None:
                return None
            arguments |= told
            continue
        made = _done(mend, site)
        if made is None:
            return None
        found.append(made)
    if arguments:
        made = with_arguments(site.lines, site.side, arguments, site.read)
        if made is None:
            return None
        found.insert(0, made)
    if not found or any(code.path != found[0][0].path for code, _ in found):
        return None
    return _as_edit((found[0][0], [change for _, own in found for change in own]))


def _as_edit(made: Changes) -> Edit | None:
    code, changes = made
    return code.edit(changes, next(one for one in changes if not one.text.startswith("import ")))


def trials_of(cause: Cause, site: Site, places: Places) -> Iterator[Edit]:
    """Edits that may mend, the likeliest first: which one does a check will tell."""
    made: list[Iterator[Changes]] = []
    if cause.mend is not None and cause.mend.action == "call":
        made.append(as_called(cause.mend.value, site.written, site.side, site.read))
    if cause.mend is not None and cause.mend.action == "affine":
        scale, offset = cause.mend.value
        made += [scaled(scale, offset, mine, site.side) for mine in places.mine[:1]]
    made += [likely(cause.name, mine, places.theirs, site.side) for mine in places.mine]
    for changes in chain(*made):
        edit = _as_edit(changes)
        if edit is not None:
            yield edit


def exchange_of(one: Written, other: Written, read: Read) -> Edit | None:
    """The edit that lets two layers change places, where both are called, or stand in one list."""
    made, called = ([spot_at(getattr(w, name), read) for w in (one, other)] for name in ("made", "called"))
    ways: list[Changes] = []
    if made[0] is not None and made[1] is not None:
        ways += listed_otherwise(made[0], made[1])
    if called[0] is not None and called[1] is not None:
        ways += exchanged(called[0], called[1])
    return next((edit for way in ways if (edit := _as_edit(way)) is not None), None)


def place_of(written: Written, own: bool, read: Read) -> Spot | None:
    """The expression that makes what goes into a step. own: whether the lines are its own, and not the step's."""
    spot = spot_at(written.called, read)
    if (
        spot is not None
        and isinstance(spot.node, ast.Call)
        and spot.node.args[:1]
        and isinstance(spot.node.args[0], ast.List)
    ):
        joined = operation(spot.node) in JOINED
        return spot if joined else None  # a list of layers
    if spot is None or own or not (is_layer(spot.node) and isinstance(spot.node, ast.Call) and spot.node.args):
        return spot
    given = spot.node.args[0]
    return None if isinstance(given, NO_TENSOR) else Spot(spot.code, given)


def _is_layers(mend: Mend, side: str) -> bool:
    """Whether a setting may take a layer of its own."""
    return mend.name == "padding" or (mend.name == "transposed_padding" and side == "keras")


def _done(mend: Mend, site: Site) -> Changes | None:
    side, written, read = site.side, site.written, site.read
    if mend.action == "set" and mend.name == "transposed_padding":
        return cut(mend.value, site.info, written, read)
    if mend.action == "set" and site.info is not None:
        return _padded(mend, site, site.info)
    if mend.action == "channels first" and side == "keras":
        axes = tuple(mend.value)  # of (H, W, C), from 1, as Permute counts
        text = f"{{}}.transpose({{}}, {(0, *axes)})"
        return put_before(written, Before(f"Permute({axes})", ("keras.ops", text)), read)
    wanted = Operation(named(mend.name), mend.value or {})
    if mend.action == "replace":
        return replaced(written, side, wanted, read)
    if mend.action == "as the other":
        return as_the_other(written.called, mend.value or (), mend.name, read)
    if mend.action == "mode" and side == "keras":
        return in_its_mode(written.called, read)
    if mend.action == "after":
        return with_after(written, side, wanted, read)
    if mend.action == "padding mode":
        return other_pad(site.pads[0].made, mend.name, read) if site.pads and side == "torch" else None
    if mend.action == "call":
        known = side == "torch" or all(edit.what != "skip" for _, edit in mend.value)  # else it is not known where
        return next(as_called(mend.value, written, side, read), None) if known else None
    return without(written, read) if mend.action == "without" else None


def _padded(mend: Mend, site: Site, info: LayerInfo) -> Changes | None:
    want, fill = _in_pixels(mend.value, info, site.size), float(named(info.kind).padded or 0.0)
    own = with_padding(site.written, site.side, want, info.static, fill, site.read)
    if own is not None or not isinstance(want, list):
        return own
    margins = [[pad, pad] if isinstance(pad, int) else list(pad) for pad in want]
    has = info.static.get("padding")
    if not isinstance(has, list):
        return None
    is_own = [[pad, pad] if isinstance(pad, int) else list(pad) for pad in has]
    before = next((pad for pad in site.pads if pad.static.get("margins") == is_own), None)
    spelled = SPELLED[site.side]["margins"](margins)
    return None if before is None else with_arguments(before.made, site.side, spelled or {}, site.read)


def _in_pixels(value: Any, info: LayerInfo, size: Sequence[int] | None) -> Any:
    """Padding "same" under a stride, in pixels: what it is depends on the size of the input."""
    if value != "same" or set(info.static["stride"]) == {1} or size is None:
        return value
    return [list(pair) for pair in around_same(size[1:], info.static)]
