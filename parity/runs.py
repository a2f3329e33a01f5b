"""Keras beside torch's recording: once freely, once every step on what torch computed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .capture import Look
from .judge import Sums
from .pairs.matching import Wiring
from .recording import Recording

Progress = Callable[[str, int, int], None]


@dataclass
class Ticks:
    """Counts steps for the progress bar."""

    progress: Progress
    total: int
    done: int

    def tick(self, path: str) -> None:
        self.done += 1
        self.progress(path, self.done, self.total)


def recorded(torch: Any, recording: Recording, x: Any, dtype: str, wiring: Wiring) -> Recording:
    """A recording that has all steps of the wiring: an input that other steps feed on either side is one too."""
    if wiring.watch <= recording.outputs.keys():
        return recording
    again: Recording = torch.call("record", x, dtype, Look(wiring.watch))
    return again


def structure(recording: Recording, keras: Any, wiring: Wiring, sums: dict[str, Sums], ticks: Ticks) -> None:
    """Add both numbers of structure, and the rounding, of every step."""
    common, look = recording.only(wiring.steps), Look(wiring.watch)
    keras.ask("compare", common, look)
    for found in keras.stream():
        entry = sums.setdefault(found.key, Sums(wiring.steps[found.key]))
        entry.add(recording.rounding.get(found.key), found)
        ticks.tick(entry.step.path)
    keras.ask("forced", common, look)
    for found in keras.stream():
        sums[found.key].added += found.added
        ticks.tick(sums[found.key].step.path)
