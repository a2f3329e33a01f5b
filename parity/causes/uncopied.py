"""A tensor that one side has and the other not: a weight that was not copied."""

from collections.abc import Iterator

import numpy as np

from parity.models.arrays import Array

from .evidence import Config, Evidence, Guess
from .rerun import run


def weight_guesses(evidence: Evidence, ours: Config, theirs: Config) -> Iterator[Guess]:
    """torch's layer with Keras's weights: no named transform made them, they are other weights."""
    names = [k for k in ours.weights if k in theirs.weights and not np.array_equal(ours.weights[k], theirs.weights[k])]
    extra = [k for k in theirs.weights if k not in ours.weights]
    for name in extra:
        predicted = run(ours, evidence.inputs, **{name: theirs.weights[name]})
        if predicted is not None:
            yield f"missing or extra {name}", predicted, f"torch's layer run with Keras's {name}, which torch has not"
    for chosen in [[name] for name in names] + ([names] if len(names) > 1 else []):
        predicted = run(ours, evidence.inputs, **{name: theirs.weights[name] for name in chosen})
        if predicted is not None:
            share = ", ".join(f"{k} ({_changed(ours.weights[k], theirs.weights[k])})" for k in chosen)
            yield "weight not copied", predicted, f"torch's layer run with Keras's own {share}"


def _changed(a: Array, b: Array) -> str:
    if a.shape != b.shape:
        return f"shapes {list(a.shape)} and {list(b.shape)}"
    return f"{np.count_nonzero(a != b)} of {a.size} numbers differ"
