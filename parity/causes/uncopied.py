"""Both sides' tensors of one layer -> a weight that was not copied, or that has another's place."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from parity.models.arrays import Array

from .evidence import Config, Evidence, Guess
from .rerun import run

NAMES = {  # the cause, by the tensors that have one another's place
    frozenset({"running_mean", "running_var"}): "mean and variance swapped",
    frozenset({"weight", "bias"}): "gamma and beta swapped",
}


def exchanged(ours: Config, theirs: Config) -> tuple[str, str] | None:
    """The cause and what was found, where Keras holds two of torch's tensors as one another, number for number."""
    names = ours.weights.keys() & theirs.weights.keys()
    for one, other in combinations(sorted(names), 2):
        a, b = ours.weights[one], ours.weights[other]
        if (
            not np.array_equal(a, b)
            and np.array_equal(theirs.weights[one], b)
            and np.array_equal(theirs.weights[other], a)
        ):
            name = NAMES.get(frozenset({one, other}), f"{one} and {other} swapped")
            return name, f"Keras's {one} is torch's {other}, and its {other} torch's {one}, number for number"
    return None


def weight_guesses(evidence: Evidence, ours: Config, theirs: Config) -> Iterator[Guess]:
    """torch's layer with Keras's weights: no named transform made them, they are other weights."""
    names = [k for k in ours.weights if k in theirs.weights and not np.array_equal(ours.weights[k], theirs.weights[k])]
    extra = [k for k in theirs.weights if k not in ours.weights]
    for name in extra:
        predicted = run(ours, evidence.inputs, **{name: theirs.weights[name]})
        if predicted is not None:
            yield f"missing or extra {name}", predicted, f"torch's layer run with Keras's {name}, which torch has not"
    for chosen in [[name] for name in names] + ([names] if len(names) > 1 else []):
        gone = dict.fromkeys(k for k in ours.weights if k not in theirs.weights) if len(chosen) == len(names) else {}
        predicted = run(ours, evidence.inputs, **gone, **{name: theirs.weights[name] for name in chosen})
        if predicted is not None:
            share = ", ".join(f"{k} ({_changed(ours.weights[k], theirs.weights[k])})" for k in chosen)
            yield "weight not copied", predicted, f"torch's layer run with Keras's own {share}"


def _changed(a: Array, b: Array) -> str:
    if a.shape != b.shape:
        return f"shapes {list(a.shape)} and {list(b.shape)}"
    return f"{np.count_nonzero(a != b)} of {a.size} numbers differ"
