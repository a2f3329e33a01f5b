"""What is known of a faulty step goes in; what people get wrong, each with the output it would give, comes out.

A guess is (name of the cause, predicted output, what was done). The likeliest come first; the first that reproduces an
output names the cause. A cause is a row in the file of its family.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from parity.models.arrays import Array
from parity.models.attempts import attempt, attempts
from parity.models.edits import Mend

from .axes import ALONG_AXIS, JOIN, NORM, REDUCTION
from .casts import CAST
from .evidence import Config, Evidence, Guess
from .functions import AFFINE, OF_ONE, OF_TWO
from .inputs import input_guesses, input_sum_guesses
from .kernels import KERNELS
from .margins import CHANNEL_PAD, CROP, PAD
from .norms import NORMS, one_pass_guesses
from .orders import MOVE, SHUFFLE, output_order_guesses, weight_order_guesses
from .outputs import activation_guesses, output_guesses
from .pools import POOL, mode_before_guesses, padded_before_guesses
from .readings import reading_guesses
from .recurrent import RECURRENT
from .regions import region_guesses
from .rerun import factor, run
from .resizing import RESIZE
from .settings import setting_guesses
from .uncopied import weight_guesses
from .windows import WINDOWS
from .wiring import exchanged_guesses, wiring_guesses

ROWS = (*KERNELS, *NORMS, *WINDOWS, *RECURRENT)
FAMILIES = (
    CAST,
    POOL,
    PAD,
    CHANNEL_PAD,
    CROP,
    RESIZE,
    OF_ONE,
    OF_TWO,
    ALONG_AXIS,
    NORM,
    REDUCTION,
    JOIN,
    SHUFFLE,
    MOVE,
)
# Guesses that are made of both outputs come near to any: what they leave says nothing.
FROM_NUMBERS = {"order of the output", "constant factor", *AFFINE.causes.values()}
FITTED = (AFFINE,)  # to the numbers: where nothing is found that a program says

Prediction = tuple[str, Array, Array, str, Mend | None]


def predictions(evidence: Evidence) -> Iterator[Prediction]:
    """(name, prediction, what it should equal, what was done, what undoes it), the likeliest first, from both sides.

    A family of hypotheses that raises is left where it does: they are guesses, and the next one may hold.
    """
    ours, theirs = evidence.configs
    yield from _of(evidence.keras, "", exchanged_guesses, evidence)
    keras, torch = (evidence.keras, "Keras"), (evidence.torch, "torch")
    yield from _of(evidence.keras, "", setting_guesses, evidence, ours, theirs)
    for config, (target, side), (own, _), other in ((ours, keras, torch, theirs), (theirs, torch, keras, ours)):
        if attempt(partial(_declared, evidence, config, target), lambda _: False):
            continue  # this output is as declared: it is the other side's that is not
        known = {} if attempt(partial(_declared, evidence, config, own), lambda _: False) else other.static
        yield from _of(target, side, _transforms, evidence, config, known)
    yield from _of(evidence.keras, "", weight_order_guesses, evidence, ours, theirs)
    yield from _of(evidence.keras, "", weight_guesses, evidence, ours, theirs)
    yield from _of(evidence.keras, "", one_pass_guesses, evidence)
    for target, side in (keras, torch):
        yield from _of(target, side, activation_guesses, evidence, target)
    for base, (target, side) in ((evidence.torch, keras), (evidence.keras, torch)):
        yield from _of(target, side, output_guesses, evidence, base, target)
    if not evidence.calls:  # torch takes a step's output as it is
        yield from _of(evidence.keras, "", wiring_guesses, evidence)
    yield from _of(evidence.keras, "", padded_before_guesses, evidence)
    yield from _of(evidence.keras, "", mode_before_guesses, evidence)
    if not ours.weights and not theirs.weights:
        yield from _of(evidence.keras, "", reading_guesses, evidence, FAMILIES)
        yield from _of(evidence.keras, "", region_guesses, evidence)
        yield from _of(evidence.keras, "", wiring_guesses, evidence)
        yield from _of(evidence.keras, "", reading_guesses, evidence, FITTED)
    yield from _of(evidence.keras, "", input_sum_guesses, evidence, ours, theirs)
    yield from _of(evidence.keras, "", _factor, evidence)
    yield from _of(evidence.keras, "", output_order_guesses, evidence)


def _of(target: Array, side: str, family: Callable[..., Iterable[Guess]], *args: Any) -> Iterator[Prediction]:
    """A family's guesses as predictions of a side's output."""
    for name, predicted, what, *mend in attempts(partial(family, *args)):
        yield name, predicted, target, f"{side} {what}" if side else what, mend[0] if mend else None


def _declared(evidence: Evidence, config: Config, target: Array) -> bool:
    """Whether an output is what its own side's settings and weights make of the input."""
    declared = run(config, evidence.inputs)
    return declared is not None and evidence.same(declared, target)


def _factor(evidence: Evidence) -> Iterator[Guess]:
    times = factor(evidence.torch, evidence.keras)
    if times is not None:
        told = f"Keras's output is {times:.6g} times torch's"
        yield "constant factor", times * evidence.torch, told, Mend("affine", value=(times, 0.0))


def _transforms(evidence: Evidence, config: Config, known: dict[str, Any]) -> Iterator[Guess]:
    """The layer as one side declares it, changed as people get it wrong.

    known: what the other side declares, where this one's output is not as it declares itself: a setting in which they
    differ, changed to the other's, gives the other's output then, and says nothing of this one's.
    """
    fitting = [row for row in ROWS if row.fits(config)] if evidence.inputs else []
    for row in fitting:
        for changes, what in attempts(partial(row.changes, evidence, config)):
            if known and all(name in known and known[name] != config.static.get(name) for name in changes):
                continue
            predicted = _rerun(config, evidence.inputs, changes)
            if predicted is not None:
                yield row.name, predicted, what
    for name, x, what in input_guesses(evidence) if fitting else ():
        predicted = _rerun(config, (x,), {})
        if predicted is not None:
            yield name, predicted, what


def _rerun(config: Config, inputs: tuple[Array, ...], changes: dict[str, Any]) -> Array | None:
    """The layer's output with these changes; None where it cannot be run so, as a kernel that is turned may not fit."""
    return attempt(partial(run, config, inputs, **changes), lambda _: None)
