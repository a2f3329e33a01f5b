"""A report with faults and their proven causes -> the report without those that are one fault seen twice.

What a model does once too little, or in another order, may be used at several places. A fault there is told only of the
first: the causes say by which call or step they are the same.
"""

from collections.abc import Iterator
from dataclasses import replace

from parity.models.calls import Call
from parity.models.edits import Mend
from parity.models.source import Sources
from parity.models.steps import StepInfo
from parity.verdict.cause import Cause

from .comparing import Compared
from .report import Report

EXCHANGED = ("shortcut missing", "missing or extra activation")
ORDER, DIRECTION = "order of operations", "direction of the sequence"


def without_consequences(report: Report, found: Compared) -> Report:
    """The report, with a fault that another one's cause explains no fault, and no cause, of its own."""
    gone: dict[str, str] = {}
    steps = {step.key: step for step in found.steps}, {step.key: step for step in found.keras_steps}
    report = replace(report, causes=tuple(_exchanges(report.causes, steps[0], gone)))
    for number, cause in enumerate(report.causes):
        before = [other for other in report.causes[:number] if other.key not in gone]
        reason = next(_reasons(cause, before, report, steps), None)
        if reason is not None and cause.key:
            gone[cause.key] = reason
    if not gone:
        return report
    layers = tuple(
        replace(layer, faults=(), note="; ".join(filter(None, (layer.note, gone[layer.step.key]))))
        if layer.step.key in gone
        else layer
        for layer in report.layers
    )
    return replace(report, layers=layers, causes=tuple(cause for cause in report.causes if cause.key not in gone))


Steps = tuple[dict[str, StepInfo], dict[str, StepInfo]]


def _exchanges(causes: tuple[Cause, ...], steps: dict[str, StepInfo], gone: dict[str, str]) -> Iterator[Cause]:
    """The causes, those of what one side does before a step and the other behind it as one; `gone` gets the second."""
    for number, cause in enumerate(causes):
        other = next((later for later in causes[number + 1 :] if _is_behind(cause, later, steps)), None)
        if other is None:
            yield cause
            continue
        side, rest = cause.evidence.split(" ", 1)
        what, user = rest.partition(", the other side")[0], _user(cause.key)
        sides = (side, other.evidence.partition(" ")[0])
        gone[other.key] = (
            f"{user} and what {sides[1]} does behind it are exchanged: the fault at {cause.path}, seen again"
        )
        gap = cause.evidence.rpartition(": ")[2]
        told = f"{side} {what} before {user}, and {sides[1]} behind it: {gap}"
        moved = {side.lower(): cause.path, sides[1].lower(): other.path}
        yield replace(cause, name=ORDER, evidence=told, mend=Mend("exchange", other.key, moved))


def _is_behind(cause: Cause, later: Cause, steps: dict[str, StepInfo]) -> bool:
    """Whether one side does before a step what the other does to what that step gives."""
    if cause.name != later.name or cause.name not in EXCHANGED or "<" not in cause.key:
        return False
    one, other = (each.evidence.partition(", the other side")[0].split(" ", 1) for each in (cause, later))
    given = _given(later.key, steps)
    given += tuple(source for key in given if key in steps for source in steps[key].sources)
    return one[0] != other[0] and one[1:] == other[1:] and _user(cause.key) in given


def _given(key: str, steps: dict[str, StepInfo]) -> tuple[str, ...]:
    """The steps that torch made something of: a glue's, or what goes into an input that other steps feed in Keras."""
    if key in steps:
        return steps[key].origins or steps[key].sources
    user, less, number = key.partition("<")
    return steps[user].sources[int(number) :][:1] if less and user in steps else ()


def _called(key: str, steps: dict[str, StepInfo]) -> list[Sources]:
    """The lines of torch's that make what goes in, or made what that was made of."""
    user, less, number = key.partition("<")
    given = steps[user].sources[int(number) :][:1] if less and user in steps else ()
    return [steps[each].called for each in (key, *_given(key, steps), *given) if each in steps]


def _reasons(cause: Cause, before: list[Cause], report: Report, steps: Steps) -> Iterator[str]:
    """Of which fault this is a consequence, in a sentence."""
    call = _left_out(cause)
    for other in before:
        if (
            call is not None
            and call.called
            and call.called in _called(other.key, steps[0])
            and _last(call) == _last(other)
        ):
            yield f"{other.path} is left out here too: it is the fault at {other.path}, seen again"
        if call is not None and call.name == "flip" and other.name == DIRECTION and other.path in call.fed:
            yield f"what {other.path} gives in the other direction: the fault at {other.path}, seen again"
        if other.mend is not None and other.mend.action == "padding mode" and cause.key == _user(other.key):
            yield f"what it pads itself is padded before it on the other side: the fault at {other.path}, seen again"
        if other.name == ORDER and other.mend is not None and _is_of_exchange(cause, other, other.mend.name, steps):
            yield f"{other.path} and {_user(other.key)} are exchanged: the fault at {other.path}, seen again"


def _left_out(cause: Cause) -> Call | None:
    """The one call of torch's without which the other side's numbers come out."""
    if cause.mend is None or cause.mend.action != "call" or len(cause.mend.value) != 1:
        return None
    ((call, edit),) = cause.mend.value
    return call if edit.what == "skip" and isinstance(call, Call) else None


def _last(named: Call | Cause) -> str:
    """What an operation is called, without where it stands."""
    return named.name if isinstance(named, Call) else named.path.rpartition(".")[2].partition("#")[0].strip("()")


def _user(key: str) -> str:
    return key.partition("<")[0]


def _is_of_exchange(cause: Cause, order: Cause, moved: str, steps: Steps) -> bool:
    """Whether what goes into a step differs only because two before it, or it and another one, have changed places."""
    user, less, number = cause.key.partition("<")
    if not less or cause.key == order.key:
        return False
    each = [side[user].sources[int(number)] for side in steps if user in side and int(number) < len(side[user].sources)]
    pair = {moved, _user(order.key)}
    return user == moved or (len(each) == 2 and each[0] != each[1] and set(each) == pair)
