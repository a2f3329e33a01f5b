"""One side's run kept as a trace, and two traces compared."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parity.errors import ParityError
from parity.models.targets import Target
from parity.pairs.matching import NAMES, raise_on_unknown
from parity.pairs.name_map import NameMap

from .copy import Copy

if TYPE_CHECKING:
    from parity.models.layers import LayerInfo
    from parity.runners.recording import Shelf
    from parity.runners.runner import Runner
    from parity.runners.trace import Trace

    from .report import Report


@dataclass(frozen=True)
class Capture:
    """What to run and keep. output: the trace to write. against: torch's trace, beside which Keras runs."""

    target: Target
    framework: str
    device: str
    output: Path
    against: Path | None
    dtype: str
    batch_size: int
    seed: int
    weights: str
    name_map: NameMap | None = None
    onednn: str = "as-is"


def capture(asked: Capture) -> None:
    """Run one side and write its trace. Raises ParityError where that cannot be done, or would say nothing."""
    if asked.framework == "torch" and asked.against:
        raise ParityError("--against is for Keras, which runs beside torch's trace, and --framework is torch; drop it")
    if asked.framework == "torch" and asked.onednn != "as-is":
        raise ParityError("--onednn is for Keras on TensorFlow, and --framework is torch; drop it")
    if asked.framework == "keras" and not asked.against and asked.weights == "copy":
        raise ParityError(
            "Keras's weights must come from torch, and no trace of torch is given; capture torch first and give its "
            "file with --against, or compare the models as they are with --weights keep"
        )
    with _side(asked) as (side, shelf):
        if asked.against:
            _keras_beside_torch(asked, side, shelf)
        else:
            _alone(asked, side, shelf)


def compare(torch: Path, keras: Path, copy: Copy, only: str = "") -> "Report":
    """The report on two traces; see Options. Raises ParityError where they are not of one target, input and dtype."""
    from parity.runners.recorded import TraceRunner
    from parity.runners.trace import read_trace

    from .forward import compare_sides
    from .options import Options

    ours, theirs = read_trace(torch), read_trace(keras)
    _raise_unless_comparable(ours, theirs)
    x = ours.input()
    size = sum(array.size for array in x.arrays.values())
    options = Options(ours.header.dtype, x.batch, ours.header.seed, "keep", slice_size=size, copy=copy, only=only)
    sides = TraceRunner(ours), TraceRunner(theirs, ours)
    return compare_sides(ours.header.target, x, *sides, options, lambda *_: None)


@contextmanager
def _side(asked: Capture) -> Iterator[tuple["Runner", "Shelf"]]:
    from parity.runners.process import SideProcess
    from parity.runners.recording import Shelf
    from parity.runners.remote import RemoteRunner
    from parity.runners.trace import read_trace

    teacher = None if asked.against is None else read_trace(asked.against)
    framework = asked.framework
    with tempfile.TemporaryFile(prefix="parity-") as file:
        theirs = None if teacher is None else teacher.shelf.descriptor
        spec = getattr(asked.target, framework)
        process = SideProcess(framework, spec, file.fileno(), asked.device, theirs, onednn=asked.onednn)
        try:
            shelf = Shelf(file.fileno())
            yield RemoteRunner(process, shelf), shelf
        finally:
            process.end()


def _started(asked: Capture, side: "Runner") -> "list[LayerInfo]":
    """The layers of the model that is built. Raises ParityError where it has unknown weights, or other kernels."""
    layers = side.start(asked.seed).result()
    if asked.framework == "keras":
        side.require_onednn(asked.onednn).result()
    _raise_on_unknown(side)
    return layers


def _alone(asked: Capture, side: "Runner", shelf: "Shelf") -> None:
    from parity.models.steps import NOTHING

    from .given import inputs_given

    layers = _started(asked, side)
    x = inputs_given(asked.target, asked.batch_size, asked.seed)
    if asked.framework == "torch":
        x = side.fitted(x, asked.seed).result()
    else:
        layers = side.meet(x).result()
        _raise_on_unknown(side)
    if asked.framework == "torch" and asked.weights == "copy":
        side.randomize(x, asked.seed).result()
    recording = side.record(x, asked.dtype, NOTHING, True).result()
    _write(asked, side, shelf, (layers, recording, x))


def _keras_beside_torch(asked: Capture, side: "Runner", shelf: "Shelf") -> None:
    from functools import partial

    from parity.models.steps import Look
    from parity.pairs.matching import match_steps
    from parity.runners.recorded import TraceRunner
    from parity.runners.trace import Stored, read_trace
    from parity.verdict.difference import structure_ok

    from .copying import copy_weights, held_weights
    from .options import Options
    from .outputs import introduced, without_lone_outputs
    from .prepare import prepared

    assert asked.against is not None
    teacher = read_trace(asked.against)
    torch, x, dtype = TraceRunner(teacher), teacher.input(), teacher.header.dtype
    options = Options(dtype, x.batch, asked.seed, asked.weights, name_map=asked.name_map)
    _started(asked, side)
    layers = torch.start(asked.seed).result(), side.meet(x).result()
    _raise_on_unknown(side)
    recorded = torch.record(x, dtype)
    x, options = introduced(side, x, recorded.result(), options)
    way = copy_weights if options.weights == "copy" else held_weights
    ready = prepared(torch, side, layers, x, recorded, options, partial(way, torch, side))
    wiring, _ = without_lone_outputs(match_steps(ready.recording.steps, ready.keras_steps))
    look = Look(wiring.watch)
    torch.record(x, dtype, look).result()  # says so if the trace lacks what must be watched
    recording = side.record(x, dtype, look, True).result()
    common = ready.recording.only(wiring.steps)
    forced = {found.key: found.added for found in side.forced(common, look)}
    wrong = frozenset(key for key, added in forced.items() if not structure_ok(added))
    kept = []
    _behind(shelf)
    if wrong:
        kept = [
            Stored(f"forced/{found.key}", shelf, shelf.put(found.output))
            for found in side.forced(common, replace(look, want=wrong))
            if found.key in wrong and found.output is not None
        ]
    seen = ready.keras_layers, recording, x
    _write(asked, side, shelf, seen, kept, forced=forced, against=teacher.header.identity, dtype=dtype)


def _behind(shelf: "Shelf") -> None:
    """Go on behind what the side's process has put on the shelf."""
    shelf.end = os.fstat(shelf.descriptor).st_size


def _raise_on_unknown(side: "Runner") -> None:
    unknown = side.unknown_weights().result()
    raise_on_unknown([unknown if name == side.framework else [] for name in NAMES], NAMES)


def _write(asked: Capture, side: "Runner", shelf: "Shelf", seen: Any, kept: Any = (), **more: Any) -> None:
    from parity.runners.trace import Header, Stored, described, stored_inputs, write_trace

    layers, recording, x = seen
    environment = side.environment().result()
    common = {"dtype": asked.dtype, "notes": recording.notes} | more
    header = Header(
        side.framework,
        asked.target.name,
        seed=asked.seed,
        steps=recording.steps,
        layers=layers,
        environment=environment,
        rounding=recording.rounding,
        inputs=described(x),
        **common,
    )
    _behind(shelf)
    arrays = [*stored_inputs(x, shelf), *kept]
    for name in ("weights", "outputs", "lows"):
        places = getattr(recording, name)
        arrays += [Stored(f"{name.removesuffix('s')}/{key}", shelf, place) for key, place in places.items()]
    write_trace(asked.output, header, arrays)


def _raise_unless_comparable(ours: "Trace", theirs: "Trace") -> None:
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
    inputs = [trace.input().arrays for trace in (ours, theirs)]
    pairs = [(array, inputs[1].get(name, np.empty(0))) for name, array in inputs[0].items()]
    if inputs[0].keys() != inputs[1].keys() or not all(np.array_equal(*pair) for pair in pairs):
        raise ParityError(
            "both traces must have run on the same input, and did not; capture Keras's with --against torch's trace"
        )
