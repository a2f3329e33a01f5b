"""From a report with faults to their causes: one more run keeps the faulty layers' numbers, and diagnose reads them."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any

import numpy as np

from parity.causes.diagnose import diagnose, unsought
from parity.causes.evidence import Config, Evidence, User
from parity.causes.norms import momentum_cause
from parity.causes.precision import dtype_cause
from parity.causes.rerun import WEIGHTS
from parity.models.arrays import Array
from parity.models.attempts import attempt
from parity.models.calls import Edit
from parity.models.inputs import Inputs
from parity.models.kinds import named
from parity.models.kinds.kind import Static, Weights
from parity.models.kinds.noise import DROPOUT
from parity.models.layers import LayerInfo
from parity.models.steps import Look, Step, StepInfo, is_output
from parity.pairs.matching import Wiring
from parity.runners.recording import Place, Recording
from parity.runners.runner import Runner
from parity.verdict.cause import EXPLAINED, Cause
from parity.verdict.in_training import noise_cause
from parity.verdict.results import LayerResult, StaticDifference

from .report import Report

IN_TRAINING = ("momentum", "dtype", "renorm", DROPOUT)  # settings that no run in evaluation mode shows
NEARBY = 24  # steps before a fault whose outputs a shortcut could carry
ALIKE = 48  # layers that a weight may be of that is not this one's
BEFORE = 6  # steps before an operation, of any shape, that it may be computed from


def explain(
    report: Report,
    torch: Runner,
    keras: Runner,
    wiring: Wiring,
    layers: tuple[list[LayerInfo], list[LayerInfo]],
    x: Inputs,
    narrow: Collection[str] = (),
) -> list[Cause]:
    """The cause of every fault, in order of execution, from one more run that keeps the faulty layers' numbers.

    narrow: the steps a part of which is in float32.

    The verdict stands without them: where the search fails, the cause is unknown, and why it is.
    """
    faulty = [layer for layer in report.layers if layer.faults][:EXPLAINED]
    settings = [entry for entry in report.settings if entry.field in IN_TRAINING][:EXPLAINED]
    rows = {layer.path: layer for layer in report.layers}
    hidden = [entry for entry in report.settings if entry.field in WEIGHTS and not _at_fault(rows.get(entry.path))]
    loose = (wiring.loose[0][:NEARBY], wiring.loose[1][:NEARBY])
    want = frozenset([layer.step.key for layer in faulty] + [entry.path for entry in settings] + loose[0] + loose[1])
    dtype = str(report.environment["dtype"])
    try:
        seen = _look(torch, keras, wiring, want, x, dtype)
    except Exception as error:  # noqa: BLE001 - it has been seen that they differ, whatever becomes of this run
        found = [unsought(layer.path, error) for layer in faulty]
        return found + [_uncopied(entry) for entry in hidden[:EXPLAINED]]
    infos = ({layer.path: layer for layer in layers[0]}, {layer.path: layer for layer in layers[1]})
    scene = _Scene(torch, keras, wiring, loose, infos, seen, x, frozenset(narrow))
    causes = [attempt(partial(scene.cause, layer), partial(unsought, layer.path)) for layer in faulty]
    causes += [_uncopied(entry) for entry in hidden[:EXPLAINED]]
    for entry in settings:
        causes.append(attempt(partial(scene.of_setting, entry, rows), partial(unsought, entry.path)))
    return causes


def _at_fault(layer: LayerResult | None) -> bool:
    return layer is not None and bool(layer.faults)


def _uncopied(entry: StaticDifference) -> Cause:
    what = f"{entry.field} is {entry.reference} in torch and {entry.candidate} in Keras; this input does not show it"
    return Cause("weight not copied", entry.path, what)


@dataclass(frozen=True)
class _Scene:
    """All that the hypotheses are told from."""

    torch: Runner
    keras: Runner
    wiring: Wiring
    loose: tuple[list[str], list[str]]
    infos: tuple[dict[str, LayerInfo], dict[str, LayerInfo]]
    seen: "_Seen"
    x: Inputs
    narrow: frozenset[str]

    def cause(self, layer: LayerResult) -> Cause:
        return replace(diagnose(self._evidence(layer, _nearby(layer.step, self.wiring))), key=layer.step.key)

    def of_setting(self, entry: StaticDifference, rows: dict[str, LayerResult]) -> Cause:
        """The cause of a setting that differs, proven on what the layer was fed."""
        if entry.field == DROPOUT:
            return noise_cause(entry)
        if entry.path not in self.seen.steps:
            what = f"{entry.field} is {entry.reference} in torch and {entry.candidate} in Keras"
            return Cause("setting", entry.path, f"{what}; the layer is a part of what was compared as one")
        if entry.field == "renorm":
            what = f"torch {entry.reference}, Keras {entry.candidate}: trained otherwise, with other statistics"
            return Cause("renorm", entry.path, what)
        if entry.field == "dtype":
            return dtype_cause(entry.path, entry.reference, entry.candidate, self._evidence(rows[entry.path], []))
        running = self.torch.weights_of(entry.path).result()["running_mean"]
        return momentum_cause(
            entry.path, entry.reference, entry.candidate, running, self.seen.steps[entry.path].inputs[0]
        )

    def _evidence(self, layer: LayerResult, near: list[str]) -> Evidence:
        key, seen = layer.step.key, self.seen
        path = key.partition("#")[0]
        configs = self._configs(path, layer.kind)
        nearby = {self.wiring.steps[other].path: seen.output(other) for other in near}
        nearby |= seen.alone(self.loose, layer.step.shape)
        before, user = ({}, None) if seen.steps[key].inputs else (self._before(layer), self._user(key))
        low = None if "structure" in layer.faults else seen.lows(key)
        outputs = _wide(seen.output(key)), _wide(seen.keras[key]), tuple(map(_wide, seen.steps[key].inputs))
        wide, lost = seen.wide.get(key), seen.lost(key)
        others, behind = self._around(key) if key in self.wiring.watch else ({}, frozenset[str]())
        given = self._given(key) if seen.steps[key].inputs else {}
        more: dict[str, Any] = {
            "given": given,
            "others": others,
            "behind": behind,
            "narrow": key in self.narrow,
            "calls": self.torch.calls(self._made_by(key)).result(),
        }
        found = Evidence(layer.path, *outputs, configs, nearby, before, user, low, wide, lost, **more)
        return replace(found, edited=partial(self._edited, key), elsewhere=partial(self._elsewhere, path))

    def _given(self, key: str) -> dict[str, Array]:
        """What torch's steps before one gave that is as large as its input, and the model's inputs."""
        keys, shape = list(self.wiring.steps), self.seen.steps[key].inputs[0].shape
        before = keys[max(0, keys.index(key) - NEARBY) : keys.index(key)]
        alike = [other for other in before if self.wiring.steps[other].shape == shape]
        found = {self.wiring.steps[other].path: _wide(self.seen.output(other)) for other in alike}
        return self._inputs() | found

    def _inputs(self) -> dict[str, Array]:
        """The model's inputs that are numbers."""
        floats = {name: array for name, array in self.x.arrays.items() if array.dtype.kind == "f"}
        return {name: array.astype(np.float64) for name, array in floats.items()}

    def _edited(self, key: str, edits: tuple[Edit, ...]) -> Array | None:
        """A step's output with other calls, in torch's process."""
        return self.torch.edited(self._made_by(key), edits).result()

    def _made_by(self, key: str) -> str:
        """The step of torch's whose calls made what goes in, where torch alone has that step."""
        user, less, number = key.partition("<")
        sources = self.wiring.steps[user].sources if less and user in self.wiring.steps else ()
        source = sources[int(number)] if less and int(number) < len(sources) else ""
        return source if source in self.loose[0] else key

    def _around(self, key: str) -> tuple[dict[str, Array], frozenset[str]]:
        """What torch's steps before and behind an input gave, of its shape, by path; and which of them need it."""
        keys, size = list(self.wiring.steps), self.seen.output(key).size
        at = keys.index(key)
        near = [other for other in keys[max(0, at - NEARBY) : at + NEARBY] if "<" not in other and not is_output(other)]
        alike = [other for other in near if prod(self.wiring.steps[other].shape) == size]
        needing = {key.partition("<")[0]}
        for other in keys[at:]:
            if needing & set(self.wiring.steps[other].sources):
                needing.add(other)
        paths = {self.wiring.steps[other].path: other for other in alike}
        return {path: _wide(self.seen.output(other)) for path, other in paths.items()}, frozenset(
            path for path, other in paths.items() if other in needing
        )

    def _elsewhere(self, own: str, side: int, name: str, shape: tuple[int, ...]) -> Iterator[tuple[str, Array]]:
        """Tensors of that name and shape of other layers, so many that none is looked for in vain for long."""
        alike = [path for path, info in self.infos[side].items() if info.weights.get(name) == shape and path != own]
        for path in alike[:ALIKE]:
            yield path, (self.torch, self.keras)[side].weights_of(path).result()[name]

    def _configs(self, path: str, kind: str) -> tuple[Config, Config]:
        ours, theirs = (
            Config(
                named(kind),
                side.weights_of(path).result() if path in info else {},
                info[path].static if path in info else {},
                self._rerun,
            )
            for side, info in zip((self.torch, self.keras), self.infos, strict=True)
        )
        return ours, theirs

    def _rerun(self, kind: str, inputs: tuple[Array, ...], weights: Weights, static: Static) -> Array | None:
        """In torch's process, by its own operations."""
        return self.torch.rerun(kind, inputs, weights, static).result()

    def _user(self, key: str) -> User | None:
        """The layer that an operation's output is an input of."""
        name, less, _ = key.partition("<")
        if not less or name not in self.wiring.steps:
            return None
        user, path = self.wiring.steps[name], name.partition("#")[0]
        ours, theirs = (Config(named(user.kind), {}, info[path].static if path in info else {}) for info in self.infos)
        return User((ours, theirs), self.seen.output(name))

    def _before(self, layer: LayerResult) -> dict[str, Array]:
        """What an operation between layers may have been given, the likeliest first.

        That is what a step of torch's alone that made it took, the steps before it, and the model's inputs.
        """
        own = self.seen.steps.get(layer.path)
        given = {} if own is None else {f"{own.path}<{i}": _wide(x) for i, x in enumerate(own.inputs)}
        keys = list(self.wiring.steps)
        near = keys[: keys.index(layer.step.key)][: -BEFORE - 1 : -1]
        steps = {other: _wide(self.seen.output(other)) for other in near}
        return given | steps | self._inputs()


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
    losses: dict[str, Place]

    def lost(self, key: str) -> Array | None:
        """How far off right outputs may be in float64, where that may be more than the line."""
        place = self.losses.get(key)
        return None if place is None else self._get(place)

    def output(self, key: str) -> Array:
        """torch's output in float64."""
        return self._get(self.recording.outputs[key])

    def alone(self, loose: tuple[list[str], list[str]], shape: tuple[int, ...]) -> dict[str, Array]:
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


def _look(torch: Runner, keras: Runner, wiring: Wiring, want: frozenset[str], x: Inputs, dtype: str) -> _Seen:
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
    losses = torch.losses(recording, sorted(outputs)).result()
    return _Seen(torch, recording, {step.key: step for step in torch.replay(look)}, outputs, lows, wide, losses)


def _lows(keras: Runner, shared: Recording, look: Look, x: Inputs, dtype: str) -> dict[str, Array | None]:
    """Keras's outputs in the asked dtype, of the steps that the look wants."""
    keras.prepare(x, dtype).result()
    return {found.key: found.low for found in keras.compare(shared, look) if found.key in look.want}


def _wide(array: Array) -> Array:
    """Truth values and whole numbers as floats, which guesses compute with."""
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _nearby(step: StepInfo, wiring: Wiring) -> list[str]:
    """The steps just before, of the same shape: what a shortcut into this one could carry."""
    keys = list(wiring.steps)
    before = keys[max(0, keys.index(step.key) - NEARBY) : keys.index(step.key)]
    return [key for key in before if wiring.steps[key].shape == step.shape]
