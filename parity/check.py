"""`python -m parity.check TARGET`: prove that a model computes the same in PyTorch and Keras, or say where it does not.

Exit code 0: match. 1: mismatch. 2: could not be compared, for the reason printed on stderr.
"""

import argparse
import shlex
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from .callable_module import make_callable
from .command import (
    ERROR,
    MATCH,
    MISMATCH,
    add_output,
    add_target,
    check_outputs,
    chosen_target,
    deliver,
    name_map_of,
    positive,
    print_to_terminal,
    progress_bar,
    write,
)
from .errors import ParityError, TargetError, UnmatchedError, UnwritableError


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
    result.add_argument(
        "--devices",
        metavar="LIST",
        type=_devices,
        default=("cpu",),
        help="cpu, cuda, mps: compare both frameworks on each, and say which a difference belongs to",
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
    add_output(result)
    return result


def _devices(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(text.split(",")))
    if not set(names) <= {"cpu", "cuda", "mps"}:
        raise argparse.ArgumentTypeError(f"expected some of cpu,cuda,mps, got {text!r}")
    return names


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = parser().parse_args(argv)
    arguments.command = shlex.join(["python", "-m", "parity.check", *(sys.argv[1:] if argv is None else argv)])
    try:
        check_outputs(arguments)
        return _run(arguments)
    except UnwritableError as error:
        print(f"parity.check: {error}", file=sys.stderr)
        return ERROR
    except ParityError as error:
        print(f"parity.check: {error}", file=sys.stderr)
        write(arguments, _error_document(arguments, error))
        return ERROR
    except KeyboardInterrupt:
        print("parity.check: stopped before the end; nothing was concluded", file=sys.stderr)
        return ERROR


def _run(arguments: argparse.Namespace) -> int:
    from . import targets

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
        from .training.after_check import check_and_train

        return check_and_train(target, lambda: _check(target, arguments), arguments)
    return deliver(_check(target, arguments), arguments)


def _check(target: Any, arguments: argparse.Namespace) -> Any:
    from .sides.process import SideProcess

    name_map = name_map_of(arguments.map)
    with tempfile.TemporaryFile(prefix="parity-") as file, ExitStack() as stack:

        def start(framework: str, device: str) -> Any:
            process = SideProcess(framework, getattr(target, framework), file.fileno(), device)
            stack.callback(process.end)
            return process

        if arguments.devices == ("cpu",):
            processes = [start(framework, "cpu") for framework in ("torch", "keras")]
            return _compare(target, arguments, processes, file.fileno(), name_map)
        return _compare_devices(target, arguments, start, file.fileno(), name_map)


def _compare(target: Any, arguments: argparse.Namespace, processes: list[Any], shelf: int, name_map: Any) -> Any:
    from .recording import Shelf
    from .sides.remote import RemoteSide
    from .verify import compare_sides

    torch, keras = (RemoteSide(process, Shelf(shelf)) for process in processes)
    options, x = _options(target, arguments, name_map)
    with progress_bar(arguments) as progress:
        return compare_sides(target.name, x, torch, keras, options, progress)


def _compare_devices(target: Any, arguments: argparse.Namespace, start: Any, shelf: int, name_map: Any) -> Any:
    from .devices import matrix, require
    from .recording import Shelf
    from .sides.remote import RemoteSide

    @contextmanager
    def open_side(framework: str, device: str) -> Iterator[Any]:
        process = start(framework, device)
        yield RemoteSide(process, Shelf(shelf))
        process.end()

    devices = arguments.devices
    require(devices, open_side)
    options, x = _options(target, arguments, name_map)
    cells = matrix(x, devices, options, open_side)
    processes = [start(framework, devices[0]) for framework in ("torch", "keras")]
    return replace(_compare(target, arguments, processes, shelf, name_map), devices=cells)


def _options(target: Any, arguments: argparse.Namespace, name_map: Any) -> tuple[Any, Any]:
    from .judge import Options
    from .probes import probe_input

    plain = arguments.dtype, arguments.batch_size, arguments.seed, arguments.weights
    checkpoint = None if arguments.checkpoint is None else (arguments.checkpoint, arguments.target)
    options = Options(
        *plain, checkpoint is None, name_map=name_map, gradients=arguments.gradients, checkpoint=checkpoint
    )
    return options, probe_input((arguments.batch_size, *target.input_shape), arguments.seed)


def _check_all(arguments: argparse.Namespace, names: list[str]) -> int:
    """Check every variant; one that cannot be compared does not keep the others from it."""
    from . import targets

    documents, codes = [], []
    for name in names:
        try:
            report = _check(targets.named(name, arguments.input_shape), arguments)
        except ParityError as error:
            print(f"parity.check: {error}", file=sys.stderr)
            documents.append(_error_document(argparse.Namespace(**vars(arguments) | {"target": name}), error))
            codes.append(ERROR)
            continue
        documents.append(report.to_json())
        codes.append(MATCH if report.ok else MISMATCH)
        if arguments.json != "-":
            print_to_terminal(report, argparse.Namespace(**vars(arguments) | {"quiet": True}))
    write(arguments, documents)
    return max(codes)


def _error_document(arguments: argparse.Namespace, error: ParityError) -> dict[str, Any]:
    from .report import error_json

    lists = (error.torch, error.keras) if isinstance(error, UnmatchedError) else ([], [])
    return error_json(arguments.target or f"{arguments.torch} and {arguments.keras}", str(error), *lists)


def _check_models(*args: Any, **kwargs: Any) -> Any:
    """What `parity.check` does once this module hides the function of that name."""
    from .api import check_models

    return check_models(*args, **{"dtype": "float32", "weights": "keep"} | kwargs)


make_callable(__name__, _check_models)

if __name__ == "__main__":
    sys.exit(main())
