"""The graph of a model's steps, as far as it was seen, and an order of them that does not depend on the framework.

A functional Keras model runs its branches level by level, torch one after the other. Put in order from the output
back, each step after what it works on, both are one list.
"""

from hashlib import sha256
from itertools import pairwise
from typing import Any

from parity.models.kinds import named
from parity.models.steps import StepInfo


class Flow:
    """`signatures` are those of the steps with weights."""

    def __init__(self, steps: list[StepInfo], signatures: dict[str, Any]) -> None:
        self.steps = {step.key: step for step in steps}
        self.signatures = signatures
        self.known = all(self._children(key) is not None for key in self.steps)
        self._order: list[str] = []
        self._ties: list[list[list[str]]] = []
        if self.known:
            self._heights, self._marks = {}, {}  # type: dict[str, int], dict[str, str]
            for key in self.steps:
                self._measure(key)
            for key in reversed(self.steps):
                self._append(key)

    def order(self) -> list[str] | None:
        """The steps that are layers or functions; None where an operation was not seen."""
        if not self.known:
            return None
        return [key for key in self._order if "<" not in key and self.steps[key].kind != "output"]

    def ties(self) -> list[list[list[str]]]:
        """Branches of sums that have layers with weights, and the same ones: nothing tells them apart."""
        return self._ties

    def _children(self, key: str) -> list[str] | None:
        """The steps that a step works on, glue included."""
        step = self.steps[key]
        if "<" in key or (step.kind == "output" and step.sources == ("glue",)):
            return None if step.origins is None else [origin for origin in step.origins if origin in self.steps]
        names = (f"{key}<{i}" if source == "glue" else source for i, source in enumerate(step.sources))
        return [name for name in names if name in self.steps]

    def _measure(self, key: str) -> None:
        """Steps come in the order of execution: what they work on is measured already."""
        children = [child for child in self._children(key) or () if child in self._heights]
        own = self.signatures.get(key)
        self._heights[key] = max((self._heights[child] for child in children), default=0) + (own is not None)
        marks = list(dict.fromkeys(self._marks[child] for child in children))
        if named(self.steps[key].kind).commutes:
            marks = sorted(marks)
        if own is None and len(marks) == 1:
            self._marks[key] = marks[0]  # a step without weights more or less makes no difference
        else:
            self._marks[key] = sha256(repr((own, marks)).encode()).hexdigest()

    def _append(self, last: str) -> None:
        """A step behind all that it works on, if it is not in the list yet."""
        done, waiting = set(self._order), [(last, False)]
        while waiting:
            key, ready = waiting.pop()
            if key in done:
                continue
            if ready:
                done.add(key)
                self._order.append(key)
                continue
            waiting.append((key, True))
            waiting += [(child, False) for child in reversed(self._sorted(key)) if child not in done]

    def _sorted(self, key: str) -> list[str]:
        children = list(dict.fromkeys(self._children(key) or ()))
        if not named(self.steps[key].kind).commutes:
            return children
        children.sort(key=lambda child: (-self._heights[child], self._marks[child]))
        for one, other in pairwise(children):
            if (self._heights[one], self._marks[one]) == (self._heights[other], self._marks[other]):
                self._tie(one, other)
        return children

    def _tie(self, one: str, other: str) -> None:
        a, b = self._weighted_before(one), self._weighted_before(other)
        if a - b and b - a:
            self._ties.append([[key for key in self.steps if key in part] for part in (a - b, b - a)])

    def _weighted_before(self, key: str) -> set[str]:
        seen, waiting = set(), [key]
        while waiting:
            key = waiting.pop()
            if key not in seen:
                seen.add(key)
                waiting += self._children(key) or ()
        return seen & self.signatures.keys()
