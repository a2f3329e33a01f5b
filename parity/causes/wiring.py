"""An input that other steps feed on the two sides -> which of the reference's tensors the other side takes."""

from collections.abc import Iterator

from .evidence import Evidence, Guess


def wiring_guesses(evidence: Evidence) -> Iterator[Guess]:
    """Keras takes what another step of torch's gives: one behind it, where operations have changed places."""
    for name, output in evidence.others.items():
        if output.shape != evidence.keras.shape:
            continue
        if name in evidence.behind:
            what = f"Keras runs {name} before this, and torch behind it: two operations are exchanged"
            yield "order of operations", output, what
        else:
            yield "fed from another tensor", output, f"Keras takes the output of {name} here, and torch another tensor"
