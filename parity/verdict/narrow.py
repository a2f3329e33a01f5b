"""Steps in order of execution, and what of each was in float32 -> what was in the whole region that a step ends. Pure.

A step that only one side shows is a part of the next one that both have: so is what it computes in float32.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from parity.models.inputs import is_input
from parity.models.steps import Step, StepInfo, is_output

PART = re.compile(r"\[\d+\]$")  # of the name of what a step gives beside its first output


@dataclass
class Narrow:
    """Told every step of a run. ends: the keys of steps that end regions, behind which is another one."""

    ends: Collection[str] = ()
    _known: dict[str, str | None] = field(default_factory=dict)
    _latest: str | None = None  # what was in float32 since the last end

    def of(self, step: Step | StepInfo, own: str | None) -> str | None:
        """What was in float32 of the region that a step ends, or is in. own: of the step itself."""
        found = own or next(filter(None, map(self._of, self._inputs(step))), None)
        if step.key in self.ends:
            self._known[step.key] = None
            self._latest = None if "<" not in step.key else self._latest
        else:
            self._known[step.key] = found
            self._latest = found or self._latest
        return found

    def _of(self, key: str) -> str | None:
        return self._known.get(PART.sub("", key), None if is_input(key) else self._latest)

    def _inputs(self, step: Step | StepInfo) -> Iterator[str]:
        """The keys of what went into it; "glue" of what was not seen."""
        if "<" in step.key or (is_output(step.key) and step.origins is not None):
            yield from ("glue",) if step.origins is None else step.origins
            return
        for number, source in enumerate(step.sources):
            feeds = f"{step.key}<{number}"
            yield feeds if feeds in self._known else source
