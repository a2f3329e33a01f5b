"""A cause, the settings that differ and the lines of a program -> the edit of it that mends, where that is known.

An edit is only proposed where the call is literal on a line of the user's own; that it mends is proven by a new check.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from parity.causes.settings import SETTING_CAUSES
from parity.models.edits import Change, Edit, Mend
from parity.models.kinds import named
from parity.models.layers import LayerInfo
from parity.models.source import Sources, Written
from parity.verdict.cause import Cause
from parity.verdict.results import StaticDifference

from .arguments import Changes, Read, with_arguments
from .around import Before, put_before
from .compared import as_the_other, in_its_mode
from .operations import Operation, replaced, with_after, without
from .padding import around_same, with_padding
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


def mends_of(cause: Cause, differing: Sequence[StaticDifference], side: str) -> list[Mend]:
    """What must be done to one side: what the cause's own row says, else the settings that differ are set."""
    if cause.mend is not None:
        return [cause.mend]
    about = FIELDS.get(cause.name, ())
    chosen = [entry for entry in differing if entry.field in about] or list(differing)
    values = ((entry.field, entry.reference if side == "keras" else entry.candidate) for entry in chosen)
    return [Mend("set", field, value) for field, value in values]


def edit_of(mends: Iterable[Mend], site: Site) -> Edit | None:
    """The edit of one side's program that does all of this; None where that is not known for certain."""
    found: list[Changes] = []
    arguments: dict[str, str] = {}
    for mend in mends:
        if mend.action == "set" and mend.name != "padding":
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
    changes: list[Change] = [change for _, own in found for change in own]
    return found[0][0].edit(changes, next(one for one in changes if not one.text.startswith("import ")))


def _done(mend: Mend, site: Site) -> Changes | None:
    side, written, read = site.side, site.written, site.read
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
