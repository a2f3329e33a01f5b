"""What people get wrong, as a table: for each kind of layer the changes to settings, weights and inputs to try.

A guess is (name of the cause, predicted output, what was done). The likeliest come first; the first that reproduces an
output names the cause. Adding a cause is adding a row or a line to the kind's list.
"""

from collections.abc import Callable, Iterator

from parity.models.arrays import Array

from . import reference as ref
from .evidence import Changes, Config, Evidence, Guess, same
from .inputs import _inputs
from .kernels import _conv_changes, _dense_changes
from .norms import _norm_changes
from .outputs import _activation, _outputs
from .pools import _pool_changes
from .reference import run
from .settings import _settings
from .uncopied import _uncopied


def predictions(evidence: Evidence) -> Iterator[tuple[str, Array, Array, str]]:
    """(name, prediction, what it should equal, what was done), the likeliest first, from both sides' point of view."""
    ours, theirs = evidence.configs
    yield from ((n, p, evidence.keras, w) for n, p, w in _settings(evidence, ours, theirs))
    for config, target, side in ((ours, evidence.keras, "Keras"), (theirs, evidence.torch, "torch")):
        declared = run(config, evidence.inputs)
        if declared is not None and same(declared, target):
            continue  # this output is as declared: it is the other side's that is not
        yield from ((n, p, target, f"{side} {w}") for n, p, w in _transforms(evidence, config))
    yield from ((n, p, evidence.keras, w) for n, p, w in _uncopied(evidence, ours, theirs))
    for target, side in ((evidence.keras, "Keras"), (evidence.torch, "torch")):
        yield from ((n, p, target, f"{side} {w}") for n, p, w in _activation(evidence, target))
    for base, target, side in ((evidence.torch, evidence.keras, "Keras"), (evidence.keras, evidence.torch, "torch")):
        yield from ((n, p, target, f"{side} {w}") for n, p, w in _outputs(evidence, base, target))
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
    for name, x, what in _inputs(evidence):
        predicted = run(config, (x,))
        if predicted is not None:
            yield name, predicted, what


TRANSFORMS: dict[str, Callable[[Evidence, Config], Changes]] = {
    "conv": _conv_changes,
    "batch_norm": _norm_changes,
    "dense": _dense_changes,
    "max_pool": _pool_changes,
    "avg_pool": _pool_changes,
}
