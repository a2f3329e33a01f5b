"""One side's recording, and a step of the other -> the recorded steps whose tensors it equals, and how it lies."""

from parity.models.arrays import Array, View
from parity.models.steps import Step, info
from parity.verdict.difference import difference, structure_ok
from parity.verdict.fingerprint import Fingerprint, fingerprint, view_of
from parity.verdict.measured import Met, is_output

from .recording import Recording, Shelf

MOST_PARTNERS = 8  # equal tensors of one run that are told of: what returns its input makes more than one


class Meeting:
    """A recording's tensors, to be found by their numbers, in time that grows with the tensors and not their pairs."""

    def __init__(self, recording: Recording, shelf: Shelf) -> None:
        self._places, self._shelf = recording.outputs, shelf
        self._known: dict[int, list[tuple[str, Fingerprint]]] = {}
        for key, place in recording.outputs.items():
            print_ = fingerprint(shelf.view(place))
            if print_ is not None:
                self._known.setdefault(print_.length, []).append((key, print_))

    def met(self, step: Step) -> Met:
        """The step without its numbers, with its partners."""
        found: dict[str, View | None] = {}
        own = fingerprint(step.output)
        candidates = [] if own is None else self._known.get(own.length, [])
        near = [key for key, other in candidates if own is not None and own.near(other)]
        if is_output(step.key) and step.key in self._places and step.key not in near:
            near.append(step.key)  # an output is compared whatever it holds
        for key in near[: MOST_PARTNERS if not is_output(step.key) else None]:
            wanted = self._shelf.view(self._places[key])
            if structure_ok(difference(step.output, wanted)):
                found[key] = None
            elif (view := _view(step.raw, wanted)) is not None:
                found[key] = view
        return Met(info(step), found)


def _view(raw: Array | None, wanted: Array) -> View | None:
    return None if raw is None else view_of(raw, wanted)
