"""The float64 runs of both sides, step beside step: once each freely, once Keras on what torch computed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .capture import Look, Record, Spool, Step
from .compare import Array, Difference
from .errors import ParityError
from .judge import Sums
from .pairs.matching import Wiring

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


def structure(torch: Any, keras: Any, wiring: Wiring, sums: dict[str, Sums], ticks: Ticks) -> None:
    """Both numbers of structure: both sides run freely, then Keras on what torch computed, which a file has kept."""
    with Spool() as kept:
        _inherited(torch, keras, wiring, sums, ticks, kept)
        _added(keras, wiring, sums, ticks, kept)


def _inherited(torch: Any, keras: Any, wiring: Wiring, sums: dict[str, Sums], ticks: Ticks, kept: Spool) -> None:
    """Both sides run freely; where their orders differ, the earlier Record waits for its partner."""
    look = Look(wiring.watch)
    torch.ask("stream", look)
    keras.ask("stream", look)
    ahead = _Ahead(torch.stream())
    for theirs in keras.stream():
        key = theirs.step.key
        if key in wiring.steps:
            entry, ours = sums.setdefault(key, Sums(wiring.steps[key])), ahead.pop(key)
            entry.add(ours, theirs)
            kept.write(key, ours.step.output)
            ticks.tick(entry.step.path)
    ahead.finish()


def _added(keras: Any, wiring: Wiring, sums: dict[str, Sums], ticks: Ticks, kept: Spool) -> None:
    """Keras runs again, every step of it on what torch computed: what differs now, this step alone has added."""
    keras.ask("forced", Look(wiring.watch))
    outputs = kept.read()  # in Keras's order, in which they were written
    while (key := keras.answer()) is not None:
        if key not in wiring.steps:
            keras.provide(None)
            continue
        written, output = next(outputs)
        if written != key:
            raise ParityError(f"keras must take the same steps each time, and ran {key} where it ran {written} before")
        keras.provide(output)
        difference, _ = keras.answer()
        sums[key].added += difference
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
