"""Time and memory of whole commands, and the file that the figures are kept in."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from parity.frameworks.machine import processor

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "tensorflow", "keras", "numpy")
SETTINGS = """
import json
import torch
from parity.frameworks.machine import torch_settings
from parity.frameworks.keras.side import keras_settings
print(json.dumps({"torch": torch_settings(torch), "keras": keras_settings()}))
"""


@dataclass(frozen=True)
class Run:
    """One run of a command: wall seconds, and the peak of all its processes' memory together, in bytes.

    Memory is the proportional set size: a page that two processes share counts half for each, so sums are true.
    """

    seconds: float
    peak: int


def run(arguments: list[str], exits: Sequence[int] = (0,)) -> Run:
    """Run `python arguments` twice: once to take the time, once to watch the memory, which takes time itself.

    Raises CalledProcessError if it ends with none of these exit codes.
    """
    start = time.perf_counter()
    process = _start(arguments)
    _raise_unless_done(process, exits)
    seconds = time.perf_counter() - start
    process = _start(arguments)
    watched = psutil.Process(process.pid)
    peak = 0
    while process.poll() is None:
        peak = max(peak, _tree_memory(watched))
        time.sleep(0.05)
    _raise_unless_done(process, exits)
    return Run(seconds, peak)


def _start(arguments: list[str]) -> subprocess.Popen[bytes]:
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    output = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, *arguments], stdout=output, stderr=output, env=environment)


def _raise_unless_done(process: subprocess.Popen[bytes], exits: Sequence[int]) -> None:
    if process.wait() not in exits:
        raise subprocess.CalledProcessError(process.returncode, process.args)


def _tree_memory(process: psutil.Process) -> int:
    total = 0
    try:
        for member in (process, *process.children(recursive=True)):
            total += member.memory_full_info().pss
    except psutil.Error:  # it has just ended
        return 0
    return total


def side_by_side(commands: dict[str, list[str]], repeats: int, exits: Sequence[int] = (0,)) -> dict[str, list[Run]]:
    """Run the commands in turns, so that a busy moment of the machine meets all of them."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(repeats):
        for name, arguments in commands.items():
            runs[name].append(run(arguments, exits))
    return runs


def medians(runs: list[Run]) -> dict[str, float]:
    """Median seconds and median peak mebibytes."""
    return {
        "seconds": round(median(run.seconds for run in runs), 2),
        "peak_mib": round(median(run.peak for run in runs) / 2**20),
    }


Rows = list[dict[str, Any]]


def merged(name: str, field: str, rows: Rows, columns: tuple[str, ...], order: Sequence[tuple[str, ...]]) -> Rows:
    """These rows, and of those kept in benchmarks/results/NAME.json under `field` the others.

    columns: which tell a row from the others; order: what they hold, row by row.
    """
    path = RESULTS / f"{name}.json"
    kept = json.loads(path.read_text())[field] if path.exists() else []
    found = {tuple(row.get(column) for column in columns): row for row in (*kept, *rows)}
    return [found[key] for key in order if key in found]


def settings() -> dict[str, Any]:
    """Threads, oneDNN and 64-bit types of both frameworks in a process as the user's, whatever this one has loaded."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", SETTINGS]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def save(name: str, figures: dict[str, Any]) -> None:
    """Write the figures with the versions, the machine and its settings to benchmarks/results/NAME.json."""
    machine = {"cores": os.cpu_count(), "memory_gib": round(psutil.virtual_memory().total / 2**30)} | processor()
    versions = {package: version(package) for package in PACKAGES} | {"python": platform.python_version()}
    document = {"command": f"python -m benchmarks.{name}", "machine": machine, "versions": versions}
    document |= {"settings": settings(), **figures}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document, indent=1))
