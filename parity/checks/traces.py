"""One side's run kept as a trace, and two traces compared."""

import argparse
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from parity.cli import name_map_of
from parity.errors import ParityError


@contextmanager
def _side(arguments: argparse.Namespace, target: Any) -> Iterator[tuple[Any, Any]]:
    from parity.runners.process import SideProcess
    from parity.runners.recording import Shelf
    from parity.runners.remote import RemoteSide
    from parity.runners.trace import read_trace

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
    from parity.models.probes import fitting_input, probe_input
    from parity.models.steps import NOTHING

    layers = side.call("start", arguments.seed)
    _raise_on_unknown(side)
    x = fitting_input(probe_input((arguments.batch_size, *target.input_shape), arguments.seed), layers, arguments.seed)
    if arguments.framework == "torch" and arguments.weights == "copy":
        side.call("randomize", x, arguments.seed)
    recording = side.call("record", x, arguments.dtype, NOTHING, True)
    _write(arguments, target, side, shelf, (layers, recording, x))


def _keras_beside_torch(arguments: argparse.Namespace, target: Any, side: Any, shelf: Any) -> None:
    from functools import partial

    from parity.models.steps import Look
    from parity.pairs.matching import match_steps
    from parity.runners.recorded import TraceSide
    from parity.runners.trace import Stored, read_trace
    from parity.verdict.difference import structure_ok

    from .forward import copy_weights
    from .options import Options
    from .prepare import prepared

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
            f"every weight must belong to a layer of a known kind (models/kinds.py), and {', '.join(unknown)} of the "
            f"{side.framework} model does not; compare the definitions"
        )


def _write(
    arguments: argparse.Namespace, target: Any, side: Any, shelf: Any, seen: Any, kept: Any = (), **more: Any
) -> None:
    from parity.runners.trace import Header, Stored, write_trace

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
