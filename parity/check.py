"""`python -m parity.check TARGET`: prove that a model computes the same in PyTorch and Keras, or say where it does not.

Exit code 0: match. 1: mismatch. 2: could not be compared, for the reason printed on stderr.
"""

import argparse
import shlex
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from .cli import (
    ERROR,
    MATCH,
    MISMATCH,
    add_copy,
    add_loss,
    add_only,
    add_output,
    add_target,
    chosen_target,
    copy_of,
    deliver,
    error_document,
    guarded,
    name_map_of,
    positive,
    print_to_terminal,
    progress_bar,
    stdout,
    target_name,
    tell,
    write_error,
)
from .errors import TargetError
from .models.recipe import RecipeError, asked_loss, made
from .models.targets import Target
from .reports import outputs

if TYPE_CHECKING:
    from .checks.report import Report


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog="python -m parity.check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_target(result)
    result.add_argument("--all", action="store_true", help="check every named variant")
    result.add_argument("--list", action="store_true", help="print the named variants")
    result.add_argument(
        "--gradients", action="store_true", help="compare a training step too: loss, all gradients, running statistics"
    )
    add_loss(result.add_argument_group("the loss of --gradients (default: the outputs' sum, randomly weighted)"))
    result.add_argument(
        "--devices",
        metavar="LIST",
        type=_devices,
        default=("cpu",),
        help="cpu, cuda, mps: compare both frameworks on each, and say which a difference belongs to",
    )
    result.add_argument(
        "--shapes",
        metavar="LIST",
        type=_shapes,
        default=(),
        help="other sizes of the input, such as '32;33;224x160', at which the outputs must be the same too",
    )
    result.add_argument(
        "--checkpoint",
        metavar="FILE",
        help="the weights to compare with, of a named TARGET; any file parity.convert reads",
    )
    result.add_argument(
        "--steps",
        type=positive,
        metavar="N",
        help="then train both for N steps in lock-step; see parity.train",
    )
    add_copy(result)
    add_only(result)
    add_output(result)
    return result


def _shapes(text: str) -> tuple[tuple[int, ...], ...]:
    sizes = [part.split("x") for part in text.split(";")]
    if not all(number.isdigit() and int(number) > 0 for size in sizes for number in size):
        raise argparse.ArgumentTypeError(f"expected sizes such as 32;33;224x160, got {text!r}")
    return tuple(tuple(map(int, size)) for size in sizes)


def _devices(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(text.split(",")))
    if not set(names) <= {"cpu", "cuda", "mps"}:
        raise argparse.ArgumentTypeError(f"expected some of cpu,cuda,mps, got {text!r}")
    return names


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = parser().parse_args(argv)
    arguments.command = shlex.join(["python", "-m", "parity.check", *(sys.argv[1:] if argv is None else argv)])
    return guarded("parity.check", _run, arguments, partial(write_error, arguments, target_name(arguments)))


def _run(arguments: argparse.Namespace) -> int:
    from .models import targets

    outputs.check(arguments)
    if arguments.list:
        print("\n".join(targets.variants()))
        return MATCH
    if arguments.all and arguments.steps:
        raise TargetError("--steps trains one TARGET, and --all names every one; leave one of the two out")
    if arguments.checkpoint and arguments.steps:
        raise TargetError("--steps trains from random weights, and --checkpoint gives others; leave one of the two out")
    if arguments.all:
        return _check_all(arguments, list(targets.variants()))
    target = chosen_target(arguments)
    if arguments.steps:
        return check_and_train(target, arguments)
    return deliver(_check(target, arguments), arguments)


def _check(target: Target, arguments: argparse.Namespace) -> "Report":
    from .checks.options import Options
    from .checks.target import check_target

    options = Options(
        arguments.dtype,
        arguments.batch_size,
        arguments.seed,
        arguments.weights,
        randomize=arguments.checkpoint is None,
        name_map=name_map_of(arguments.map),
        gradients=arguments.gradients,
        loss=asked_loss(arguments.gradients or arguments.steps, arguments.seed, **_loss(arguments)),
        checkpoint=None if arguments.checkpoint is None else (arguments.checkpoint, arguments.target),
        shapes=arguments.shapes,
        onednn=arguments.onednn,
        copy=copy_of(arguments),
        only=arguments.only,
    )
    with progress_bar(arguments) as progress:
        return check_target(target, options, progress, arguments.devices)


def _loss(arguments: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(arguments, name) for name in ("loss", "torch_loss", "keras_loss", "targets")}


def _check_all(arguments: argparse.Namespace, names: list[str]) -> int:
    """Check every variant; one that cannot be compared does not keep the others from it."""
    documents, codes = [], []
    for name in names:
        try:
            target = chosen_target(argparse.Namespace(**vars(arguments) | {"target": name}))
            report = _check(target, arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and the others are checked
            told = tell("parity.check", error)
            documents.append(error_document(name, told))
            codes.append(ERROR)
            continue
        documents.append(report.to_json())
        codes.append(MATCH if report.ok else MISMATCH)
        if outputs.prints(arguments):
            print_to_terminal(report, argparse.Namespace(**vars(arguments) | {"quiet": True}))
    outputs.write(arguments, documents)
    return max(codes)


DTYPES = {"float64": "float64", "float32": "float32", "bfloat16": "mixed_bfloat16"}


def check_and_train(target: Target, arguments: argparse.Namespace) -> int:
    """Check, train for `arguments.steps` steps with SGD and momentum, write and print both; the exit code.

    The document is the check's with the training's under "training", and its verdict is a match if both are.
    Raises ParityError where either cannot be done.
    """
    from .checks.training.run import train
    from .reports.terminal.training import print_report

    if arguments.dtype not in DTYPES:
        raise RecipeError(
            f"--steps trains in one of {', '.join(DTYPES)}, and --dtype is {arguments.dtype}, with its loss scaled; "
            "choose one of these"
        )
    recipe = made(
        "momentum", steps=arguments.steps, batch_size=arguments.batch_size, seed=arguments.seed, **_loss(arguments)
    )
    report = _check(target, arguments)
    name_map = name_map_of(arguments.map)
    with progress_bar(arguments) as progress:
        dtype = DTYPES[arguments.dtype]
        given = {"name_map": name_map, "progress": progress, "onednn": arguments.onednn}
        training = train(target, recipe, dtype, arguments.weights, **given)
    ok = report.ok and training.ok
    document = report.to_json() | {"training": training.to_json()}
    outputs.write(arguments, document | {"verdict": "match" if ok else "mismatch"})
    if outputs.prints(arguments):
        print_to_terminal(report, arguments)
        print_report(training, stdout(), arguments.quiet)
    return MATCH if ok else MISMATCH


if __name__ == "__main__":
    sys.exit(main())
