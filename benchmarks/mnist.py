"""examples.mnist_torch and examples.mnist_keras on the digits, three seeds in turns: accuracy, time, processor time.

The bar: at least 97 % test accuracy in every run, within two minutes, and the two frameworks' means no further apart
than two standard errors of their difference, as test images of this number have it.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from math import sqrt
from pathlib import Path
from statistics import mean, median
from typing import Any

from .measure import save

NAMES = ("mnist_torch", "mnist_keras")
SEEDS = (0, 1, 2)
TEST_IMAGES = 360


def train(name: str, seed: int) -> dict[str, float]:
    """Run one example as a user does."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--dataset", "digits", "--seed", str(seed), "--output", folder]
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", f"examples.{name}", *arguments], check=True, stdout=subprocess.DEVNULL)
        seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        accuracy = json.loads(Path(folder, "result.json").read_text())["test_accuracy"]
    return {"seed": seed, "accuracy": accuracy, "seconds": round(seconds, 1), "processor": round(processor, 1)}


def main() -> int:
    """Measure, save and say whether the bar is met."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in NAMES}
    for seed in SEEDS:
        for name in NAMES:
            runs[name].append(train(name, seed))
            print(name, runs[name][-1], flush=True)
    means = {name: mean(run["accuracy"] for run in runs[name]) for name in NAMES}
    missed = 1 - mean(means.values())
    noise = 2 * sqrt(2 * missed * (1 - missed) / (TEST_IMAGES * len(SEEDS)))
    apart = abs(means[NAMES[0]] - means[NAMES[1]])
    medians = {
        key: {name: median(run[key] for run in runs[name]) for name in NAMES} for key in ("seconds", "processor")
    }
    save("mnist", {"runs": runs, "accuracy": means, "apart": apart, "noise": noise, "medians": medians})
    every = [run for found in runs.values() for run in found]
    good = min(run["accuracy"] for run in every) >= 0.97 and max(run["seconds"] for run in every) <= 120
    return 0 if good and apart <= noise else 1


if __name__ == "__main__":
    sys.exit(main())
