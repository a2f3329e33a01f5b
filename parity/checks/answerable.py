"""A step whose output's gradient differs -> which of those that work on it sends back what is wrong."""

from collections.abc import Iterator

from parity.causes.gradients import lacking
from parity.causes.teacher import Teacher
from parity.pairs.matching import Wiring
from parity.verdict.difference import structure_ok
from parity.verdict.measured import Measured, Name


def answerable(key: str, added: dict[Name, Measured], wiring: Wiring, teacher: Teacher) -> str | None:
    """Who sends the wrong gradient back to step `key`; None if one of its users is at fault already.

    It is the user, or the operation between layers, whose gradient is just what is lacking. If that is none: a user
    whose own gradient was not seen (it works in place), or else the next operation between the layers.
    """
    users = {user: user.rpartition("<")[0] for user in users_of(key, wiring)}
    direct = [added.get(("into", user)) for user in users if user not in wiring.steps or user == key]
    if any(measured is not None and not structure_ok(measured.error) for measured in direct):
        return None
    unseen = [layer for user, layer in users.items() if ("into", user) not in added]
    behind = glue_behind(key, wiring)
    lacks = (name for name in (*users.values(), *behind) if next(lacking(key, name, added, teacher), None))
    return next(iter((*lacks, *unseen, *behind)), "output")


def users_of(key: str, wiring: Wiring) -> Iterator[str]:
    """The inputs ("conv1<0") that step `key` feeds directly; glue feeds the one that it is named after."""
    if "<" in key:
        yield key
    for name, step in wiring.steps.items():
        if step.kind != "output":
            yield from (f"{name}<{number}" for number, source in enumerate(step.sources) if source == key)


def glue_behind(key: str, wiring: Wiring) -> list[str]:
    """The operations between layers that are known to be made of step `key`, then the first behind it."""
    keys = list(wiring.steps)
    made = [name for name in keys if "<" in name and key in (wiring.steps[name].origins or ())]
    behind = [name for name in keys[keys.index(key) + 1 if key in keys else 0 :] if "<" in name]
    return made + behind[:1]
