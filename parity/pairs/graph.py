"""One run's steps -> what each was made of: the graph that regions are cut from."""

from collections.abc import Collection

from parity.models.steps import StepInfo


class Graph:
    """The steps of a run in order of execution, the inputs that operators made among them."""

    def __init__(self, steps: list[StepInfo]) -> None:
        self.steps = {step.key: step for step in steps}
        self._place = {key: number for number, key in enumerate(self.steps)}

    def is_output(self, key: str) -> bool:
        return self.steps[key].kind == "output"

    def path(self, key: str) -> str:
        return self.steps[key].path

    def before(self, key: str) -> tuple[str, ...] | None:
        """The steps that a step works on; None where an operation was not seen."""
        step = self.steps[key]
        if step.origins is not None and ("<" in key or self.is_output(key)):
            return tuple(origin for origin in step.origins if origin in self.steps)
        if "<" in key or (self.is_output(key) and "glue" in step.sources):
            return None
        found = (f"{key}<{i}" if source == "glue" else source for i, source in enumerate(step.sources))
        return tuple(name for name in found if name in self.steps)

    def between(self, end: str, cuts: Collection[str]) -> set[str]:
        """The steps that `end` works on, back to the cut points; where that was not seen, all since the last one."""
        seen: set[str] = set()
        waiting = [end]
        while waiting:
            key = waiting.pop()
            before = self.before(key)
            if before is None:
                before = tuple(self._since_last(key, cuts))
            new = [other for other in before if other not in cuts and other not in seen]
            seen.update(new)
            waiting += new
        return seen

    def _since_last(self, key: str, cuts: Collection[str]) -> list[str]:
        keys = list(self.steps)
        found = []
        for other in reversed(keys[: self._place[key]]):
            if other in cuts and "<" not in other:
                break
            found.append(other)
        return found

    def named(self, keys: set[str]) -> tuple[str, ...]:
        """Paths of layers and functions, in order of execution, for a reader."""
        ordered = sorted(
            (key for key in keys if "<" not in key and not self.is_output(key)), key=self._place.__getitem__
        )
        return tuple(dict.fromkeys(self.path(key) for key in ordered if not self.steps[key].free))

    def shared(self) -> frozenset[str]:
        """Inputs that operators made for one step and that others work on too, as inputs of all of these."""
        users = [(key, other) for key in self.steps for other in self.before(key) or () if "<" in other]
        first = {other for key, other in users if other.partition("<")[0] != key}
        feeds = ((f"{key}<{i}", other) for key, step in self.steps.items() for i, other in enumerate(step.sources))
        return frozenset(first | {own for own, other in feeds if other in first})
