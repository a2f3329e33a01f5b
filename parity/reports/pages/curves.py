"""Numbers over training steps -> the coordinates of a small picture, linear or logarithmic. Pure.

As in plot.py the box of WIDTH by HEIGHT stretches with the page and all text is HTML, placed in percent.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .render import size

WIDTH, HEIGHT = 1000, 400
Values = Sequence[float | None]


@dataclass(frozen=True)
class Curve:
    """One line: its style and its SVG path, broken where a value is missing."""

    name: str
    path: str


@dataclass(frozen=True)
class Tick:
    """A label beside the axis, `top` in percent from above."""

    label: str
    top: float


@dataclass(frozen=True)
class Curves:
    """A picture. `band` is the path of an area, "" for none; `text` says all in words."""

    what: str
    curves: tuple[Curve, ...]
    band: str
    ticks: tuple[Tick, ...]
    first: int
    last: int
    text: str


@dataclass(frozen=True)
class _Axis:
    """Steps to the right, values upward; on a logarithmic axis what is 0 lies on the floor."""

    steps: Sequence[int]
    low: float
    high: float
    log: bool

    def point(self, i: int, value: float) -> str:
        span = max(self.steps[-1] - self.steps[0], 1)
        x = WIDTH * (self.steps[i] - self.steps[0]) / span if len(self.steps) > 1 else WIDTH / 2
        return f"{round(x, 1)} {self.y(value)}"

    def y(self, value: float) -> float:
        place = (math.log10(value) if value > 0 else -math.inf) if self.log else value
        share = (min(max(place, self.low), self.high) - self.low) / (self.high - self.low)
        return round(HEIGHT * (0.97 - 0.94 * share), 1)

    def ticks(self) -> tuple[Tick, ...]:
        if self.log:
            every = max(1, math.ceil((self.high - self.low) / 5))
            marks = {10.0**power: f"1e{power}" for power in range(math.ceil(self.low), int(self.high) + 1, every)}
        else:
            marks = {value: f"{value:.3g}" for value in (self.low, (self.low + self.high) / 2, self.high)}
        return tuple(Tick(label, round(100 * self.y(value) / HEIGHT, 2)) for value, label in marks.items())


def curves(what: str, steps: Sequence[int], lines: dict[str, Values], band: Sequence[Values], log: bool) -> Curves:
    """The picture of named lines, in order, over a band: for each step the values that span it."""
    known = [value for values in (*lines.values(), *band) for value in values if value is not None]
    axis = _axis(steps, [value for value in known if value > 0] if log else known, log)
    spans = [[value for value in values if value is not None] for values in band]
    area = ""
    if spans and all(spans):
        upper = [axis.point(i, max(values)) for i, values in enumerate(spans)]
        lower = [axis.point(i, min(values)) for i, values in enumerate(spans)]
        area = f"M{'L'.join([*upper, *reversed(lower)])}Z"
    shown = tuple(Curve(name, _path(axis, values)) for name, values in lines.items())
    return Curves(
        what, shown, area, axis.ticks(), steps[0], steps[-1], _text(what, lines, band, size if log else _plain)
    )


def _axis(steps: Sequence[int], known: Sequence[float], log: bool) -> _Axis:
    if log:
        low, high = (math.log10(f(known)) for f in (min, max)) if known else (-16.0, 0.0)
        low, high = math.floor(low), max(math.ceil(high), math.floor(low) + 1)
    else:
        low, high = (min(known), max(known)) if known else (0.0, 1.0)
        high = high if high > low else low + 1.0
    return _Axis(steps, low, high, log)


def _path(axis: _Axis, values: Values) -> str:
    parts, drawing = [], False
    for i, value in enumerate(values):
        if value is not None:
            parts.append(f"{'L' if drawing else 'M'}{axis.point(i, value)}")
        drawing = value is not None
    return "".join(parts) + ("h0" if len(parts) == 1 else "")


def _plain(value: float) -> str:
    return f"{value:.4g}"


def _text(what: str, lines: dict[str, Values], band: Sequence[Values], write: Callable[[float], str]) -> str:
    parts = []
    for name, values in lines.items():
        known = [value for value in values if value is not None]
        if known:
            parts.append(f"{NAMES.get(name, name)} from {write(known[0])} to {write(known[-1])}")
        if len(known) < len(values):
            parts.append(f"{NAMES.get(name, name)} not finite in {len(values) - len(known)} steps")
    last = [value for value in (band[-1] if band else ()) if value is not None]
    if last:
        parts.append(f"nudged runs at {size(min(last))} to {size(max(last))} in the last step")
    return f"{what}: {'; '.join(parts)}."


NAMES = {"torch": "PyTorch", "keras": "Keras", "found": "difference", "allowed": "allowed"}
