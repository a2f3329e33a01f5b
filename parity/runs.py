"""The float64 runs of both sides, step beside step: once each freely, once Keras on what torch computed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .capture import Look, Record, Step
from .compare import Array, Difference
from .judge import Sums
from .matching import Wiring

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


def inherited(torch: Any, keras: Any, wiring: Wiring, sums: dict[str, Sums], ticks: Ticks) -> None:
    """Both sides run freely; where their orders differ, the earlier Record waits for its partner."""
    look = Look(wiring.watch)
    torch.ask("stream", look)
    keras.ask("stream", look)
    ahead = _Ahead(torch.stream())
    for theirs in keras.stream():
        key = theirs.step.key
        if key in wiring.steps:
            entry = sums.setdefault(key, Sums(wiring.steps[key]))
            entry.add(ahead.pop(key), theirs)
            ticks.tick(entry.step.path)
    ahead.finish()


def added(torch: Any, keras: Any, wiring: Wiring, sums: dict[str, Sums], ticks: Ticks) -> None:
    """Keras runs again, every step of it on what torch computed: what differs now, this step alone has added."""
    for key, _, added, _ in forced_run(torch, keras, wiring, Look(wiring.watch)):
        sums[key].added += added
        ticks.tick(sums[key].step.path)


def forced_run(
    torch: Any, keras: Any, wiring: Wiring, look: Look
) -> Iterator[tuple[str, Step, Difference, Array | None]]:
    """(key, torch's step, how Keras's output differs on torch's input, that output if wanted), in Keras's order."""
    torch.ask("replay", look)
    keras.ask("forced", look)
    ahead = _Ahead(torch.stream())
    while (key := keras.answer()) is not None:
        if key not in wiring.steps:
            keras.provide(None)
            continue
        step = ahead.pop(key).step
        keras.provide(step.output)
        added, own = keras.answer()
        yield key, step, added, own
    ahead.finish()


class _Ahead:
    """Records of one side, read until the one that is asked for; the others wait their turn."""

    def __init__(self, records: Iterator[Record]) -> None:
        self.records = records
        self.waiting: dict[str, Record] = {}

    def pop(self, key: str) -> Record:
        while key not in self.waiting:
            record = next(self.records)
            self.waiting[record.step.key] = record
        return self.waiting.pop(key)

    def finish(self) -> None:
        for _ in self.records:
            pass
