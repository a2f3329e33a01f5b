"""Both sides' tensors of one layer -> a weight that was not copied, or that has another's place."""

from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np

from parity.models.arrays import Array

from .evidence import Config, Evidence, Guess
from .rerun import rounded, run

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
            pairs = [(ours.weights[k], theirs.weights[k]) for k in chosen]
            name, told = _related(pairs) or (NOT_COPIED, "")
            whose = "; ".join(_from_elsewhere(evidence, chosen, pairs)) if name == NOT_COPIED else ""
            name, told = (OF_ANOTHER, whose) if whose else (name, told)
            yield name, predicted, f"torch's layer run with Keras's own {share}{f': {told}' if told else ''}"


def _related(pairs: list[tuple[Array, Array]]) -> tuple[str, str] | None:
    """What makes the one side's tensors of the other's, if one thing makes all: the name, and what was found."""
    return next(((name, told) for name, told, holds in RELATED if all(holds(a, b) for a, b in pairs)), None)


def _by_one_rounding(a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool((np.abs(a - b) <= np.spacing(np.abs(a).astype(np.float32))).all())


def _rounded_to(dtype: str) -> Callable[[Array, Array], bool]:
    return lambda a, b: (
        a.shape == b.shape and (np.array_equal(rounded(a, dtype), b) or np.array_equal(rounded(b, dtype), a))
    )


def _doubled(a: Array, b: Array) -> bool:
    return a.ndim == 1 and a.shape == b.shape and bool(np.allclose(2 * a, b, 1e-6, 0) or np.allclose(2 * b, a, 1e-6, 0))


def _rows_exchanged(a: Array, b: Array) -> bool:
    """Whether b holds the outputs, or the inputs, of a in another order."""
    return a.shape == b.shape and any(
        sorted(row.tobytes() for row in np.moveaxis(a, axis, 0))
        == sorted(row.tobytes() for row in np.moveaxis(b, axis, 0))
        for axis in range(min(2, a.ndim))
    )


def _as_made(a: Array, b: Array) -> bool:
    """Whether one side's is all 0 or all 1, as norms' tensors and biases are when they are made."""
    return any(
        bool((x == value).all()) and not bool((y == value).all()) for value in (0, 1) for x, y in ((a, b), (b, a))
    )


SIDES = ("torch", "Keras")
NOT_COPIED, OF_ANOTHER = "weight not copied", "weight of another layer"
RELATED: tuple[tuple[str, str, Callable[[Array, Array], bool]], ...] = (  # the name, what was found, and when it holds
    ("weight rounded", "at most one rounding of float32 apart, as numbers that were folded or cast", _by_one_rounding),
    ("weight rounded", "the one is the other rounded to bfloat16", _rounded_to("bfloat16")),
    ("weight rounded", "the one is the other rounded to float16", _rounded_to("float16")),
    ("bias doubled", "the one is twice the other", _doubled),
    ("channels of a weight permuted", "the same channels in another order", _rows_exchanged),
    (NOT_COPIED, "one side's numbers are all alike, as a layer has them when it is made", _as_made),
)


def _from_elsewhere(evidence: Evidence, names: list[str], pairs: list[tuple[Array, Array]]) -> Iterator[str]:
    """Whose these tensors are, where they are another layer's of the other side, number for number."""
    for name, sides in zip(names, pairs, strict=True):
        for side, held in enumerate(sides):
            for path, array in evidence.elsewhere(1 - side, name, held.shape):
                if np.array_equal(array, held):
                    yield f"{SIDES[side]}'s {name} is that of {SIDES[1 - side]}'s {path}, number for number"
                    return


def _changed(a: Array, b: Array) -> str:
    if a.shape != b.shape:
        return f"shapes {list(a.shape)} and {list(b.shape)}"
    return f"{np.count_nonzero(a != b)} of {a.size} numbers differ"
