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
        self.told: dict[str, str] = {}  # layers of branches that their activations alone tell apart: what these are
        if self.known:
            self._heights, self._marks, self._looks = {}, {}, {}  # type: dict[str, int], dict[str, str], dict[str, str]
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
        """Branches of sums that have layers with weights, and the same ones: at most `told` tells them apart."""
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
        own, kind, commutes = self.signatures.get(key), named(self.steps[key].kind), self._commutes(key)
        self._heights[key] = max((self._heights[child] for child in children), default=0) + (own is not None)
        # A step without weights more or less makes no difference; an activation tells equal branches apart.
        for marks, mark in ((self._marks, own), (self._looks, own or (kind.name if kind.activation else None))):
            below = list(dict.fromkeys(marks[child] for child in children))
            below = sorted(below) if commutes else below
            alone = mark is None and len(below) == 1
            marks[key] = below[0] if alone else sha256(repr((mark, below)).encode()).hexdigest()

    def _commutes(self, key: str) -> bool:
        """Whether it does not matter in which order a step, or what makes a model's output, takes its inputs."""
        step = self.steps[key]
        return named(step.maker or step.kind).commutes

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
        if not (self._commutes(key) or self.steps[key].mixed):
            return children
        if self._commutes(key):
            children.sort(key=lambda child: (-self._heights[child], self._marks[child], self._looks[child]))
        for one, other in pairwise(children):
            if (self._heights[one], self._marks[one]) == (self._heights[other], self._marks[other]):
                self._tie(one, other)
        return children

    def _tie(self, one: str, other: str) -> None:
        a, b = self._weighted_before(one), self._weighted_before(other)
        if not (a - b and b - a):
            return
        if self._looks[one] != self._looks[other]:
            self.told |= dict.fromkeys(a - b, self._looks[one]) | dict.fromkeys(b - a, self._looks[other])
        self._ties.append([[key for key in self.steps if key in part] for part in (a - b, b - a)])

    def _weighted_before(self, key: str) -> set[str]:
        seen, waiting = set(), [key]
        while waiting:
            key = waiting.pop()
            if key not in seen:
                seen.add(key)
                waiting += self._children(key) or ()
        return seen & self.signatures.keys()
