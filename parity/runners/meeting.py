"""One side's recording, and a step of the other -> the recorded steps whose tensors it equals, and how it lies."""

from parity.models.arrays import Array, View
from parity.models.steps import Step, info, is_output
from parity.verdict.difference import difference, float32_ok, structure_ok
from parity.verdict.fingerprint import COARSE, Fingerprint, fingerprint, view_of
from parity.verdict.measured import Met
from parity.verdict.narrow import Narrow

from .recording import Recording, Shelf

MOST_PARTNERS = 8  # equal tensors of one run that are told of: what returns its input makes more than one


class Meeting:
    """A recording's tensors, to be found by their numbers, in time that grows with the tensors and not their pairs.

    likely: the recorded step that a step is by its place or name. Such a pair needs no proof by its numbers, only that
    they are equal: what is dead, or holds hardly any different numbers, is no reason to take it for another.
    """

    def __init__(self, recording: Recording, shelf: Shelf, likely: dict[str, str]) -> None:
        self._places, self._shelf, self._likely = recording.outputs, shelf, likely
        whole = Narrow()
        self._narrow = {step.key for step in recording.steps if whole.of(step, recording.narrow.get(step.key))}
        self._own, self._own_narrow = Narrow(), set[str]()
        self._known: dict[int, list[tuple[str, Fingerprint]]] = {}
        for key, place in recording.outputs.items():
            print_ = fingerprint(shelf.view(place))
            if print_ is not None:
                self._known.setdefault(print_.length, []).append((key, print_))

    def note(self, step: Step) -> None:
        """Be told of every step, in order of execution: behind one that computes in float32 none is without."""
        if self._own.of(step, step.narrow):
            self._own_narrow.add(step.key)

    def met(self, step: Step) -> Met:
        """The step without its numbers, with its partners."""
        found: dict[str, View | None] = {}
        own = fingerprint(step.output)
        candidates = [] if own is None else self._known.get(own.length, [])
        near = [key for key, other in candidates if own is not None and own.near(other)]
        known = step.key if is_output(step.key) else self._likely.get(step.key, "")
        if known in self._places and known not in near:
            near.insert(0, known)  # what is one by more than its numbers is compared whatever it holds
        for key in near[: MOST_PARTNERS if not is_output(step.key) else None]:
            wanted = self._shelf.view(self._places[key])
            if structure_ok(difference(step.output, wanted)):
                found[key] = None
            elif (view := _view(step.raw, wanted, is_output(step.key))) is not None:
                found[key] = view
        if not found and (nearly := self.nearly(step)) is not None:
            found[nearly] = None
        return Met(info(step), found)

    def nearly(self, step: Step) -> str | None:
        """The recorded step that a step equals but for float32, in which one of the two has computed."""
        narrow = step.key in self._own_narrow
        own = None if not (narrow or self._narrow) else fingerprint(step.output)
        for key, other in self._known.get(own.length, []) if own is not None else ():
            if (narrow or key in self._narrow) and own is not None and own.near(other, COARSE):
                found = difference(step.output, self._shelf.view(self._places[key]))
                if not structure_ok(found) and float32_ok(found):
                    return key
        return None


def _view(raw: Array | None, wanted: Array, last: bool) -> View | None:
    return None if raw is None else view_of(raw, wanted, last)
