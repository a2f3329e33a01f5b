"""A cause and both programs' steps -> what one of them does otherwise, more or less, and where that is written."""

from collections.abc import Iterator

from parity.models.edits import Mend
from parity.models.kinds import KINDS, Kind, named
from parity.models.source import Written
from parity.models.steps import StepInfo
from parity.verdict.cause import Cause

from .report import Report
from .sources import SIDES, Programs

ALONE = tuple(dict.fromkeys(kind.alone for kind in KINDS if kind.activation))
ABOUT = (*ALONE, "activation", "function", "kind of")  # in the names of the causes that a lone operation has


def mends_at(cause: Cause, report: Report, programs: Programs, side: str) -> Iterator[tuple[Mend, Written]]:
    """What may be done to one side, and at which lines, the likeliest first."""
    other = SIDES[1 - SIDES.index(side)]
    key, source = cause.key or cause.path, cause.source or {}
    wanted, has = programs.kind(other, key), programs.kind(side, key)
    maker = next(iter(programs.sources(side, key)), "") if "<" in key and not programs.has(side, key) else ""
    place = programs.written(side, maker) if maker else source.get(side)
    if wanted is not None and has is not None and wanted[0] != has[0] and _is_one(named(wanted[0])) and place:
        yield Mend("replace", *wanted), place
    if "mode" in cause.name and source.get(side):
        yield Mend("mode"), source[side]
    if source.get(side) and source.get(other):
        yield Mend("as the other", cause.name, source[other].called), source[side]
    mine, theirs = (_loose(report, programs, name) for name in (side, other))
    for one, another in zip(mine, theirs, strict=False):
        if one.kind == another.kind:  # along other axes they are not the same step
            lines = programs.written(other, another.key).called
            yield Mend("as the other", "another axis", lines), programs.written(side, one.key)
    if any(word in cause.name for word in ABOUT):
        yield from _alone(programs, (side, mine), (other, theirs))


def _is_one(kind: Kind) -> bool:
    """Whether it may stand in another's place: it has no weights."""
    return kind.activation or kind.squeezed or (bool(kind.torch and kind.keras) and "Pool" in kind.torch[0])


Loose = tuple[str, list[StepInfo]]  # a side, and the activations that it alone has


def _alone(programs: Programs, one: Loose, another: Loose) -> Iterator[tuple[Mend, Written]]:
    """Activations that one side alone has: in the place of the other's, too many, or missing."""
    (side, more), (other, less) = one, another
    for extra, missing in zip(more, less, strict=False):
        yield Mend("replace", missing.kind, programs.static(other, missing)), programs.written(side, extra.key)
    for extra in more[len(less) :]:
        yield Mend("without"), programs.written(side, extra.key)
    for missing in less[len(more) :]:
        source = missing.sources[0] if missing.sources else ""
        yield Mend("after", missing.kind, programs.static(other, missing)), programs.written(side, source)


def _loose(report: Report, programs: Programs, side: str) -> list[StepInfo]:
    keys = report.unmatched[SIDES.index(side)]
    steps = {step.key: step for step in programs.steps[SIDES.index(side)]}
    found = (steps.get(key) or steps.get(key.partition(":")[2]) for key in keys)  # a name that the other side has, too
    return [step for step in found if step is not None and named(step.kind).activation]
