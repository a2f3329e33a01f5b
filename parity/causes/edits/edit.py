"""A cause, the settings that differ and the lines of a program -> the edit of it that mends, where that is known.

An edit is only proposed where the call is literal on a line of the user's own; that it mends is proven by a new check.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from parity.causes.settings import SETTING_CAUSES
from parity.models.edits import Change, Edit, Mend
from parity.models.kinds import named
from parity.models.layers import LayerInfo
from parity.models.source import Sources, Written
from parity.verdict.cause import Cause
from parity.verdict.results import StaticDifference

from .arguments import Changes, Read, with_arguments
from .around import Before, put_before
from .padding import around_same, with_padding
from .settings import SPELLED

# The settings that a cause is about, where several of its layer differ.
FIELDS: dict[str, tuple[str, ...]] = {
    "BN momentum": ("momentum",),
    "renorm": ("renorm",),
    **{name: tuple(f for f, n in SETTING_CAUSES.items() if n == name) for name in set(SETTING_CAUSES.values())},
}


def mends_of(cause: Cause, differing: Sequence[StaticDifference], side: str) -> list[Mend]:
    """What must be done to one side: what the cause's own row says, else the settings that differ are set."""
    if cause.mend is not None:
        return [cause.mend]
    about = FIELDS.get(cause.name, ())
    chosen = [entry for entry in differing if entry.field in about] or list(differing)
    values = ((entry.field, entry.reference if side == "keras" else entry.candidate) for entry in chosen)
    return [Mend("set", field, value) for field, value in values]


def edit_of(
    mends: Iterable[Mend], written: Written, side: str, info: LayerInfo | None, size: Sequence[int] | None, read: Read
) -> Edit | None:
    """The edit of one side's program. info: of its layer, if it is one. size: of its input, without the batch."""
    lines = lines_of(written, info)
    found: list[Changes] = []
    arguments: dict[str, str] = {}
    for mend in mends:
        if mend.action == "set" and mend.name != "padding":
            spelled = SPELLED[side].get(mend.name)
            told = None if spelled is None else spelled(mend.value)
            if told is None:
                return None
            arguments |= told
            continue
        made = _around(mend, written, side, info, size, read)
        if made is None:
            return None
        found.append(made)
    if arguments:
        made = with_arguments(lines, side, arguments, read)
        if made is None:
            return None
        found.insert(0, made)
    if not found or any(code.path != found[0][0].path for code, _ in found):
        return None
    changes: list[Change] = [change for _, own in found for change in own]
    return found[0][0].edit(changes, next(one for one in changes if not one.text.startswith("import ")))


def _around(
    mend: Mend, written: Written, side: str, info: LayerInfo | None, size: Sequence[int] | None, read: Read
) -> Changes | None:
    if mend.action == "set" and info is not None:
        return with_padding(written, side, _in_pixels(mend.value, info, size), info.static, _fill(info), read)
    if mend.action == "permute" and side == "keras":
        axes = tuple(mend.value)  # of (H, W, C), from 1, as Permute counts
        text = f"{{}}.transpose({{}}, {(0, *axes)})"
        return put_before(written, Before(f"Permute({axes})", ("keras.ops", text)), read)
    return None


def _fill(info: LayerInfo) -> float:
    return float(named(info.kind).padded or 0.0)


def _in_pixels(value: Any, info: LayerInfo, size: Sequence[int] | None) -> Any:
    """Padding "same" under a stride, in pixels: what it is depends on the size of the input."""
    if value != "same" or set(info.static["stride"]) == {1} or size is None:
        return value
    return [list(pair) for pair in around_same(size[1:], info.static)]


def lines_of(written: Written, info: LayerInfo | None) -> Sources:
    """The line that an edit is looked for at."""
    return written.made if info is not None and written.made else written.called
