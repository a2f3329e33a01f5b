"""Two paired sides and sizes of an image -> whether their outputs are the same at each: what one size cannot show.

Padding "same", a ceiling in a pool and margins come to the same pixels at some sizes and not at others.
"""

from collections.abc import Iterator
from dataclasses import replace

from parity.errors import ModelError, ParityError
from parity.models.inputs import Inputs
from parity.models.probes import probe_input
from parity.models.steps import NOTHING
from parity.pairs.pairing import Pairing
from parity.runners.runner import Runner
from parity.verdict.difference import float32_ok, structure_ok
from parity.verdict.measured import Compared
from parity.verdict.sizes import AtSize

from .options import Options


def other_parity(x: Inputs) -> tuple[tuple[int, ...], ...]:
    """A size of the other parity, for one image or sequence; none for other inputs."""
    spatial = x.first.shape[2:]
    whole = len(x.arrays) > 1 or not spatial or x.first.dtype.kind != "f"
    return () if whole else (tuple(size + 1 for size in spatial),)


def at_sizes(
    torch: Runner, keras: Runner, pairing: Pairing, x: Inputs, sizes: tuple[tuple[int, ...], ...], options: Options
) -> Iterator[AtSize]:
    """Run both sides in float64 on an input of each size, with nothing but their outputs looked at.

    Both sides show no other steps from then on. A size that a model does not take is passed over, or, where it was
    asked for, raises the ParityError that says so.
    """
    outputs = [replace(side.of_weights, only=frozenset()) for side in (pairing.torch, pairing.keras)]
    torch.rename(outputs[0], {}, {}).result()
    keras.rename(outputs[1], pairing.layers, pairing.orders).result()
    for size in sizes:
        shape = _spatial(size, x)
        try:
            yield _compared(torch, keras, x, shape, options)
        except ModelError as error:
            if options.shapes:
                raise ParityError(f"--shapes {'x'.join(map(str, size))}: {error}") from error


def _spatial(size: tuple[int, ...], x: Inputs) -> tuple[int, ...]:
    rank = x.first.ndim - 2
    shape = size * rank if len(size) == 1 else size
    if len(shape) != rank or len(x.arrays) > 1:
        raise ParityError(
            f"--shapes must give one number, or one for each of the {rank} spatial axes of the only input, and gives "
            f"{'x'.join(map(str, size))}; correct it"
        )
    return shape


def _compared(torch: Runner, keras: Runner, x: Inputs, shape: tuple[int, ...], options: Options) -> AtSize:
    (name,) = x.arrays
    other = replace(x, arrays={name: probe_input((x.batch, x.first.shape[1], *shape), options.seed)})
    recorded = torch.record(other, "float64", NOTHING)
    keras.prepare(other, "float64").result()
    recording = recorded.result()
    found = list(keras.compare(recording, NOTHING))
    same = bool(found) and all(_same(each, each.narrow or recording.narrow.get(each.key)) for each in found)
    errors = (each.inherited.error if each.inherited.finite else float("inf") for each in found)
    worst = max(errors, default=float("inf"))
    return AtSize(shape, bool(options.shapes), same, worst)


def _same(found: Compared, narrow: str | None) -> bool:
    """Whether an output is the same; narrow: what in the model was in float32."""
    return structure_ok(found.inherited) or (narrow is not None and float32_ok(found.inherited))
