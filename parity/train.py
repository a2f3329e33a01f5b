"""`python -m parity.train TARGET`: train a model in PyTorch and in Keras in lock-step, and compare after every step.

Both start from the same weights and take the same batches, loss, optimizer and schedule; Keras trains through `compile`
and `fit`. After every step the loss, gradients, running statistics, optimizer state and weights are compared: in
float64 to 1e-9 of their scale, in --dtype by the distance that torch's own runs reach when their weights are nudged by
units in the last place. What the frameworks do by other rules is matched, and a table says how and why.

With --torch-step and --keras-step the steps are yours: fn(model, x, y) does one whole training step, with an optimizer
that it makes in its first call and keeps, and returns the loss; fn(model), or a class, makes what takes (x, y).

Exit code 0: match. 1: mismatch. 2: could not be compared, for the reason printed on stderr.
"""

import argparse
import shlex
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from .checks.training.run import SIDE, small, train
from .cli import (
    MATCH,
    MISMATCH,
    add_loss,
    add_onednn,
    chosen_target,
    error_document,
    guarded,
    name_map_of,
    progress_bar,
    shape_of,
    stdout,
    target_name,
)
from .errors import ParityError, TargetError
from .models.optimizers import OPTIMIZERS, SCHEDULES, VARIANTS
from .models.recipe import DTYPES, Recipe, made
from .reports import outputs

if TYPE_CHECKING:
    from .verdict.training import TrainingReport


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog="python -m parity.train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("target", nargs="?", metavar="TARGET", help="a named variant, such as resnet18")
    result.add_argument("--torch", metavar="PKG.MOD:FACTORY", help="your own torch model")
    result.add_argument("--keras", metavar="PKG.MOD:FACTORY", help="your own Keras model")
    result.add_argument(
        "--input-shape", type=shape_of, metavar="C,H,W", help=f"torch's order, no batch; default C,{SIDE},{SIDE}"
    )
    result.add_argument("--map", metavar="FILE", help="YAML of path globs, `torch.path: keras.path`")
    result.add_argument("--weights", choices=("copy", "keep"), default="copy", help="copy torch's into Keras (default)")
    result.add_argument("--dtype", choices=DTYPES, default="float32", help="beside float64, which always runs")
    result.add_argument("--runs", type=int, default=4, metavar="N", help="nudged runs that span the band (default 4)")
    add_onednn(result)
    _training(result.add_argument_group("training"))
    outputs.add_options(result, training=True)
    result.add_argument("--quiet", action="store_true", help="print the verdict alone")
    return result


def _training(group: Any) -> None:
    usual = "default: torch's, or as the optimizer is commonly used"
    group.add_argument("--steps", type=int, metavar="N", help="training steps (default 20)")
    group.add_argument("--optimizer", default="sgd", choices=(*OPTIMIZERS, *VARIANTS), help="default sgd")
    group.add_argument("--lr", type=float, metavar="X", help=usual)
    group.add_argument("--momentum", type=float, metavar="X", help="of sgd, rmsprop and muon")
    group.add_argument("--epsilon", type=float, metavar="X", help=usual)
    group.add_argument("--beta1", type=float, metavar="X", help="of adam and its like")
    group.add_argument("--beta2", type=float, metavar="X", help="of adam and its like")
    group.add_argument("--rho", type=float, metavar="X", help="of rmsprop (torch: alpha) and adadelta")
    group.add_argument("--amsgrad", action="store_true", default=None, help="of adam and adamw")
    group.add_argument("--centered", action="store_true", default=None, help="of rmsprop")
    group.add_argument("--clip-value", type=float, metavar="X", help="clip every number of a gradient")
    group.add_argument("--clip-norm", type=float, metavar="X", help="clip every gradient by its norm")
    group.add_argument("--clip-global", type=float, metavar="X", help="clip all gradients by their norm together")
    group.add_argument("--l1", type=float, metavar="X", help="add X * sum(|w|) to the loss")
    group.add_argument("--l2", type=float, metavar="X", help="add X * sum(w^2) to the loss")
    group.add_argument("--ema", type=float, metavar="X", help="keep the weights' running mean, such as 0.99")
    group.add_argument("--accumulate", type=int, metavar="N", help="batches of an update (each is a step)")
    group.add_argument("--weight-decay", type=float, metavar="X", help="default 0, adamw 0.01")
    group.add_argument("--decay", choices=("coupled", "decoupled"), help="added to the gradient, or to the step")
    group.add_argument(
        "--decay-on", choices=("all", "kernels"), help="all parameters (default), or no bias and no norm"
    )
    group.add_argument("--schedule", choices=SCHEDULES, help="of the learning rate, per step; plateau per epoch")
    group.add_argument("--every", type=int, metavar="N", help="steps between falls (step, restarts), half a cycle")
    group.add_argument("--gamma", type=float, metavar="X", help="what the rate is multiplied by")
    group.add_argument("--milestones", type=_steps, metavar="N,N,...", help="where multistep lowers the rate")
    group.add_argument("--power", type=float, metavar="X", help="of polynomial (default 1)")
    group.add_argument("--patience", type=int, metavar="N", help="bad epochs that plateau lets pass (default 0)")
    group.add_argument("--threshold", type=float, metavar="X", help="by which the loss must sink (default 1e-4)")
    group.add_argument("--warmup", type=int, metavar="N", help="steps of a straight rise from a tenth of the rate")
    group.add_argument("--torch-step", metavar="PKG.MOD:FN", help="your own whole step, fn(model, x, y) -> loss")
    group.add_argument("--keras-step", metavar="PKG.MOD:FN", help="the same for Keras; both, or a factory fn(model)")
    add_loss(group)
    group.add_argument("--label-smoothing", type=float, metavar="X")
    group.add_argument("--class-weights", type=_weights, metavar="W,W,...", help="of every label")
    group.add_argument("--ignore-label", type=int, metavar="N", help="a label that does not count")
    group.add_argument("--sample-weights", action="store_true", default=None, help="draw one for every sample")
    group.add_argument("--delta", type=float, metavar="X", help="of huber, and beta of smooth_l1 (default 1)")
    group.add_argument("--margin", type=float, metavar="X", help="of triplet (default 1)")
    group.add_argument("--focal-gamma", type=float, metavar="X", help="default 2")
    group.add_argument("--focal-alpha", type=float, metavar="X", help="default 0.25")
    group.add_argument("--epoch-steps", type=int, metavar="N", help="batches of an epoch, which all repeat (default 5)")
    group.add_argument("--batch-size", type=int, metavar="N", help="default 8")
    group.add_argument("--seed", type=int, metavar="N", help="of the weights, the inputs and the labels")


def _steps(text: str) -> tuple[int, ...]:
    if not all(part.isdigit() for part in text.split(",")):
        raise argparse.ArgumentTypeError(f"expected steps such as 10,15, got {text!r}")
    return tuple(map(int, text.split(",")))


def _weights(text: str) -> tuple[float, ...]:
    try:
        return tuple(map(float, text.split(",")))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected numbers such as 1,2,0.5, got {text!r}") from None


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = parser().parse_args(argv)
    arguments.command = shlex.join(["python", "-m", "parity.train", *(sys.argv[1:] if argv is None else argv)])
    return guarded("parity.train", _train, arguments, partial(_write_error, arguments))


def _train(arguments: argparse.Namespace) -> int:
    outputs.check(arguments)
    return deliver(_compared(arguments), arguments)


def _write_error(arguments: argparse.Namespace, error: ParityError) -> None:
    document = {"kind": "training"} | error_document(target_name(arguments), error)
    outputs.write(arguments, document)


def deliver(report: "TrainingReport", arguments: argparse.Namespace) -> int:
    """Write and print a report where `arguments` say, and return the exit code."""
    outputs.write(arguments, report.to_json())
    if arguments.json != "-":
        from .reports.terminal.training import print_report

        print_report(report, stdout(), arguments.quiet)
    return MATCH if report.ok else MISMATCH


def _compared(arguments: argparse.Namespace) -> "TrainingReport":
    names = Recipe.__dataclass_fields__.keys() & vars(arguments).keys() - {"optimizer"}
    recipe = made(arguments.optimizer, **{name: getattr(arguments, name) for name in names})
    if arguments.runs < 1:
        raise TargetError(f"--runs must be at least 1, and is {arguments.runs}; a band needs runs to span it")
    target = chosen_target(arguments)
    if arguments.target and not arguments.input_shape:
        target = small(target)
    given = {"dtype": arguments.dtype, "weights": arguments.weights, "runs": arguments.runs, "onednn": arguments.onednn}
    with progress_bar(arguments) as progress:
        return train(target, recipe, **given, name_map=name_map_of(arguments.map), progress=progress)


if __name__ == "__main__":
    sys.exit(main())
