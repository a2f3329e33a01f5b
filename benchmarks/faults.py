"""Faults planted on small networks that are not ours, on either side, alone and in pairs: caught, its layer, its cause?

`python -m benchmarks.faults [--only REGEX] [--each N] [--pairs N] [--seed N] [--jobs N] [--list]` plants every row of
`planted.py` at places of `networks/`, and of `reported.py`, after what public reports say of ports, in `ported/`. It
writes to benchmarks/results/faults.json how many were caught, of how many the first layer was right, of how many the
cause, how many accuse no other layer, and how many were mended: edited as the report says, until both models match.
`--only` is searched for in "network.side.row.layer", as `--list` shows them; with it or `--each` nothing is written.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

CHUNK = 40  # faults in one process: TensorFlow keeps what it has compiled for each
RIGHT = ("caught", "first", "cause", "others", "mended")
GOALS = {"caught": 1.0, "first": 0.99, "cause": 0.95, "mended": 0.8}
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def main(argv: list[str]) -> int:
    """Plant, save the figures, and return 1 if a goal is missed."""
    asked = _parser().parse_args(argv)
    from . import planted, reported

    every = [[place] for place in (*planted.places(), *reported.places())]
    faults = [fault for fault in every if re.search(asked.only, fault[0])]
    draw = random.Random(asked.seed)
    if asked.each:
        faults = _some(faults, asked.each, draw)
    if asked.list:
        print(*(" + ".join(fault) for fault in faults), sep="\n")
        return 0
    faults += _pairs(planted.places(), asked.pairs, draw)
    chunks = [faults[i : i + CHUNK] for i in range(0, len(faults), CHUNK)]
    with ThreadPoolExecutor(asked.jobs) as pool:
        rows = [row for part in pool.map(_run, chunks) for row in part]
    kinds: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        own = "reported" if row["faults"][0].startswith("reported.") else "alone"
        kinds.setdefault(own if len(row["faults"]) == 1 else "pairs", []).append(row)
    figures = {kind: _figures(found) for kind, found in kinds.items()}
    missed = [row for row in rows if not all(row[name] for name in RIGHT)]
    if asked.only or asked.each:
        print(json.dumps(figures, indent=1))
        return 0
    from .measure import save

    save("faults", figures | {"missed": missed})
    return int(any(found[name] < goal for found in figures.values() for name, goal in GOALS.items()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="a regex of faults")
    parser.add_argument("--each", type=int, default=0, help="of each row and side, so many places at random")
    parser.add_argument("--pairs", type=int, default=0, help="and so many pairs of faults of one network")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--list", action="store_true", help="only list them")
    return parser


def _some(faults: list[list[str]], count: int, draw: random.Random) -> list[list[str]]:
    """So many places of each row, on each side."""
    rows: dict[tuple[str, ...], list[list[str]]] = {}
    for fault in faults:
        rows.setdefault(tuple(fault[0].split(".")[1:3]), []).append(fault)
    return [fault for found in rows.values() for fault in draw.sample(found, min(count, len(found)))]


def _pairs(every: list[str], count: int, draw: random.Random) -> list[list[str]]:
    """Two faults of one network, on either side, at two layers."""
    found: list[list[str]] = []
    while len(found) < count:
        one, other = draw.sample(every, 2)
        if one.split(".")[0] == other.split(".")[0] and one.split(".")[3] != other.split(".")[3]:
            found.append([one, other])
    return found


def _run(faults: list[list[str]]) -> list[dict[str, Any]]:
    """What a check says of each, from a process of its own, on one thread: they are small."""
    settings = os.environ | dict.fromkeys(THREADS, "1") | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "benchmarks.planting", json.dumps(faults)]
    process = subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    rows = []
    for line in process.stdout:
        row = json.loads(line)
        rows.append(row)
        wrong = [name for name in RIGHT if not row[name]]
        mark = "BAD" if wrong else "   "
        print(f"{mark} {' + '.join(row['faults'])}: {row['told']} [not {' '.join(wrong)}]", flush=True)
        if "edits" in row:
            print(f"        edits {row['edits']}; refused {row['refused']}", flush=True)
    process.wait()
    return rows


def _figures(rows: list[dict[str, Any]]) -> dict[str, Any]:
    share = {name: round(sum(row[name] for row in rows) / max(1, len(rows)), 4) for name in RIGHT}
    by_row: dict[str, list[bool]] = {}
    for row in rows:
        for fault in row["faults"]:
            by_row.setdefault(fault.split(".")[2], []).append(row["cause"])
    return (
        {"count": len(rows)} | share | {"by_row": {name: f"{sum(ok)}/{len(ok)}" for name, ok in sorted(by_row.items())}}
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
