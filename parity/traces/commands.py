"""`python -m parity.capture` and `python -m parity.compare`: one side's run on one machine, the verdict on another."""

import argparse
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from parity.command import ERROR, MATCH, add_output, add_target, check_outputs, chosen_target, deliver, name_map_of
from parity.errors import ParityError


def capture_parser() -> argparse.ArgumentParser:
    """The command line of parity.capture."""
    result = argparse.ArgumentParser(
        prog="python -m parity.capture",
        description="Run one side and keep all that it computes in a trace (safetensors), for parity.compare.",
    )
    add_target(result)
    result.add_argument("--framework", choices=("torch", "keras"), required=True)
    result.add_argument("--device", default="cpu", choices=("cpu", "cuda", "mps"))
    result.add_argument("--output", required=True, metavar="FILE.trace", type=Path)
    result.add_argument(
        "--against",
        metavar="TORCH.trace",
        type=Path,
        help="for Keras: torch's trace, whose input, weights and names it takes, and beside which it runs",
    )
    return result


def compare_parser() -> argparse.ArgumentParser:
    """The command line of parity.compare."""
    result = argparse.ArgumentParser(
        prog="python -m parity.compare", description="Compare torch's trace with Keras's: the report of parity.check."
    )
    result.add_argument("torch", metavar="TORCH.trace", type=Path)
    result.add_argument("keras", metavar="KERAS.trace", type=Path)
    add_output(result)
    return result


def capture_main(argv: list[str] | None = None) -> int:
    """Capture and return the exit code."""
    return _guarded("parity.capture", _capture, capture_parser().parse_args(argv))


def compare_main(argv: list[str] | None = None) -> int:
    """Compare and return the exit code."""
    arguments = compare_parser().parse_args(argv)
    arguments.command = shlex.join(["python", "-m", "parity.compare", *(sys.argv[1:] if argv is None else argv)])
    return _guarded("parity.compare", _compare, arguments)


def _guarded(name: str, run: Callable[[Any], int], arguments: argparse.Namespace) -> int:
    try:
        return run(arguments)
    except ParityError as error:
        print(f"{name}: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"{name}: stopped before the end; nothing was written", file=sys.stderr)
    return ERROR


def _capture(arguments: argparse.Namespace) -> int:
    target = chosen_target(arguments)
    if arguments.framework == "torch" and arguments.against:
        raise ParityError("--against is for Keras, which runs beside torch's trace, and --framework is torch; drop it")
    if arguments.framework == "keras" and not arguments.against and arguments.weights == "copy":
        raise ParityError(
            "Keras's weights must come from torch, and no trace of torch is given; capture torch first and give its "
            "file with --against, or compare the models as they are with --weights keep"
        )
    with _side(arguments, target) as (side, shelf):
        if arguments.against:
            _keras_beside_torch(arguments, target, side, shelf)
        else:
            _alone(arguments, target, side, shelf)
    print(f"{arguments.framework}'s run of {target.name} is in {arguments.output}")
    return MATCH


@contextmanager
def _side(arguments: argparse.Namespace, target: Any) -> Iterator[tuple[Any, Any]]:
    from parity.recording import Shelf
    from parity.sides.process import SideProcess
    from parity.sides.remote import RemoteSide

    from .file import read_trace

    teacher = None if arguments.against is None else read_trace(arguments.against)
    framework = arguments.framework
    with tempfile.TemporaryFile(prefix="parity-") as file:
        theirs = None if teacher is None else teacher.shelf.descriptor
        process = SideProcess(framework, getattr(target, framework), file.fileno(), arguments.device, theirs)
        try:
            shelf = Shelf(file.fileno())
            yield RemoteSide(process, shelf), shelf
        finally:
            process.end()


def _alone(arguments: argparse.Namespace, target: Any, side: Any, shelf: Any) -> None:
    from parity.capture import NOTHING
    from parity.probes import fitting_input, probe_input

    layers = side.call("start", arguments.seed)
    _raise_on_unknown(side)
    x = fitting_input(probe_input((arguments.batch_size, *target.input_shape), arguments.seed), layers, arguments.seed)
    if arguments.framework == "torch" and arguments.weights == "copy":
        side.call("randomize", x, arguments.seed)
    recording = side.call("record", x, arguments.dtype, NOTHING, True)
    _write(arguments, target, side, shelf, (layers, recording, x))


def _keras_beside_torch(arguments: argparse.Namespace, target: Any, side: Any, shelf: Any) -> None:
    from functools import partial

    from parity.capture import Look
    from parity.compare import structure_ok
    from parity.judge import Options
    from parity.pairs.matching import match_steps
    from parity.pairs.prepare import prepared
    from parity.verify import copy_weights

    from .file import Stored, read_trace
    from .side import TraceSide

    teacher = read_trace(arguments.against)
    torch, x, dtype = TraceSide(teacher), teacher.input(), teacher.header.dtype
    options = Options(dtype, len(x), arguments.seed, arguments.weights, name_map=name_map_of(arguments.map))
    layers = torch.call("start"), side.call("start", arguments.seed)
    _raise_on_unknown(side)
    torch.ask("record", x, dtype)
    ready = prepared(torch, side, layers, x, options, partial(copy_weights, side, lambda *_: None))
    wiring = match_steps(ready.recording.steps, ready.keras_steps)
    look = Look(wiring.watch)
    torch.call("record", x, dtype, look)  # says so if the trace lacks what must be watched
    recording = side.call("record", x, dtype, look, True)
    common = ready.recording.only(wiring.steps)
    side.ask("forced", common, look)
    forced = {found.key: found.added for found in side.stream()}
    wrong = frozenset(key for key, added in forced.items() if not structure_ok(added))
    kept = []
    _behind(shelf)
    if wrong:
        side.ask("forced", common, replace(look, want=wrong))
        kept = [
            Stored(f"forced/{found.key}", shelf, shelf.put(found.output))
            for found in side.stream()
            if found.key in wrong
        ]
    seen = ready.keras_layers, recording, x
    _write(arguments, target, side, shelf, seen, kept, forced=forced, against=teacher.header.identity, dtype=dtype)


def _behind(shelf: Any) -> None:
    """Go on behind what the side's process has put on the shelf."""
    shelf.end = os.fstat(shelf.descriptor).st_size


def _raise_on_unknown(side: Any) -> None:
    unknown = side.call("unknown_weights")
    if unknown:
        raise ParityError(
            f"every weight must belong to a layer of a known kind (parity/kinds.py), and {', '.join(unknown)} of the "
            f"{side.framework} model does not; compare the definitions"
        )


def _write(
    arguments: argparse.Namespace, target: Any, side: Any, shelf: Any, seen: Any, kept: Any = (), **more: Any
) -> None:
    from .file import Header, Stored, write_trace

    layers, recording, x = seen
    environment = side.call("environment")
    common = {"dtype": arguments.dtype, "notes": recording.notes} | more
    header = Header(
        side.framework,
        target.name,
        seed=arguments.seed,
        steps=recording.steps,
        layers=layers,
        environment=environment,
        rounding=recording.rounding,
        **common,
    )
    _behind(shelf)
    arrays = [Stored("input", shelf, shelf.put(x)), *kept]
    for name in ("weights", "outputs", "lows"):
        places = getattr(recording, name)
        arrays += [Stored(f"{name.removesuffix('s')}/{key}", shelf, place) for key, place in places.items()]
    write_trace(arguments.output, header, arrays)


def _compare(arguments: argparse.Namespace) -> int:
    from parity.judge import Options
    from parity.verify import compare_sides

    from .file import read_trace
    from .side import PupilTrace, TraceSide

    check_outputs(arguments)
    ours, theirs = read_trace(arguments.torch), read_trace(arguments.keras)
    _raise_unless_comparable(ours, theirs)
    x = ours.input()
    options = Options(ours.header.dtype, len(x), ours.header.seed, "keep", slice_size=x.size)
    sides = TraceSide(ours), PupilTrace(theirs, ours)
    report = compare_sides(ours.header.target, x, *sides, options, lambda *_: None)
    return deliver(report, arguments)


def _raise_unless_comparable(ours: Any, theirs: Any) -> None:
    import numpy as np

    found = ours.header.framework, theirs.header.framework
    if found != ("torch", "keras"):
        raise ParityError(f"the traces must be torch's and then Keras's, and are {' and '.join(found)}; exchange them")
    for name in ("target", "dtype"):
        values = getattr(ours.header, name), getattr(theirs.header, name)
        if values[0] != values[1]:
            raise ParityError(
                f"both traces must be of one {name}, and are of {values[0]} and {values[1]}; capture one again"
            )
    if not np.array_equal(ours.input(), theirs.input()):
        raise ParityError(
            "both traces must have run on the same input, and did not; capture Keras's with --against torch's trace"
        )
