"""What people get wrong, as a table: for each kind of layer the changes to settings, weights and inputs to try.

A guess is (name of the cause, predicted output, what was done). The likeliest come first; the first that reproduces an
output names the cause. Adding a cause is adding a row or a line to the kind's list.
"""

from collections.abc import Callable, Iterator

from parity.models.arrays import Array

from . import reference as ref
from .evidence import Changes, Config, Evidence, Guess, same
from .inputs import input_guesses
from .kernels import conv_changes, dense_changes
from .norms import norm_changes
from .outputs import activation_guesses, output_guesses
from .pools import pool_changes
from .reference import run
from .settings import setting_guesses
from .uncopied import weight_guesses


def predictions(evidence: Evidence) -> Iterator[tuple[str, Array, Array, str]]:
    """(name, prediction, what it should equal, what was done), the likeliest first, from both sides' point of view."""
    ours, theirs = evidence.configs
    yield from ((n, p, evidence.keras, w) for n, p, w in setting_guesses(evidence, ours, theirs))
    for config, target, side in ((ours, evidence.keras, "Keras"), (theirs, evidence.torch, "torch")):
        declared = run(config, evidence.inputs)
        if declared is not None and same(declared, target):
            continue  # this output is as declared: it is the other side's that is not
        yield from ((n, p, target, f"{side} {w}") for n, p, w in _transforms(evidence, config))
    yield from ((n, p, evidence.keras, w) for n, p, w in weight_guesses(evidence, ours, theirs))
    for target, side in ((evidence.keras, "Keras"), (evidence.torch, "torch")):
        yield from ((n, p, target, f"{side} {w}") for n, p, w in activation_guesses(evidence, target))
    for base, target, side in ((evidence.torch, evidence.keras, "Keras"), (evidence.keras, evidence.torch, "torch")):
        yield from ((n, p, target, f"{side} {w}") for n, p, w in output_guesses(evidence, base, target))
    factor = ref.factor(evidence.torch, evidence.keras)
    if factor is not None:
        what = f"Keras's output is {factor:.6g} times torch's"
        yield "constant factor", factor * evidence.torch, evidence.keras, what


def _transforms(evidence: Evidence, config: Config) -> Iterator[Guess]:
    """The layer as one side declares it, changed as people get it wrong."""
    table = TRANSFORMS.get(config.kind)
    if table is None or not evidence.inputs:
        return
    for name, changes, what in table(evidence, config):
        predicted = run(config, evidence.inputs, **changes)
        if predicted is not None:
            yield name, predicted, what
    for name, x, what in input_guesses(evidence):
        predicted = run(config, (x,))
        if predicted is not None:
            yield name, predicted, what


TRANSFORMS: dict[str, Callable[[Evidence, Config], Changes]] = {
    "conv": conv_changes,
    "batch_norm": norm_changes,
    "dense": dense_changes,
    "max_pool": pool_changes,
    "avg_pool": pool_changes,
}
