"""A lock-step run as data, and its verdict. Pure.

JSON (`TrainingReport.to_json`), schema 1:

    {"schema": 1, "kind": "training", "verdict": "match" | "mismatch", "target": ..., "environment": {"torch", "keras"},
     "notes": [sentence on the environment], "recipe": {setting: value}, "input_shape": [...],
     "matched": [{"rule", "torch", "keras", "how": "same" | "setting" | "twin" | "corrected", "why"}],
     "runs": [{"dtype", "line": 1e-9 | null, "band": {"runs", "factor", "summed", "rounding"} | null,
               "curves": {what: {"steps": [1, 2, ...], "error": [...], "worst": [path, ...], "distance": [...],
                                 "band": [[one per nudged run], ...], "wide": [[...], ...], "allowed": [...]}},
               "loss": {"torch": [...], "keras": [...]}, "rate": {"torch": [...], "keras": [...]}}],
     "fault": {"dtype", "step", "what", "path", "error", "allowed"} | null,
     "cause": {"name", "path", "evidence"} | null}

`what` is "rate", "loss", "gradient", "running_mean", "running_var", an optimizer's state by torch's name ("exp_avg"),
"weight" or "iterations". `error` is the worst tensor's greatest difference over its scale, which is judged where `line`
is not null; `distance` the Euclidean distance of all tensors over their length, which is judged by `allowed` where
`band` is not null: to plot, draw `distance`, the nudged runs' `band` and `allowed` over `steps`, on a logarithmic axis.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from parity.models.environment import notes
from parity.models.numbers import or_null

from .cause import Cause

LINE = 1e-9  # of a tensor's scale, in float64
CHANCE = 1e-5  # that the losses of two equal programs are called different at one step


@dataclass(frozen=True)
class Number:
    """How one kind of number of both sides differs after a step.

    error: of the worst tensor, at `path`, greatest difference over scale. distance: of all tensors together, Euclidean,
    over their length. allowed: the greatest error, or with a band distance, that passes. band: the distances of runs
    of torch whose numbers are nudged by one unit in the last place; wide: of those nudged by the band's factor.
    """

    error: float
    path: str
    distance: float
    allowed: float
    band: tuple[float, ...] = ()
    wide: tuple[float, ...] = ()

    def or_worse(self, error: float, path: str) -> "Number":
        """This number, or with another tensor's error if that is greater."""
        return self if error <= self.error else replace(self, error=error, path=path)


@dataclass(frozen=True)
class Step:
    """What is known after step `number`, the first being 1; (torch's, Keras's) rate and loss."""

    number: int
    rate: tuple[float, float]
    loss: tuple[float, float]
    numbers: dict[str, Number]


@dataclass(frozen=True)
class Band:
    """How far float32, or another dtype, may drift apart: by the band that `runs` runs nudged by `factor` units span.

    A nudge moves every weight by one unit in the last place (u), and every layer's output, the gradient that arrives
    there, and the mean that a norm takes, which no weight moves. One framework's rounding moves a sum of n terms by
    sqrt(n / 24) u: after k terms the partial sum is sqrt(k / n) of the whole, and rounding it, evenly within u / 2
    either way, has a variance of u^2 / 12 there; the sum over k is n / 24 (Higham 2002, section 4.2, for random terms;
    pairwise or blocked sums are better). Two frameworks round independently, so their distance is at most that of
    factor = sqrt(n / 12) units, where n, `summed`, is the longest sum that the network takes. It is the nudge that is
    multiplied, not its effect: a ReLU whose input rounds to the other side of zero changes gradients a thousand times
    more than rounding does, and more rounding brings that sooner, which no multiple of an effect foretells. In mixed
    precision sums run in float32 and only what is stored is rounded to bfloat16, a few times a layer: the factor is 1.

    The nudged runs' greatest distance from the plain one, up to the present step, is the band's radius; two runs inside
    it, as the two frameworks', are at most its diameter apart: twice the radius. That is what is allowed.

    A distance of thousands of numbers is about the same in every run; one number's, the loss's, may be near the plain
    run's in all of them by chance. If the runs' are normal with deviation s, and the frameworks' difference with
    sqrt(2) s, it is f times the greatest of n with a probability of at most
    (8 / pi)^(n / 2) Gamma((n + 1) / 2) / sqrt(pi) / f^n; f is what makes that CHANCE.
    """

    runs: int
    factor: float
    summed: int
    rounding: float  # of the dtype: the least radius, also where nudges happen to change nothing

    def allowed(self, radius: float) -> float:
        """The greatest distance that passes."""
        return 2 * max(radius, self.rounding)

    def allowed_of_one(self, radius: float) -> float:
        """The greatest distance of a single number that passes."""
        n = self.runs
        volume = (8 / math.pi) ** (n / 2) * math.gamma((n + 1) / 2) / math.sqrt(math.pi)
        return float(max(2.0, (volume / CHANCE) ** (1 / n))) * max(radius, self.rounding)


@dataclass(frozen=True)
class Run:
    """A lock-step run in one dtype: judged by `LINE`, or by its band if it has one."""

    dtype: str
    steps: tuple[Step, ...]
    band: Band | None = None

    def judged(self, number: Number) -> float:
        return number.error if self.band is None else number.distance

    def faults(self) -> Iterator["Fault"]:
        """Everything that is farther apart than allowed, in the order of being made."""
        for step in self.steps:
            for what, number in step.numbers.items():
                found = self.judged(number)
                if not found <= number.allowed:  # NaN fails
                    yield Fault(self.dtype, step.number, what, number.path, found, number.allowed)

    def worst(self) -> tuple[str, Step, Number]:
        """Where the run came nearest to its bound, or passed it."""
        found = ((what, step, number) for step in self.steps for what, number in step.numbers.items())
        return max(found, key=lambda item: self.judged(item[2]) / item[2].allowed)

    def to_json(self) -> dict[str, Any]:
        band = self.band and vars(self.band)
        pairs = {"loss": [step.loss for step in self.steps], "rate": [step.rate for step in self.steps]}
        sides = {
            name: {"torch": [or_null(t) for t, _ in values], "keras": [or_null(k) for _, k in values]}
            for name, values in pairs.items()
        }
        curves = {what: self._curve(what) for what in (self.steps[0].numbers if self.steps else ())}
        return {"dtype": self.dtype, "line": None if band else LINE, "band": band, "curves": curves, **sides}

    def _curve(self, what: str) -> dict[str, Any]:
        found = [(step.number, step.numbers[what]) for step in self.steps]
        return {
            "steps": [number for number, _ in found],
            "error": [or_null(number.error) for _, number in found],
            "worst": [number.path for _, number in found],
            "distance": [or_null(number.distance) for _, number in found],
            "band": [[or_null(value) for value in number.band] for _, number in found],
            "wide": [[or_null(value) for value in number.wide] for _, number in found],
            "allowed": [or_null(number.allowed) for _, number in found],
        }


@dataclass(frozen=True)
class Fault:
    """The first thing that is farther apart than allowed."""

    dtype: str
    step: int
    what: str
    path: str
    error: float
    allowed: float


@dataclass(frozen=True)
class Match:
    """One rule in which the frameworks agree, were made to agree by a setting, or by a twin."""

    rule: str
    torch: str
    keras: str
    how: str
    why: str


@dataclass(frozen=True)
class TrainingReport:
    """The whole comparison."""

    target: str
    recipe: dict[str, Any]
    input_shape: tuple[int, ...]
    matched: tuple[Match, ...]
    runs: tuple[Run, ...]
    fault: Fault | None = None
    cause: Cause | None = None
    environment: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.fault is None and bool(self.runs) and all(run.steps for run in self.runs)

    def to_json(self) -> dict[str, Any]:
        """See the module's docstring."""
        return {
            "schema": 1,
            "kind": "training",
            "verdict": "match" if self.ok else "mismatch",
            "target": self.target,
            "environment": self.environment,
            "notes": list(notes(self.environment)),
            "recipe": self.recipe,
            "input_shape": list(self.input_shape),
            "matched": [vars(match) for match in self.matched],
            "runs": [run.to_json() for run in self.runs],
            "fault": self.fault and {key: or_null(value) for key, value in vars(self.fault).items()},
            "cause": self.cause and self.cause.to_json(),
        }
