"""Lock-step training of whole variants: every optimizer, decay and schedule, 20 steps, in float64.

`python -m benchmarks.training [--only TEXT]` trains each variant both ways by every row of RECIPES and keeps the
greatest difference of any tensor at any step, as a share of its scale: the line is 1e-9. `--only` takes the runs whose
name contains the text, and leaves the others' figures as they are.
"""

import argparse
import sys
from typing import Any

from parity.targets import named
from parity.train import small
from parity.training.process import TrainingProcess, both_frameworks
from parity.training.recipe import Recipe, made
from parity.training.result import LINE
from parity.training.run import Options, compare_training

from .measure import merged, save

VARIANTS = ("cifar_resnet20", "resnet18_d2l", "resnet18", "resnet50", "resnext50_32x4d")
STEPS = 20
RECIPES: dict[str, tuple[str, dict[str, Any]]] = {
    "SGD, step": ("sgd", dict(schedule="step")),
    "momentum": ("momentum", {}),
    "momentum, coupled decay, exponential": ("momentum", dict(weight_decay=1e-4, schedule="exponential")),
    "Nesterov, decoupled decay, warm-up, cosine": (
        "nesterov",
        dict(weight_decay=1e-4, decay="decoupled", warmup=5, schedule="cosine"),
    ),
    "Adam": ("adam", {}),
    "Adam, coupled decay, cyclic": ("adam", dict(weight_decay=1e-4, schedule="cyclic")),
    "AdamW, kernels alone, plateau": ("adamw", dict(decay_on="kernels", schedule="plateau", threshold=1.0)),
    "RMSprop": ("rmsprop", {}),
    "Adagrad": ("adagrad", {}),
    "Adadelta": ("adadelta", {}),
}
# On eight small images of one channel some gradients here are far below the usual epsilon, 1e-8: Adam multiplies their
# rounding by rate / epsilon, 100,000, which passes the line within three steps. A greater epsilon multiplies less.
EPSILON = {"resnet18_d2l": 1e-5}


def recipe_of(variant: str, name: str) -> Recipe:
    """How one variant is trained in one row."""
    optimizer, given = RECIPES[name]
    epsilon = EPSILON.get(variant) if made(optimizer).epsilon else None
    return made(optimizer, steps=STEPS, **given, epsilon=epsilon)


def title(variant: str, name: str) -> str:
    """The row's name, with an epsilon that is not the usual one."""
    epsilon = recipe_of(variant, name).epsilon
    return f"{name}, epsilon {epsilon:g}" if variant in EPSILON and epsilon else name


def row(variant: str, name: str, processes: tuple[TrainingProcess, TrainingProcess]) -> dict[str, Any]:
    """The figures of one run."""
    options, target = Options("float64"), small(named(variant))
    recipe = recipe_of(variant, name)
    report = compare_training(target, *processes, recipe, options, lambda text, done, total: None)
    run = report.runs[0]
    errors = [(number.error, what, number.path) for step in run.steps for what, number in step.numbers.items()]
    error, what, path = max(errors)
    return {
        "variant": variant,
        "recipe": title(variant, name),
        "match": report.ok,
        "steps": len(run.steps),
        "greatest_difference": float(f"{error:.3g}"),
        "of": f"{what} {path}".strip(),
        "loss_first_and_last": [round(run.steps[0].loss[0], 4), round(run.steps[-1].loss[0], 4)],
        "judged_by": "the line" if run.band is None else "the band of runs nudged by one unit",
    }


def main(arguments: list[str] | None = None) -> int:
    """Train all, save the figures, and return 1 if any two runs parted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--only", default="", help="only runs whose name contains this")
    only = parser.parse_args(arguments).only
    rows = []
    for variant in VARIANTS:
        names = [name for name in RECIPES if only in f"{variant}: {name}"]
        if not names:
            continue
        with both_frameworks() as processes:
            for name in names:
                rows.append(row(variant, name, processes))
                print(rows[-1], file=sys.stderr, flush=True)
    order = [(variant, title(variant, name)) for variant in VARIANTS for name in RECIPES]
    runs = merged("training", "runs", rows, ("variant", "recipe"), order)
    save("training", {"dtype": "float64", "line": LINE, "runs": runs})
    return 0 if rows and all(found["match"] for found in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
