"""A step's input and both outputs -> what made each of them, found from the numbers: where the two differ is the cause.

A function that a model calls itself, or an operation between layers, states no settings. So what it does is searched
for: a family's candidates (a max pool of 3 x 3 with stride 2, ...) are computed, and one that makes an output is a
reading of it. Of both sides' readings those two are told that differ least.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, combinations, product
from typing import Any, NamedTuple

import numpy as np

from parity.models.arrays import Array
from parity.models.attempts import attempt
from parity.models.edits import Mend

from .evidence import Evidence, Guess

Inputs = tuple[Array, ...]
Settings = dict[str, Any]
Candidate = tuple[Settings, Callable[..., Array]]
MISSING = "missing or extra activation"
OTHER_LAYER = "another kind of layer"
TELLING = 8  # whole numbers, at least, that no other function gives by chance
FEWEST = 6  # numbers of an output that a reading is believed for: of fewer, one of many may come by chance
PAIRED = 6  # steps before an operation of two inputs that may be these
NEAR = 1e-6  # of the scale: what a candidate's first numbers must be near, before all of them are computed


@dataclass(frozen=True)
class Family:
    """Functions that are one but for their settings.

    name: in a sentence. causes: by setting, the name of the cause if the two sides differ in it; the first that they
    differ in names it. candidates: settings and functions of the inputs that may give an output. cut: the part
    of the inputs that a part of the output is made from alone. idle: the settings of what returns its input. mend: what
    undoes any difference of it. last: what it reads is a simpler one's where that reads it too.
    """

    name: str
    causes: dict[str, str]
    candidates: Callable[[Evidence, Inputs, Array], Iterator[Candidate]]
    cut: tuple[slice, ...] = ()
    idle: Settings | None = None
    last: bool = False
    mend: Callable[[Evidence], Mend | None] = lambda evidence: None

    def cause(self, one: Settings, other: Settings, differing: tuple[str, ...]) -> str:
        """The name of the cause, where two readings differ in these settings."""
        return MISSING if self.idle in (one, other) else self.causes[differing[0]]


ONE_SAMPLE = (slice(1),)
ONE_CHANNEL = (slice(1), slice(1))
FEW_PLACES = (slice(1), slice(None), *[slice(4)] * 3)


class Reading(NamedTuple):
    """What an output was made by: `made` is the output that this gives."""

    family: Family
    settings: Settings
    made: Array


def reading_guesses(evidence: Evidence, families: tuple[Family, ...]) -> Iterator[Guess]:
    """Keras's output as the function that makes it, where it and the one that makes torch's are both known."""
    for inputs in _inputs(evidence):
        ours, theirs = (
            [[*read(evidence, family, inputs, out)] for family in families] for out in (evidence.torch, evidence.keras)
        )
        alike = [pair for a, b in zip(ours, theirs, strict=True) for pair in product(a, b)]
        differing = [(pair, _differing(*pair)) for pair in alike]
        for (one, other), settings in sorted(differing, key=lambda entry: (entry[0][0].family.last, len(entry[1]))):
            if settings:
                told = one.family.cause(one.settings, other.settings, settings), other.made, _told(one, other, settings)
                mend = one.family.mend(evidence)
                yield told if mend is None else (*told, mend)
        first = next(chain(*ours), None), next(chain(*theirs), None)
        if first[0] is not None and first[1] is not None and first[0].family is not first[1].family:
            what = f"torch's output is {_words(first[0])} of what goes in, and Keras's {_words(first[1])}"
            yield OTHER_LAYER, first[1].made, what


def read(evidence: Evidence, family: Family, inputs: Inputs, out: Array) -> Iterator[Reading]:
    """What of a family makes an output of these inputs; nothing where too few numbers could tell."""
    if out.size < FEWEST or not out.any() or (out.size < TELLING and np.array_equal(out, np.round(out))):
        return
    few, wanted = tuple(x[family.cut[: x.ndim]] for x in inputs), out[family.cut[: out.ndim]]
    for settings, function in family.candidates(evidence, inputs, out):
        first = attempt(partial(function, *few), lambda _: None)
        if first is None or not _near(first, wanted, max(NEAR, evidence.line)):
            continue
        made = function(*inputs) if family.cut else first
        if evidence.same(made, out):
            yield Reading(family, settings, made)


def _near(found: Array, wanted: Array, near: float) -> bool:
    if found.shape != wanted.shape or not found.size:
        return False
    return float(np.abs(found - wanted).max()) <= near * float(np.abs(wanted).max())


def _inputs(evidence: Evidence) -> Iterator[Inputs]:
    """What a step may have been given, the likeliest first: of an operation between layers it is not known."""
    given = [evidence.inputs] if evidence.inputs else []
    before = list(evidence.before.values())
    singles = [inputs[:1] for inputs in given] or [(x,) for x in before]
    yield from singles
    pairs = ((a, b) for a, b in combinations(before[:PAIRED], 2)) if not given else ()
    yield from (inputs for inputs in given if len(inputs) > 1)
    yield from pairs


def _differing(one: Reading, other: Reading) -> tuple[str, ...]:
    return tuple(name for name in one.family.causes if one.settings.get(name) != other.settings.get(name))


def _told(one: Reading, other: Reading, settings: tuple[str, ...]) -> str:
    differ = ", ".join(f"{name} {other.settings[name]}" for name in settings if name in other.settings)
    return f"torch's output is {_words(one)} of what goes in, and Keras's one with {differ}"


def _words(reading: Reading) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in reading.settings.items())
    return f"{reading.family.name} ({settings})"
