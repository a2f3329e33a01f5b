"""What is known of a faulty step goes in; what people get wrong, each with the output it would give, comes out.

A guess is (name of the cause, predicted output, what was done). The likeliest come first; the first that reproduces an
output names the cause. A cause is a row in the file of its family.
"""

from collections.abc import Iterator

from parity.models.arrays import Array

from .evidence import Config, Evidence, Guess
from .inputs import input_guesses
from .kernels import KERNELS
from .norms import NORMS, one_pass_guesses
from .outputs import activation_guesses, output_guesses
from .rerun import factor, run
from .settings import setting_guesses
from .uncopied import weight_guesses
from .windows import WINDOWS

ROWS = (*KERNELS, *NORMS, *WINDOWS)


def predictions(evidence: Evidence) -> Iterator[tuple[str, Array, Array, str]]:
    """(name, prediction, what it should equal, what was done), the likeliest first, from both sides' point of view."""
    ours, theirs = evidence.configs
    yield from ((n, p, evidence.keras, w) for n, p, w in setting_guesses(evidence, ours, theirs))
    for config, target, side in ((ours, evidence.keras, "Keras"), (theirs, evidence.torch, "torch")):
        declared = run(config, evidence.inputs)
        if declared is not None and evidence.same(declared, target):
            continue  # this output is as declared: it is the other side's that is not
        yield from ((n, p, target, f"{side} {w}") for n, p, w in _transforms(evidence, config))
    yield from ((n, p, evidence.keras, w) for n, p, w in weight_guesses(evidence, ours, theirs))
    yield from ((n, p, evidence.keras, w) for n, p, w in one_pass_guesses(evidence))
    for target, side in ((evidence.keras, "Keras"), (evidence.torch, "torch")):
        yield from ((n, p, target, f"{side} {w}") for n, p, w in activation_guesses(evidence, target))
    for base, target, side in ((evidence.torch, evidence.keras, "Keras"), (evidence.keras, evidence.torch, "torch")):
        yield from ((n, p, target, f"{side} {w}") for n, p, w in output_guesses(evidence, base, target))
    times = factor(evidence.torch, evidence.keras)
    if times is not None:
        yield "constant factor", times * evidence.torch, evidence.keras, f"Keras's output is {times:.6g} times torch's"


def _transforms(evidence: Evidence, config: Config) -> Iterator[Guess]:
    """The layer as one side declares it, changed as people get it wrong."""
    fitting = [row for row in ROWS if row.fits(config)] if evidence.inputs else []
    for row in fitting:
        for changes, what in row.changes(evidence, config):
            predicted = run(config, evidence.inputs, **changes)
            if predicted is not None:
                yield row.name, predicted, what
    for name, x, what in input_guesses(evidence) if fitting else ():
        predicted = run(config, (x,))
        if predicted is not None:
            yield name, predicted, what
