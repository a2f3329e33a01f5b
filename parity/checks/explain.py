"""From a report with faults to their causes: one more run keeps the faulty layers' numbers, and diagnose reads them."""

from collections.abc import Iterator
from dataclasses import dataclass

from parity.causes.diagnose import diagnose
from parity.causes.evidence import Config, Evidence
from parity.causes.norms import momentum_cause
from parity.causes.precision import dtype_cause
from parity.causes.rerun import WEIGHTS
from parity.models.arrays import Array
from parity.models.kinds import named
from parity.models.layers import LayerInfo
from parity.models.steps import Look, Step, StepInfo
from parity.pairs.matching import Wiring
from parity.runners.recording import Place, Recording
from parity.runners.runner import Runner
from parity.verdict.cause import EXPLAINED, Cause
from parity.verdict.results import LayerResult

from .report import Report

NEARBY = 24  # steps before a fault whose outputs a shortcut could carry


def explain(
    report: Report,
    torch: Runner,
    keras: Runner,
    wiring: Wiring,
    layers: tuple[list[LayerInfo], list[LayerInfo]],
    x: Array,
) -> Iterator[Cause]:
    """The cause of every fault, in order of execution, from one more run that keeps the faulty layers' numbers."""
    faulty = [layer for layer in report.layers if layer.faults][:EXPLAINED]
    settings = [entry for entry in report.static if entry.field in ("momentum", "dtype")][:EXPLAINED]
    loose = tuple(keys[:NEARBY] for keys in wiring.loose)
    want = frozenset([layer.step.key for layer in faulty] + [entry.path for entry in settings] + loose[1])
    near = {layer.step.key: _nearby(layer.step, wiring) for layer in faulty}
    seen = _look(torch, keras, wiring, want, x, str(report.environment["dtype"]))
    infos = [{layer.path: layer for layer in side} for side in layers]

    def evidence(layer: LayerResult) -> Evidence:
        key = layer.step.key
        path = key.partition("#")[0]
        configs = [
            Config(
                named(layer.kind),
                side.weights_of(path).result() if path in info else {},
                info[path].static if path in info else {},
            )
            for side, info in zip((torch, keras), infos, strict=True)
        ]
        nearby = {wiring.steps[other].path: seen.output(other) for other in near.get(key, ())}
        nearby |= seen.alone(loose, layer.step.shape)
        low = None if "structure" in layer.faults else seen.lows(key)
        outputs = seen.output(key), seen.keras[key], seen.steps[key].inputs
        return Evidence(layer.path, *outputs, (configs[0], configs[1]), nearby, low, seen.wide.get(key))

    yield from (diagnose(evidence(layer)) for layer in faulty)
    rows = {layer.path: layer for layer in report.layers}
    hidden = [entry for entry in report.settings if entry.field in WEIGHTS and not _at_fault(rows, entry.path)]
    for entry in hidden[:EXPLAINED]:
        what = f"{entry.field} is {entry.torch} in torch and {entry.keras} in Keras; this input does not show it"
        yield Cause("weight not copied", entry.path, what)
    for entry in settings:
        if entry.path not in seen.steps:
            what = f"{entry.field} is {entry.torch} in torch and {entry.keras} in Keras"
            yield Cause("setting", entry.path, f"{what}; the layer is a part of what was compared as one")
        elif entry.field == "dtype":
            yield dtype_cause(entry.path, entry.torch, entry.keras, evidence(rows[entry.path]))
        else:
            running = torch.weights_of(entry.path).result()["running_mean"]
            yield momentum_cause(entry.path, entry.torch, entry.keras, running, seen.steps[entry.path].inputs[0])


def _at_fault(rows: dict[str, LayerResult], path: str) -> bool:
    return path in rows and bool(rows[path].faults)


@dataclass(frozen=True)
class _Seen:
    """What the wanted steps computed. steps: torch's, with their inputs; keras: Keras's outputs on those inputs.

    wide: Keras's free run in the asked dtype with JAX's 64-bit types, where its process is without.
    """

    torch: Runner
    recording: Recording
    steps: dict[str, Step]
    keras: dict[str, Array]
    keras_lows: dict[str, Array | None]
    wide: dict[str, Array | None]

    def output(self, key: str) -> Array:
        """torch's output in float64."""
        return self._get(self.recording.outputs[key])

    def alone(self, loose: tuple[list[str], ...], shape: tuple[int, ...]) -> dict[str, Array]:
        """What steps of one side only gave, of a shape: a layer of a shortcut that the other side leaves out."""
        places = {key: self.recording.outputs[key] for key in loose[0] if key in self.recording.outputs}
        ours = {key: self._get(place) for key, place in places.items() if sorted(place.shape) == sorted(shape)}
        theirs = {key: self.keras[key] for key in loose[1] if key in self.keras}
        return {key: array for key, array in (ours | theirs).items() if array.shape == shape}

    def lows(self, key: str) -> tuple[Array, Array] | None:
        """Both outputs in the asked dtype."""
        place, other = self.recording.lows.get(key), self.keras_lows.get(key)
        return None if place is None or other is None else (self._get(place), other)

    def _get(self, place: Place) -> Array:
        return self.torch.shelf.get(place)


def _look(torch: Runner, keras: Runner, wiring: Wiring, want: frozenset[str], x: Array, dtype: str) -> _Seen:
    """Run both sides on x once more and keep the numbers of the steps in `want`."""
    look = Look(wiring.watch, want)
    recording = torch.record(x, dtype, look).result()
    shared = recording.only(wiring.steps)
    wide: dict[str, Array | None] = {}
    if keras.allow_wide_types(True).result():
        wide = _lows(keras, shared, look, x, dtype)
    keras.allow_wide_types(False).result()
    lows = _lows(keras, shared, look, x, dtype)
    forced = keras.forced(shared, look)
    outputs = {found.key: found.output for found in forced if found.key in want and found.output is not None}
    return _Seen(torch, recording, {step.key: step for step in torch.replay(look)}, outputs, lows, wide)


def _lows(keras: Runner, shared: Recording, look: Look, x: Array, dtype: str) -> dict[str, Array | None]:
    """Keras's outputs in the asked dtype, of the steps that the look wants."""
    keras.prepare(x, dtype).result()
    return {found.key: found.low for found in keras.compare(shared, look) if found.key in look.want}


def _nearby(step: StepInfo, wiring: Wiring) -> list[str]:
    """The steps just before, of the same shape: what a shortcut into this one could carry."""
    keys = list(wiring.steps)
    before = keys[max(0, keys.index(step.key) - NEARBY) : keys.index(step.key)]
    return [key for key in before if wiring.steps[key].shape == step.shape]
