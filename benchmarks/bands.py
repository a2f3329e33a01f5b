"""Lock-step training in float32 and mixed bfloat16 without a fault: does the band of nudged runs ever cry wolf?

`python -m benchmarks.bands [SEEDS]` trains a variant both ways by some rows of `training.RECIPES`, from SEEDS weights
and batches each (4 if not given), and counts the runs that were called different. The frameworks' distance as a share
of what the band allows tells how near any came.
"""

import sys
from dataclasses import replace
from statistics import median
from typing import Any

from parity.checks.training.run import TrainingOptions, compare_training, small
from parity.models.targets import named
from parity.runners.remote import RemoteRunner, both_frameworks

from .measure import save
from .training import recipe_of

VARIANT = "cifar_resnet20"
NAMES = ("Nesterov, decoupled decay, warm-up, cosine", "AdamW, kernels alone, plateau", "RMSprop", "Adadelta")
DTYPES = ("float32", "mixed_bfloat16")
SEEDS = 4


def row(name: str, dtype: str, seeds: int, processes: tuple[RemoteRunner, RemoteRunner]) -> dict[str, Any]:
    """The figures of one recipe in one dtype."""
    options, target = TrainingOptions(dtype), small(named(VARIANT))
    shares: list[float] = []
    alarms: list[str] = []
    for seed in range(seeds):
        recipe = replace(recipe_of(VARIANT, name), seed=seed)
        report = compare_training(target, *processes, recipe, options, lambda text, done, total: None)
        _, _, number = report.runs[-1].worst()
        shares.append(number.distance / number.allowed)
        if not report.ok:
            alarms.append(f"seed {seed}: {report.fault}")
    return {
        "variant": VARIANT,
        "recipe": name,
        "dtype": dtype,
        "seeds": seeds,
        "false_alarms": alarms,
        "share_of_allowed": {"median": round(median(shares), 3), "greatest": round(max(shares), 3)},
    }


def main(arguments: list[str]) -> int:
    """Train all, save the figures, and return 1 if any run was called different."""
    seeds = int(arguments[0]) if arguments else SEEDS
    rows = []
    with both_frameworks() as processes:
        for dtype in DTYPES:
            for name in NAMES:
                rows.append(row(name, dtype, seeds, processes))
                print(rows[-1], file=sys.stderr, flush=True)
    save("bands", {"runs": rows})
    return 1 if any(found["false_alarms"] for found in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
