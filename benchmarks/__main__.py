"""Run every benchmark, one after another; each writes its figures to benchmarks/results/."""

import runpy
import sys
from pathlib import Path

NOT_BENCHMARKS = {"__init__", "__main__", "measure", "pictures", "plain_forward", "planted", "steps", "variants"}

for path in sorted(Path(__file__).parent.glob("*.py")):
    if path.stem not in NOT_BENCHMARKS:
        print(f"== {path.stem}", flush=True)
        try:
            runpy.run_module(f"benchmarks.{path.stem}", run_name="__main__")
        except SystemExit as end:
            print(f"{path.stem}: {'bar met' if not end.code else 'bar NOT met'}", file=sys.stderr)
