"""The README's table of variants: parameters, multiply-adds, the worst layer's difference; from `parity.check --all`.

`python -m benchmarks.variants` runs the checks (half an hour on two cores) and rewrites the table in README.md;
`python -m benchmarks.variants FILE.json` takes the reports of an earlier `parity.check --all --json FILE.json`.
"""

import json
import re
import subprocess
import sys
from math import prod
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TRAINED = ("weight", "bias")
BEGIN, END = "<!-- variants: begin -->", "<!-- variants: end -->"


def main(argv: list[str]) -> int:
    """Make the table and put it into README.md."""
    reports = json.loads(Path(argv[0]).read_text() if argv else _check_all())
    table = "\n".join(rows(reports))
    readme = ROOT / "README.md"
    text = readme.read_text()
    readme.write_text(re.sub(f"{BEGIN}.*{END}", f"{BEGIN}\n{table}\n{END}", text, flags=re.DOTALL))
    print(table)
    return 0 if all(report["verdict"] == "match" for report in reports) else 1


def _check_all() -> str:
    command = [sys.executable, "-m", "parity.check", "--all", "--json", "-"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout


def rows(reports: list[dict[str, Any]]) -> list[str]:
    """Markdown rows. The size is the input's, as each network's paper has it."""
    lines = [
        "| variant | input | parameters | multiply-adds | layers | worst layer, float64 | worst layer, float32 |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for report in reports:
        layers = report["layers"]
        size = "x".join(map(str, report["environment"]["input_shape"]))
        worst = max(layer["structure"]["inherited"] for layer in layers)
        low = max(layer["arithmetic"]["difference"] for layer in layers)
        counts = f"{parameters(layers):,} | {multiply_adds(layers) / 1e9:.3f} G | {len(layers)}"
        lines.append(f"| `{report['target']}` | {size} | {counts} | {worst:.1e} | {low:.1e} |")
    return lines


def parameters(layers: list[dict[str, Any]]) -> int:
    """What is trained: weights and biases, scales and shifts."""
    return sum(prod(shape) for layer in layers for name, shape in layer["weights"].items() if name in TRAINED)


def multiply_adds(layers: list[dict[str, Any]]) -> int:
    """Of one image: each output pixel of a convolution takes one multiply-add for every number of its kernel."""
    counted = (layer for layer in layers if layer["kind"] in ("conv", "dense"))
    return sum(prod(layer["weights"]["weight"]) * prod(layer["shape"][2:]) for layer in counted)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
