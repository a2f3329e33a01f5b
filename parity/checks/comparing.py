"""Two prepared sides and slices of a batch -> the numbers of every step, step against step or region against region."""

from dataclasses import dataclass, field, replace

import numpy as np

from parity.models.arrays import Array
from parity.models.inputs import Inputs
from parity.models.steps import Look, StepInfo
from parity.pairs.matching import Wiring, match_steps
from parity.runners.recording import Recording
from parity.runners.runner import Runner
from parity.verdict.difference import structure_ok
from parity.verdict.narrow import Narrow
from parity.verdict.results import Sums, add_up

from .lost import judge_again
from .options import Options, Progress
from .outputs import Alone, without_lone_outputs
from .prepare import Prepared
from .regions import Regions, find_regions
from .ways import chosen


@dataclass(frozen=True)
class Compared:
    """What the runs gave.

    alone: outputs that one side alone gives. notes: what was compared as one, by step. live: whether sides were run
    for it. unlike: steps whose partner is another operation, fed otherwise.
    """

    sums: dict[str, Sums]
    wiring: Wiring
    alone: Alone = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    live: bool = True
    steps: list[StepInfo] = field(default_factory=list)
    keras_steps: list[StepInfo] = field(default_factory=list)
    by_value: bool = False
    unlike: frozenset[str] = frozenset()

    @property
    def clean(self) -> bool:
        """Whether both models have the same steps, fed by the same, and all are equal."""
        same = not any(self.wiring.loose) and not self.wiring.watch
        return same and all(structure_ok(entry.inherited) and structure_ok(entry.added) for entry in self.sums.values())

    @property
    def narrow(self) -> frozenset[str]:
        """The steps of which a part was computed in float32."""
        return frozenset(key for key, entry in self.sums.items() if entry.narrow)

    @property
    def faults(self) -> list[str]:
        """The steps that add an error, or, where none does, the first that has one."""
        added = [key for key, entry in self.sums.items() if not structure_ok(entry.added)]
        return added or [key for key, entry in self.sums.items() if not structure_ok(entry.inherited)][:1]

    def raise_on_loose(self) -> None:
        """What is in a trace cannot be run again to see whether a step that one side alone has matters."""
        if not self.live:
            self.wiring.raise_on_loose()


@dataclass(frozen=True)
class Comparing:
    """Both sides, and what they are run on."""

    torch: Runner
    keras: Runner
    slices: list[Inputs]
    options: Options
    progress: Progress

    def by_structure(self, ready: Prepared) -> Compared:
        """Every step beside the one that has its name, or its place."""
        return self._compared(self.slices, (ready.recording, ready.keras_steps))

    def by_value(self, ready: Prepared, found: Compared) -> tuple[Prepared, Compared]:
        """Every region between steps that are equal; those at fault step by step. `found`: what `by_structure` gave."""
        regions = find_regions(self.torch, self.keras, ready.pairing, self.slices[0])
        if regions is None:
            return ready, replace(found, live=False)
        if not regions.agree and len(ready.pairing.trials) > 1 and self.options.weights == "copy":
            ready = chosen(self.torch, self.keras, ready, self.slices[0])
            regions = find_regions(self.torch, self.keras, ready.pairing, self.slices[0]) or regions
        if not regions.agree and regions.orders != ready.pairing.orders:
            pairing = replace(ready.pairing, orders=regions.orders)
            ready = ready.again(self.torch, self.keras, self.slices[0], pairing)
            regions = find_regions(self.torch, self.keras, ready.pairing, self.slices[0]) or regions
        ready, found = self._by_regions(ready, regions)
        if found.faults:
            ready, found = self._by_regions(ready, regions.opened(found.faults))
        return ready, found

    def _by_regions(self, ready: Prepared, regions: Regions) -> tuple[Prepared, Compared]:
        pairing = regions.pairing_by_value
        self.torch.rename(pairing.torch, {}, {}).result()
        self.keras.rename(pairing.keras, pairing.layers, pairing.orders).result()
        # What is equal by value on one draw must be so on another.
        slices = [*self.slices, redrawn(self.slices[0], self.options.seed)]
        found = self._compared(slices, None, regions)
        notes = dict(regions.notes())
        return replace(ready, pairing=pairing), replace(found, notes=notes, by_value=True, unlike=regions.unlike)

    def _compared(
        self,
        slices: list[Inputs],
        first: tuple[Recording, list[StepInfo]] | None = None,
        regions: Regions | None = None,
    ) -> Compared:
        sums: dict[str, Sums] = {}
        for number, x in enumerate(slices):
            dtype = self.options.dtype if number < len(self.slices) else "float64"  # another draw is of structure alone
            recording, steps = self._run(x, dtype) if first is None or number > 0 else first
            doubtful = None if regions is None else regions.cuts.doubtful
            matched = match_steps(recording.steps, steps, doubtful)
            wiring, alone = without_lone_outputs(matched, [*recording.steps, *steps])
            recording = watched(self.torch, recording, x, dtype, wiring)
            ticks = Ticks(self.progress, 2 * len(slices) * len(wiring.steps), 2 * number * len(wiring.steps))
            found = structure(recording, self.keras, wiring, ticks)
            judge_again(found, recording, self.torch, self.keras, wiring)
            add_up(sums, found)
        return Compared(sums, wiring, alone, steps=recording.steps, keras_steps=steps)

    def _run(self, x: Inputs, dtype: str) -> tuple[Recording, list[StepInfo]]:
        recorded = self.torch.record(x, dtype)
        steps = self.keras.prepare(x, dtype).result()
        return recorded.result(), steps


def redrawn(x: Inputs, seed: int) -> Inputs:
    """Other inputs of the same numbers in another order: as much within the model's range as x is.

    Masks are exchanged between samples alone: none then leaves nothing over. Of whole numbers a zero stays where it
    is: it is what short sequences are filled up with, and a program may take it that none follows.
    """
    draw = np.random.default_rng(seed + 1)
    shuffled = {
        name: draw.permutation(array) if array.dtype.kind == "b" and array.ndim else _permuted(array, draw)
        for name, array in x.arrays.items()
    }
    return x.with_arrays(shuffled)


def _permuted(array: Array, draw: np.random.Generator) -> Array:
    flat = array.reshape(-1).copy()
    moved = np.flatnonzero(flat) if array.dtype.kind in "iu" else np.arange(flat.size)
    flat[moved] = draw.permutation(flat[moved])
    return flat.reshape(array.shape)


@dataclass
class Ticks:
    """Counts steps for the progress bar."""

    progress: Progress
    total: int
    done: int

    def tick(self, path: str) -> None:
        self.done += 1
        self.progress(path, self.done, self.total)


def watched(torch: Runner, recording: Recording, x: Inputs, dtype: str, wiring: Wiring) -> Recording:
    """A recording that has all steps of the wiring: an input that other steps feed on either side is one too."""
    if wiring.watch <= recording.outputs.keys():
        return recording
    return torch.record(x, dtype, Look(wiring.watch)).result()


def structure(recording: Recording, keras: Runner, wiring: Wiring, ticks: Ticks) -> dict[str, Sums]:
    """Both numbers of structure, and the rounding, of every step."""
    sums: dict[str, Sums] = {}
    common, look = recording.only(wiring.steps), Look(wiring.watch)
    region = Narrow(wiring.steps.keys())
    narrow = {step.key: region.of(step, recording.narrow.get(step.key)) for step in recording.steps}
    for found in keras.compare(common, look):
        entry = sums.setdefault(found.key, Sums(wiring.steps[found.key]))
        entry.add(recording.rounding.get(found.key), found)
        entry.narrow = entry.narrow or narrow.get(found.key)
        ticks.tick(entry.step.path)
    for added in keras.forced(common, look):
        sums[added.key].added += added.added
        ticks.tick(sums[added.key].step.path)
    return sums
