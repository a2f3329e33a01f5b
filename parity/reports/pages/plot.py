"""Errors per layer on a logarithmic scale -> the coordinates of a picture. Pure.

The picture stretches with the page, so lines are SVG paths in a box of WIDTH by HEIGHT and all text is HTML, placed in
percent.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from parity.verdict.difference import ROUNDING, STRUCTURE_LINE

from .render import size

WIDTH, HEIGHT = 1000, 400
LOW, HIGH = -17.6, 1.4  # decades shown; an exact 0 lies on the floor, what is not finite at the top
FLOOR, CEILING = -17.2, 0.9


@dataclass(frozen=True)
class Series:
    """One curve: `line` joins the layers, `dots` marks each."""

    name: str
    label: str
    line: str
    dots: str


@dataclass(frozen=True)
class Mark:
    """A horizontal line at `value` with its label; `top` in percent from above."""

    name: str
    label: str
    top: float


@dataclass(frozen=True)
class Band:
    """A stretch of layers below one name, in percent."""

    name: str
    left: float
    width: float
    place: str  # "first", "last" or ""


@dataclass(frozen=True)
class Plot:
    """Everything the template draws. `failures` are dots; `first` is the first failure's place in percent, if any."""

    series: tuple[Series, ...]
    ticks: tuple[Mark, ...]
    marks: tuple[Mark, ...]
    bands: tuple[Band, ...]
    failures: str
    first: float | None
    count: int


def error_plot(
    numbers: Sequence[dict[str, float | None]],
    failed: Sequence[int],
    first: int | None,
    stages: Sequence[tuple[str, int, int]],
    dtype: str,
    missing: str,
) -> Plot:
    """The picture of a list of layers' four numbers. `failed` and `first` are places in that list.

    missing: what stands beside the top, where numbers that are not finite lie.
    """
    count = len(numbers)
    labels = {
        "torch": f"PyTorch's {dtype} rounding",
        "keras": f"Keras's {dtype} rounding",
        "inherited": "structure, inherited (float64)",
        "added": "structure, added by the layer",
    }
    shown = {name: label for name, label in labels.items() if dtype != "float64" or name in ("inherited", "added")}
    series = tuple(_series(name, label, [entry.get(name) for entry in numbers]) for name, label in shown.items())
    floors = {"float64": ROUNDING["float64"], dtype: ROUNDING[dtype]}
    marks = [Mark("floor", f"{name} rounds at {size(value)}", _top(value)) for name, value in floors.items()]
    marks.append(Mark("allowed", f"structure passes up to {STRUCTURE_LINE:.0e}", _top(STRUCTURE_LINE)))
    ticks = {10.0**power: f"1e{power}" if power else "1" for power in range(-16, 1, 4)}
    shown_ticks = [Mark("tick", label, _top(value)) for value, label in ticks.items()]
    shown_ticks.append(Mark("tick", "0", _top(0)))
    if any(None in entry.values() for entry in numbers):
        shown_ticks.append(Mark("tick", missing, _top(None)))
    height = [_y(None if None in numbers[i].values() else max(n or 0.0 for n in numbers[i].values())) for i in failed]
    return Plot(
        series,
        tuple(shown_ticks),
        tuple(marks),
        tuple(_band(stage, count) for stage in stages),
        "".join(f"M{_x(i, count)} {y}h0" for i, y in zip(failed, height, strict=True)),
        None if first is None else round(100 * _x(first, count) / WIDTH, 2),
        count,
    )


def _series(name: str, label: str, values: list[float | None]) -> Series:
    points = [(_x(i, len(values)), _y(value)) for i, value in enumerate(values)]
    line = "M" + "L".join(f"{x} {y}" for x, y in points) if points else ""
    return Series(name, label, line, "".join(f"M{x} {y}h0" for x, y in points))


def _x(i: int, count: int) -> float:
    return round(WIDTH * (i + 0.5) / count, 1)


def _y(value: float | None) -> float:
    power = CEILING if value is None else FLOOR if value <= 0 else min(max(math.log10(value), FLOOR), CEILING)
    return round(HEIGHT * (HIGH - power) / (HIGH - LOW), 1)


def _top(value: float | None) -> float:
    return round(100 * _y(value) / HEIGHT, 2)


def _band(stage: tuple[str, int, int], count: int) -> Band:
    name, first, last = stage
    place = "first" if first == 0 else "last" if last == count - 1 else ""
    return Band(name, round(100 * first / count, 2), round(100 * (last - first + 1) / count, 2), place)
