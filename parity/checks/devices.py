"""`--devices`: both frameworks on every device against one float64 reference, torch's on the CPU.

Every cell of the matrix runs in a process of its own, with the same weights and input, in float64 and in the asked
dtype. Structure is its float64 run against the reference, arithmetic its own rounding, judged beside the best cell's as
`compare.arithmetic_bound` judges two sides. On CUDA each framework also runs with TF32 allowed: shown, never judged.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from parity.models.inputs import Inputs
from parity.models.steps import Look
from parity.pairs.matching import match_steps
from parity.pairs.pairing import pair
from parity.runners.recording import Recording
from parity.runners.runner import Runner
from parity.verdict.devices import Cell, judged

from .options import Options
from .outputs import introduced

Open = Callable[[str, str], AbstractContextManager[Runner]]  # (framework, device) -> a side that runs there


def require(devices: tuple[str, ...], open_side: Open) -> None:
    """Raise ParityError if either framework cannot use one of the devices."""
    for device in devices:
        for framework in ("torch", "keras") if device != "cpu" else ():
            with open_side(framework, device) as side:
                side.require_device().result()


def matrix(x: Inputs, devices: tuple[str, ...], options: Options, open_side: Open) -> tuple[Cell, ...]:
    """Run every cell on x, and judge it. Raises ParityError where a framework cannot use a device."""
    with open_side("torch", "cpu") as torch:
        layers = torch.start(options.seed).result()
        x = next(torch.fitted(x, options.seed).result().slices(options.slice_size))
        if options.weights == "copy" and options.randomize:
            torch.randomize(x, options.seed).result()
        recording = torch.record(x, options.dtype, Look(), True).result()
        cells = tuple(
            cell
            for device in devices
            for framework in ("torch", "keras")
            for cell in _cells(framework, device, (layers, recording, x), options, open_side)
        )
    return judged(cells, options.dtype)


def _cells(framework: str, device: str, reference: Any, options: Options, open_side: Open) -> Iterator[Cell]:
    layers, recording, x = reference
    with open_side(framework, device) as side:
        side.start(options.seed).result()
        own = side.meet(x).result()
        if framework == "keras":
            x, options = introduced(side, x, recording, options)
        if framework == "torch" or options.weights == "copy":
            _same_weights(side, framework, own, layers, recording, x, options)
        for tf32 in (False, True) if device == "cuda" and options.dtype == "float32" else (False,):
            side.allow_tf32(tf32).result()
            steps = side.prepare(x, options.dtype).result()
            wiring = match_steps(recording.steps, steps)
            common = recording.only(wiring.steps)
            compared = side.compare(common, Look())
            found = {wiring.steps[entry.key].path: (entry.inherited, entry.rounding) for entry in compared}
            yield Cell(framework, device, tf32, found)


def _same_weights(
    side: Runner, framework: str, own: Any, layers: Any, recording: Recording, x: Inputs, options: Options
) -> None:
    if framework == "keras":
        side.require_onednn(options.onednn).result()
        steps = side.prepare(x, options.dtype).result()
        pairing = pair(layers, recording.steps, own, steps, options.name_map)
        if pairing.changes:
            side.rename(pairing.keras, pairing.layers, pairing.orders).result()
    side.load(recording.weights).result()
