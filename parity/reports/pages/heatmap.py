"""Where in a tensor the error sits: a small map as data -> the squares of a picture and a sentence. Pure."""

import math
from dataclasses import dataclass
from statistics import mean
from typing import Any

from parity.verdict.difference import STRUCTURE_LINE

LEVELS = 6  # steps of colour for what does not pass


@dataclass(frozen=True)
class Heatmap:
    """`cells` and `channels` are SVG paths by level, 0 for what passes; sizes are in squares. `text` is it in words."""

    width: int
    height: int
    cells: dict[int, str]
    channels: dict[int, str]
    channel_count: int
    text: str
    greatest: float | None


def heatmap(data: dict[str, Any]) -> Heatmap:
    """`data` as parity/causes/where.py makes it."""
    cells, channels = data["cells"], data["channels"]
    known = [value for row in [*cells, channels] for value in row if value is not None]
    greatest = max(known, default=0.0)
    return Heatmap(
        len(cells[0]),
        len(cells),
        _paths(cells, greatest),
        _paths([channels], greatest),
        len(channels),
        _text(data),
        greatest,
    )


def _paths(rows: list[list[float | None]], greatest: float) -> dict[int, str]:
    found: dict[int, str] = {}
    for y, row in enumerate(rows):
        for x, value in enumerate(row):
            level = _level(value, greatest)
            found[level] = found.get(level, "") + f"M{x} {y}h1v1h-1z"
    return dict(sorted(found.items()))


def _level(value: float | None, greatest: float) -> int:
    """0 for what passes, then up to LEVELS in proportion to the greatest error; what is not finite is the gravest."""
    if value is None:
        return LEVELS
    return 0 if value <= STRUCTURE_LINE else max(1, math.ceil(LEVELS * value / greatest))


def _text(data: dict[str, Any]) -> str:
    wrong = [[value is None or value > STRUCTURE_LINE for value in row] for row in data["cells"]]
    count, total = sum(map(sum, wrong)), len(wrong) * len(wrong[0])
    channels = [value is None or value > STRUCTURE_LINE for value in data["channels"]]
    height, width = data["size"]
    names = "rows", "columns"
    if count == total:
        where = f"everywhere in the image{_strongest(data['cells'])}" if total > 1 else "in the output"
    else:
        hit = [[i for i, line in enumerate(lines) if all(line)] for lines in (wrong, list(zip(*wrong, strict=True)))]
        covered = sum(y in hit[0] or x in hit[1] for y, row in enumerate(wrong) for x, bad in enumerate(row) if bad)
        borders = [
            _border(found, size, name)
            for found, size, name in zip(hit, (len(wrong), len(wrong[0])), names, strict=True)
        ]
        said = " and ".join(border for border in borders if border)
        where = f"{said} alone" if said and covered == count else f"at {count} of {total} places"
    share = "all channels" if all(channels) else f"{sum(channels)} of {len(channels)}"
    grouped = data["channel_count"] > len(channels)
    kind = " groups of channels" if grouped and not all(channels) else "" if all(channels) else " channels"
    scale = f" The map joins {height} by {width} places." if (height, width) != (len(wrong), len(wrong[0])) else ""
    return f"The error sits {where}, in {share}{kind}.{scale}"


def _strongest(cells: list[list[float | None]]) -> str:
    """The edges where the error is half as great again as inside, if any."""
    if min(len(cells), len(cells[0])) < 5 or any(None in row for row in cells):
        return ""
    rows = [[value or 0.0 for value in row] for row in cells]
    inside = mean(value for row in rows[1:-1] for value in row[1:-1])
    columns = list(zip(*rows, strict=True))
    edges = {"top": rows[0], "bottom": rows[-1], "left": columns[0], "right": columns[-1]}
    strong = [name for name, values in edges.items() if mean(values) > 1.5 * inside]
    if len(strong) == len(edges):
        return ", most at its edges"
    return f", most at the {_listed(strong)} edge" if strong else ""


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _border(found: list[int], size: int, name: str) -> str:
    if not found:
        return ""
    first, last = ("top", "bottom") if name == "rows" else ("left", "right")
    if found == [size - 1]:
        return f"in the {last} {name[:-1]}"
    if found == [0]:
        return f"in the {first} {name[:-1]}"
    if found == [0, size - 1]:
        return f"in the {first} and {last} {name}"
    return f"in {name} {', '.join(map(str, found[:6]))}" + (" and more" if len(found) > 6 else "")
