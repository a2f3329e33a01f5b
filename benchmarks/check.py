"""`parity.check resnet50` against a plain script that only runs each network once: time and memory.

The bar: no slower than the script, and at most 1.3 times its memory, all processes together.
"""

import sys

from .measure import medians, save, side_by_side

REPEATS = 5


def main() -> int:
    """Measure, save and say whether the bar is met."""
    commands = {"plain": ["-m", "benchmarks.plain_forward"], "check": ["-m", "parity.check", "resnet50"]}
    found = {name: medians(runs) for name, runs in side_by_side(commands, REPEATS).items()}
    ratios = {key: round(found["check"][key] / found["plain"][key], 3) for key in ("seconds", "peak_mib")}
    save("check", {"repeats": REPEATS, **found, "ratios": ratios})
    return 0 if ratios["seconds"] <= 1 and ratios["peak_mib"] <= 1.3 else 1


if __name__ == "__main__":
    sys.exit(main())
