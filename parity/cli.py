"""What the commands that compare have in common: how a target is named, and where the report goes."""

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from .errors import (
    MOST,
    ParityError,
    TargetError,
    UnmatchedError,
    UnwritableError,
    debugging,
    internal,
    short,
    traced,
)
from .models.attempts import attempt
from .models.losses import LOSSES, TARGETS
from .models.specs import InputSpec, input_spec
from .reports import outputs
from .reports.terminal.progress import progress_bar as progress_bar

MATCH, MISMATCH, ERROR = 0, 1, 2
BOUNDLESS = 10_000  # columns of a pipe


def add_target(parser: argparse.ArgumentParser) -> None:
    """What to run, on what, in which dtype."""
    parser.add_argument("target", nargs="?", metavar="TARGET", help="a named variant, such as resnet50")
    parser.add_argument("--torch", metavar="PKG.MOD:FACTORY", help="your own torch model")
    parser.add_argument("--keras", metavar="PKG.MOD:FACTORY", help="your own Keras model")
    add_inputs(parser)
    parser.add_argument("--map", metavar="FILE", help="YAML of path globs, `torch.path: keras.path`")
    parser.add_argument(
        "--weights",
        choices=("copy", "keep"),
        default="copy",
        help="copy torch's weights into Keras first (default), or compare the models as they are",
    )
    parser.add_argument(
        "--dtype",
        choices=("float32", "float64", "bfloat16", "float16"),
        default="float32",
        help="whose arithmetic to compare; the float64 structure check is always run",
    )
    parser.add_argument("--batch-size", type=positive, default=2, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the input and the random weights")
    add_onednn(parser)


def add_inputs(parser: Any) -> None:
    """What the models run on."""
    parser.add_argument(
        "--input-shape", type=shapes_of, metavar="C,H,W", help="torch's order, no batch, any rank; of several: 'A;B'"
    )
    parser.add_argument(
        "--input",
        type=spec_of,
        action="append",
        metavar="NAME=SHAPE[:DTYPE[:RANGE]]",
        help="one input by name, repeated for each: ids=12:int64:0-1000 (1000 left out), mask=12:bool",
    )
    parser.add_argument(
        "--inputs",
        metavar="FILE",
        help="inputs with their batch: .npz (by name), .npy, .pt tensors, or an image, prepared as for ImageNet",
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """Where the report goes, and how much of it is printed."""
    outputs.add_options(parser)
    outputs.add_formats(parser)
    parser.add_argument("--layers", choices=("all", "failed", "summary"), default="summary", help="which rows to print")
    parser.add_argument("--quiet", action="store_true", help="print the verdict alone")


def add_copy(parser: Any) -> None:
    """Which side is wrong where they differ."""
    parser.add_argument(
        "--mend",
        choices=("keras", "torch"),
        default="keras",
        help="the side that is the copy, whose program edits are for (default keras)",
    )


def add_only(parser: Any) -> None:
    """Which layers are judged, if not all."""
    parser.add_argument("--only", metavar="LAYER", default="", help="judge one layer, or all that are in it")


def copy_of(arguments: argparse.Namespace) -> Any:
    """The side to mend, and the command that checks again."""
    from .checks.copy import Copy

    return Copy(arguments.mend, again=outputs.again(arguments.command))


def add_onednn(parser: Any) -> None:
    """With which kernels TensorFlow computes."""
    parser.add_argument(
        "--onednn",
        choices=("on", "off", "as-is"),
        default="as-is",
        help="let TensorFlow compute with oneDNN or without; as-is (default): as your own process would",
    )


def add_loss(group: Any) -> None:
    """What outputs are compared with."""
    names = ", ".join(LOSSES)
    own = "or your own, package.module:function of (outputs, targets)"
    group.add_argument("--loss", metavar="NAME", help=f"{names}, {own}; default: what fits the outputs")
    group.add_argument("--torch-loss", metavar="PKG.MOD:FN", help="your own of (output, target), for torch alone")
    group.add_argument("--keras-loss", metavar="PKG.MOD:FN", help="your own of (y_true, y_pred), for Keras alone")
    group.add_argument("--targets", metavar="KIND", help=f"what your own loss is given: {', '.join(TARGETS)}")


def shape_of(text: str) -> tuple[int, ...]:
    try:
        shape = tuple(int(part) for part in text.split(","))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise argparse.ArgumentTypeError(f"expected sizes such as 3,224,224, got {text!r}")
    return shape


def shapes_of(text: str) -> Any:
    """One shape, or of several inputs, parted by semicolons, a spec for each."""
    if ";" not in text:
        return shape_of(text)
    return tuple(InputSpec(str(number), shape_of(part)) for number, part in enumerate(text.split(";")))


def spec_of(text: str) -> InputSpec:
    try:
        return input_spec(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number, at least 1, got {text!r}")
    return int(text)


def chosen_target(arguments: argparse.Namespace) -> Any:
    """The target that was named. Raises TargetError."""
    from .models import targets

    checkpoint = getattr(arguments, "checkpoint", None)  # an option of parity.check alone
    if arguments.torch or arguments.keras:
        if checkpoint:
            raise TargetError(
                "--checkpoint is read for a named TARGET, and --torch and --keras name your own models; load it in them"
            )
        given = given_inputs(arguments)
        if not (arguments.torch and arguments.keras and given):
            raise TargetError(
                "your own models need --torch, --keras and --input-shape (or --input, or --inputs), all three; one is "
                "missing"
            )
        name = f"{arguments.torch} and {arguments.keras}"
        return targets.Target(name, arguments.torch, arguments.keras, **given)
    if not arguments.target:
        raise TargetError("a TARGET must be given, and none was; try `python -m parity.check resnet50`")
    given = given_inputs(arguments)
    target = replace(targets.named(arguments.target, given.get("input_shape")), **given)
    return _with_checkpoint(target, arguments) if checkpoint else target


def given_inputs(arguments: argparse.Namespace) -> dict[str, Any]:
    """A target's inputs, as one of three options states them; nothing where none does. Raises TargetError for two."""
    names = ("input_shape", "input", "inputs")
    said = {name: value for name in names if (value := getattr(arguments, name, None))}
    if len(said) > 1:
        words = " and ".join(f"--{name.replace('_', '-')}" for name in said)
        raise TargetError(f"the inputs must be given by one option, and {words} give them twice; leave all but one out")
    if "inputs" in said:
        return {"input_shape": (), "file": said["inputs"]}
    specs = tuple(said.get("input") or said.get("input_shape") or ())
    if not specs or not isinstance(specs[0], InputSpec):
        return {"input_shape": specs} if specs else {}
    twice = sorted({spec.name for spec in specs if [other.name for other in specs].count(spec.name) > 1})
    if twice:
        raise TargetError(f"every --input must have a name of its own, and {twice[0]} is given twice; rename one")
    return {"input_shape": specs[0].shape, "inputs": specs}


def _with_checkpoint(target: Any, arguments: argparse.Namespace) -> Any:
    """The target with as many classes and channels as the checkpoint has. Raises CheckpointError."""
    from .checkpoints.source import read_source
    from .models.targets import with_arguments

    if arguments.weights == "keep":
        raise TargetError("--checkpoint gives both models its weights, and --weights keep gives none; leave one out")
    architecture = read_source(Path(arguments.checkpoint), arguments.target).architecture
    specs = (with_arguments(spec, architecture.options) for spec in (target.torch, target.keras))
    size = (
        target.input_shape
        if given_inputs(arguments)
        else (architecture.config.in_channels, *architecture.config.image_size)
    )
    return replace(target, **dict(zip(("torch", "keras"), specs, strict=True)), input_shape=size)


def name_map_of(path: str | None) -> Any:
    """The pairs of names that the user gives, if any. Raises ParityError."""
    from .pairs.name_map import NameMap

    return None if path is None else NameMap.read(Path(path))


def deliver(report: Any, arguments: argparse.Namespace) -> int:
    """Write and print a report, and return the exit code."""
    outputs.write(arguments, report.to_json())
    if outputs.prints(arguments):
        print_to_terminal(report, arguments)
    return MATCH if report.ok else MISMATCH


def print_to_terminal(report: Any, arguments: argparse.Namespace) -> None:
    """The terminal report."""
    from .reports.terminal.check import print_report

    print_report(report, stdout(), arguments.layers, arguments.quiet)


def stdout() -> Any:
    """rich's console. A pipe has no width of its own: nothing that goes into one is wrapped or shortened."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=BOUNDLESS, soft_wrap=True)


def guarded(
    name: str,
    run: Callable[[Any], int],
    arguments: argparse.Namespace,
    failed: Callable[[ParityError], None] | None = None,
) -> int:
    """Run a command, and make one sentence of whatever stops it: the exit code. failed: where that is written too."""
    try:
        return run(arguments)
    except KeyboardInterrupt:
        print(f"{name}: stopped before the end; nothing was concluded", file=sys.stderr)
        return ERROR
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python fails again when it flushes
        print(f"{name}: whoever read the report stopped before its end; give it a file with --json", file=sys.stderr)
        return ERROR
    except Exception as error:  # noqa: BLE001 - nobody is shown a traceback who has not asked for one
        told = tell(name, error)
    if failed is not None and not isinstance(told, UnwritableError):
        attempt(partial(failed, told), partial(tell, name))
    return ERROR


def write_error(arguments: argparse.Namespace, target: str, error: ParityError) -> None:
    """Write the document of a comparison that could not be made where the user asked for a report."""
    outputs.write(arguments, error_document(target, error))


def error_document(target: str, error: ParityError) -> dict[str, Any]:
    """The document of a comparison that could not be made, with the whole lists of what has no partner."""
    from .checks.report import error_json

    lists = (error.torch, error.keras) if isinstance(error, UnmatchedError) else ([], [])
    return error_json(target, sentence(error), *lists)


def target_name(arguments: argparse.Namespace) -> str:
    """What the command line compares, as it says it."""
    return arguments.target or f"{arguments.torch} and {arguments.keras}"


def tell(name: str, error: Exception) -> ParityError:
    """Print in one sentence why a command could not do its work, with PARITY_DEBUG=1 after the traceback."""
    told = error if isinstance(error, ParityError) else internal(error)
    if debugging():
        print(traced(error), file=sys.stderr)
    print(f"{name}: {sentence(told)}", file=sys.stderr)
    return told


def sentence(error: ParityError) -> str:
    """What a command prints of an error."""
    return short(" ".join(str(error).split()), MOST)
