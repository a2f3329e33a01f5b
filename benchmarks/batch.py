"""A large batch: `parity.check resnet50 --batch-size 64` beside the two plain forward passes, and a smaller batch.

The bars: at most 1.25 times the memory of the plain script at the same batch, all processes together, and a time that
grows no faster than the batch.
"""

import sys

from .measure import medians, run, save

LARGE, SMALL = 64, 16
REPEATS = 1  # minutes each; the memory of a run differs by some per cent from the next


def main() -> int:
    """Measure, save and say whether the bars are met."""
    commands = {
        "plain": ["-m", "benchmarks.plain_forward", str(LARGE)],
        "check": ["-m", "parity.check", "resnet50", "--batch-size", str(LARGE)],
        "check_small": ["-m", "parity.check", "resnet50", "--batch-size", str(SMALL)],
    }
    runs = {name: [run(arguments) for _ in range(REPEATS)] for name, arguments in commands.items()}
    found = {name: medians(each) for name, each in runs.items()}
    ratios = {
        "peak_mib": round(found["check"]["peak_mib"] / found["plain"]["peak_mib"], 3),
        "seconds_growth": round(found["check"]["seconds"] / found["check_small"]["seconds"], 3),
        "batch_growth": LARGE / SMALL,
    }
    save("batch", {"repeats": REPEATS, "batches": [LARGE, SMALL], **found, "ratios": ratios})
    return 0 if ratios["peak_mib"] <= 1.25 and ratios["seconds_growth"] <= ratios["batch_growth"] else 1


if __name__ == "__main__":
    sys.exit(main())
