"""`python -m parity.check TARGET --steps N`: the check, then training in lock-step, in one document."""

import argparse
from collections.abc import Callable
from typing import Any

from parity.command import MATCH, MISMATCH, name_map_of, print_to_terminal, progress_bar, write
from parity.targets import Target

from .recipe import RecipeError, made

DTYPES = {"float64": "float64", "float32": "float32", "bfloat16": "mixed_bfloat16"}


def check_and_train(target: Target, check: Callable[[], Any], arguments: argparse.Namespace) -> int:
    """Check, train for `arguments.steps` steps with SGD and momentum, write and print both; the exit code.

    The document is the check's with the training's under "training", and its verdict is a match if both are.
    Raises ParityError where either cannot be done.
    """
    from parity.train import train

    from .report import print_report

    if arguments.dtype not in DTYPES:
        raise RecipeError(
            f"--steps trains in one of {', '.join(DTYPES)}, and --dtype is {arguments.dtype}, with its loss scaled; "
            "choose one of these"
        )
    recipe = made("momentum", steps=arguments.steps, batch_size=arguments.batch_size, seed=arguments.seed)
    report = check()
    name_map = name_map_of(arguments.map)
    with progress_bar(arguments) as progress:
        dtype = DTYPES[arguments.dtype]
        training = train(target, recipe, dtype, arguments.weights, name_map=name_map, progress=progress)
    ok = report.ok and training.ok
    document = report.to_json() | {"training": training.to_json()}
    write(arguments, document | {"verdict": "match" if ok else "mismatch"})
    if arguments.json != "-":
        from rich.console import Console

        print_to_terminal(report, arguments)
        print_report(training, Console(soft_wrap=True), arguments.quiet)
    return MATCH if ok else MISMATCH
