"""`python -m parity.check TARGET`: prove that a model computes the same in PyTorch and Keras, or say where it does not.

Exit code 0: match. 1: mismatch. 2: could not be compared, for the reason printed on stderr.
"""

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .callable_module import make_callable
from .errors import ParityError, TargetError, UnmatchedError, UnwritableError
from .output import check_writable, write_text

MATCH, MISMATCH, ERROR = 0, 1, 2


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog="python -m parity.check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("target", nargs="?", metavar="TARGET", help="a named variant, such as resnet50")
    result.add_argument("--all", action="store_true", help="check every named variant")
    result.add_argument("--list", action="store_true", help="print the named variants")
    result.add_argument("--torch", metavar="PKG.MOD:FACTORY", help="your own torch model")
    result.add_argument("--keras", metavar="PKG.MOD:FACTORY", help="your own Keras model")
    result.add_argument("--input-shape", type=_shape, metavar="C,H,W", help="torch's order, no batch, any rank")
    result.add_argument("--map", metavar="FILE", help="YAML of path globs, `torch.path: keras.path`")
    result.add_argument(
        "--weights",
        choices=("copy", "keep"),
        default="copy",
        help="copy torch's weights into Keras first (default), or compare the models as they are",
    )
    result.add_argument(
        "--dtype",
        choices=("float32", "float64", "bfloat16", "float16"),
        default="float32",
        help="whose arithmetic to compare; the float64 structure check is always run",
    )
    result.add_argument(
        "--gradients", action="store_true", help="compare a training step too: loss, all gradients, running statistics"
    )
    result.add_argument("--batch-size", type=_positive, default=2, metavar="N")
    result.add_argument("--seed", type=int, default=0, metavar="N", help="of the input and the random weights")
    result.add_argument("--json", metavar="FILE", help="write the report as JSON; - for stdout")
    result.add_argument("--html", metavar="FILE", help="write the report as one HTML file")
    result.add_argument("--layers", choices=("all", "failed", "summary"), default="summary", help="which rows to print")
    result.add_argument("--quiet", action="store_true", help="print the verdict alone")
    return result


def _shape(text: str) -> tuple[int, ...]:
    try:
        shape = tuple(int(part) for part in text.split(","))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise argparse.ArgumentTypeError(f"expected sizes such as 3,224,224, got {text!r}")
    return shape


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number, at least 1, got {text!r}")
    return int(text)


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = parser().parse_args(argv)
    arguments.command = shlex.join(["python", "-m", "parity.check", *(sys.argv[1:] if argv is None else argv)])
    try:
        _check_outputs(arguments)
        return _run(arguments)
    except UnwritableError as error:
        print(f"parity.check: {error}", file=sys.stderr)
        return ERROR
    except ParityError as error:
        print(f"parity.check: {error}", file=sys.stderr)
        _write(arguments, _error_document(arguments, error))
        return ERROR
    except KeyboardInterrupt:
        print("parity.check: stopped before the end; nothing was concluded", file=sys.stderr)
        return ERROR


def _check_outputs(arguments: argparse.Namespace) -> None:
    """Find out before the run, not after it, that a report cannot be made or written."""
    check_writable("--json", arguments.json)
    if arguments.html:
        from .pages import require

        check_writable("--html", arguments.html)
        require()


def _run(arguments: argparse.Namespace) -> int:
    from . import targets

    if arguments.list:
        print("\n".join(targets.variants()))
        return MATCH
    if arguments.all:
        return _check_all(arguments, list(targets.variants()))
    target = _target(arguments)
    report = _check(target, arguments)
    _write(arguments, report.to_json())
    if arguments.json != "-":
        _print(report, arguments)
    return MATCH if report.ok else MISMATCH


def _target(arguments: argparse.Namespace) -> Any:
    from . import targets

    if arguments.torch or arguments.keras:
        if not (arguments.torch and arguments.keras and arguments.input_shape):
            raise TargetError("your own models need --torch, --keras and --input-shape, all three; one is missing")
        name = f"{arguments.torch} and {arguments.keras}"
        return targets.Target(name, arguments.torch, arguments.keras, arguments.input_shape)
    if not arguments.target:
        raise TargetError("a TARGET must be given, and none was; try `python -m parity.check resnet50`")
    return targets.named(arguments.target, arguments.input_shape)


def _check(target: Any, arguments: argparse.Namespace) -> Any:
    from .sides.process import SideProcess

    name_map = _name_map(arguments.map)
    with tempfile.TemporaryFile(prefix="parity-") as file:
        processes = [SideProcess(side, getattr(target, side), file.fileno()) for side in ("torch", "keras")]
        try:
            return _compare(target, arguments, processes, file.fileno(), name_map)
        finally:
            for process in processes:
                process.end()


def _compare(target: Any, arguments: argparse.Namespace, processes: list[Any], shelf: int, name_map: Any) -> Any:
    from .judge import Options
    from .probes import probe_input
    from .recording import Shelf
    from .sides.remote import RemoteSide
    from .verify import compare_sides

    torch, keras = (RemoteSide(process, Shelf(shelf)) for process in processes)
    plain = arguments.dtype, arguments.batch_size, arguments.seed, arguments.weights
    options = Options(*plain, randomize=True, name_map=name_map, gradients=arguments.gradients)
    x = probe_input((arguments.batch_size, *target.input_shape), arguments.seed)
    with _progress(arguments) as progress:
        return compare_sides(target.name, x, torch, keras, options, progress)


def _name_map(path: str | None) -> Any:
    from .pairs.name_map import NameMap

    return None if path is None else NameMap.read(Path(path))


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
            _print(report, argparse.Namespace(**vars(arguments) | {"quiet": True}))
    _write(arguments, documents)
    return max(codes)


def _print(report: Any, arguments: argparse.Namespace) -> None:
    from rich.console import Console

    from .report import print_report

    print_report(report, Console(soft_wrap=not sys.stdout.isatty()), arguments.layers, arguments.quiet)


@contextmanager
def _progress(arguments: argparse.Namespace) -> Iterator[Any]:
    """A progress bar on a terminal; in a pipe, or with --quiet, none."""
    if arguments.quiet or not sys.stderr.isatty():
        yield lambda text, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:<32}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda text, done, total: bar.update(task, description=text[-32:], completed=done, total=total or None)


def _error_document(arguments: argparse.Namespace, error: ParityError) -> dict[str, Any]:
    from .report import error_json

    lists = (error.torch, error.keras) if isinstance(error, UnmatchedError) else ([], [])
    return error_json(arguments.target or f"{arguments.torch} and {arguments.keras}", str(error), *lists)


def _write(arguments: argparse.Namespace, document: Any) -> None:
    """Write a report's document, or with --all the list of them, where the user asked for it."""
    if arguments.json:
        write_text("--json", arguments.json, json.dumps(document, indent=1, allow_nan=False) + "\n")
    if arguments.html:
        from .pages.report_page import overview_page, report_page

        page = overview_page if isinstance(document, list) else report_page
        write_text("--html", arguments.html, page(document, arguments.command))


def _check_models(*args: Any, **kwargs: Any) -> Any:
    """What `parity.check` does once this module hides the function of that name."""
    from .api import check_models

    return check_models(*args, **{"dtype": "float32", "weights": "keep"} | kwargs)


make_callable(__name__, _check_models)

if __name__ == "__main__":
    sys.exit(main())
