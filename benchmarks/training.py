"""Lock-step training of whole variants: every optimizer, decay and schedule, 20 steps, in float64.

`python -m benchmarks.training [--only TEXT]` trains each variant both ways by every row of RECIPES and keeps the
greatest difference of any tensor at any step, as a share of its scale: the line is 1e-9. `--only` takes the runs whose
name contains the text, and leaves the others' figures as they are.
"""

import argparse
import sys
from typing import Any

from parity.checks.training.run import TrainingOptions, compare_training, small
from parity.models.recipe import Recipe, made
from parity.models.targets import named
from parity.runners.remote import RemoteRunner, both_frameworks
from parity.verdict.training import LINE

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
# Given where the usual settings let rounding grow past the line within 20 steps. Adam multiplies the rounding of a
# gradient far below epsilon by rate / epsilon, 100,000 at the usual 1e-8: a greater epsilon multiplies less. Every step
# multiplies the distance of two runs by rate times the loss's curvature: of a bottleneck network on eight images that
# is 25 at the usual rate of 0.01, so it takes smaller steps.
Settings = dict[str, dict[str, float]]
SMOOTHED: Settings = {name: {"epsilon": 1e-5} for name in ("adam", "adamw", "rmsprop", "adagrad", "adadelta")}
SLOWED: Settings = {
    **{name: {"lr": 1e-5} for name in ("sgd", "momentum", "nesterov")},
    **{name: {"lr": 1e-4, "epsilon": 1e-5} for name in ("adam", "adamw", "adagrad")},
    "rmsprop": {"lr": 1e-5, "epsilon": 1e-5},
    "adadelta": {"lr": 1e-4, "epsilon": 1e-2},
}
CALMER = {"resnet18": SMOOTHED, "resnet18_d2l": SMOOTHED, "resnet50": SLOWED, "resnext50_32x4d": SLOWED}


def recipe_of(variant: str, name: str) -> Recipe:
    """How one variant is trained in one row."""
    optimizer, given = RECIPES[name]
    return made(optimizer, steps=STEPS, **given, **CALMER.get(variant, {}).get(optimizer, {}))


def row(variant: str, name: str, processes: tuple[RemoteRunner, RemoteRunner]) -> dict[str, Any]:
    """The figures of one run."""
    options, target = TrainingOptions("float64"), small(named(variant))
    recipe = recipe_of(variant, name)
    report = compare_training(target, *processes, recipe, options, lambda text, done, total: None)
    run = report.runs[0]
    errors = [(number.error, what, number.path) for step in run.steps for what, number in step.numbers.items()]
    error, what, path = max(errors)
    return {
        "variant": variant,
        "recipe": name,
        "rate": recipe.lr,
        "epsilon": recipe.epsilon,
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
    order = [(variant, name) for variant in VARIANTS for name in RECIPES]
    runs = merged("training", "runs", rows, ("variant", "recipe"), order)
    save("training", {"dtype": "float64", "line": LINE, "runs": runs})
    return 0 if rows and all(found["match"] for found in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
