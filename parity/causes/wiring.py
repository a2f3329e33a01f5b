"""An input that other steps feed on the two sides -> which of the reference's tensors the other side takes."""

from collections.abc import Iterator

from parity.models.edits import Mend

from .evidence import Evidence, Guess


def exchanged_guesses(evidence: Evidence) -> Iterator[Guess]:
    """Keras takes what torch computes behind it: two operations have changed places."""
    for name in evidence.behind & evidence.others.keys():
        what = f"Keras runs {name} before this, and torch behind it: two operations are exchanged"
        yield "order of operations", evidence.others[name], what, Mend("exchange", name)


def wiring_guesses(evidence: Evidence) -> Iterator[Guess]:
    """Keras takes what another step of torch's gives."""
    for name in evidence.others.keys() - evidence.behind:
        what = f"Keras takes the output of {name} here, and torch another tensor"
        yield "fed from another tensor", evidence.others[name], what
