"""A report with faults, and what both sides said of their layers and steps -> the report with the lines of source."""

from dataclasses import dataclass, field, replace
from typing import Any

from parity.models.kinds import named
from parity.models.layers import LayerInfo
from parity.models.source import Both, Written
from parity.models.steps import StepInfo

from .report import Report

SIDES = ("torch", "keras")


@dataclass(frozen=True)
class Programs:
    """Where both programs make their layers and call their steps. layers, steps: torch's and Keras's, by one name."""

    layers: tuple[list[LayerInfo], list[LayerInfo]]
    steps: tuple[list[StepInfo], list[StepInfo]]
    inputs: dict[str, tuple[int, ...]] = field(default_factory=dict)  # their shapes, by key, without the batch

    def of(self, path: str, key: str) -> Both | None:
        """The lines about one step; None where neither side's are known. What is made between layers has no path."""
        found = {}
        for side in SIDES:
            own, layer = self.written(side, key), self.layer(side, path)  # seen where it goes, it is known by its path
            found[side] = own if own.made or layer is None else Written(layer.made, own.called)
        return found if any(written.first for written in found.values()) else None

    def written(self, side: str, key: str) -> Written:
        """The lines of one side's step."""
        layer = self.layer(side, key.partition("#")[0])
        known = {step.key: step.called for step in self.steps[SIDES.index(side)]}
        called = known.get(key) or known.get(key.partition("<")[0], ())
        return Written(() if layer is None else layer.made, called)

    def kind(self, side: str, key: str) -> tuple[str, dict[str, Any]] | None:
        """What one side has there, a layer or a function, and its settings, which a function does not state."""
        layer = self.layer(side, key.partition("#")[0])
        step = next((step for step in self.steps[SIDES.index(side)] if step.key == key), None)
        if step is None and "<" in key:  # an input that other steps feed on the two sides
            return next((self.kind(side, source) for source in self.sources(side, key)), None)
        if layer is not None:
            return layer.kind, layer.static
        return None if step is None else (step.kind, {})

    def has(self, side: str, key: str) -> bool:
        """Whether one side has a step of that key."""
        return any(step.key == key for step in self.steps[SIDES.index(side)])

    def sources(self, side: str, key: str) -> tuple[str, ...]:
        """The steps that give what goes into one."""
        user, less, number = key.partition("<")
        steps = {step.key: step for step in self.steps[SIDES.index(side)]}
        step = steps.get(user)
        found = () if step is None else step.sources[int(number) :][:1] if less else step.sources
        return tuple(source for source in found if source in steps)

    def static(self, side: str, step: StepInfo) -> dict[str, Any]:
        """The settings of a step that is a layer; of a function none are known."""
        layer = self.layer(side, step.key.partition("#")[0])
        return {} if layer is None else layer.static

    def pads(self, side: str, path: str) -> tuple[LayerInfo, ...]:
        """The layers that pad, those before a layer, the nearest first."""
        layers = self.layers[SIDES.index(side)]
        place = next((number for number, layer in enumerate(layers) if layer.path == path), 0)
        return tuple(layer for layer in reversed(layers[:place]) if named(layer.kind).pads)

    def layer(self, side: str, path: str) -> LayerInfo | None:
        """What one side says of a layer; None for what is none."""
        number = SIDES.index(side)
        own = path.removeprefix(f"{side}:")  # a name that the other side has for another layer
        found = [layer for layer in self.layers[number] if layer.path in (path, own)]
        kind = next((step.kind for step in self.steps[number] if step.key == path), None) if len(found) > 1 else None
        return next((layer for layer in found if kind in (None, layer.kind)), None)

    def size(self, path: str) -> tuple[int, ...] | None:
        """The shape of what goes into a step of torch's, without the batch."""
        known = {step.key: step for step in self.steps[0]}
        step = known.get(path)
        source = step.sources[0] if step is not None and step.sources else None
        made = known.get(f"{path}<0") or known.get(source or "")
        return self.inputs.get(source or "") if made is None else made.shape[1:]


def with_sources(report: Report, programs: Programs) -> Report:
    """The report with the lines of all that is at fault, by its step's key, and of the causes.

    Operations may have one path: of their causes, which are in order of execution, each is of the next.
    """
    wrong = {layer.step.key: layer.path for layer in report.layers if layer.faults}
    waiting: dict[str, list[str]] = {}
    for key, path in wrong.items():
        waiting.setdefault(path, []).append(key)
    causes = []
    for cause in report.causes:
        keys = waiting.get(cause.path, [cause.path])
        key = keys.pop(0) if len(keys) > 1 else keys[0]
        causes.append(replace(cause, source=programs.of(cause.path, key)))
    paths = wrong | {entry.path: entry.path for entry in report.settings}
    known = {key: both for key, path in paths.items() if (both := programs.of(path, key)) is not None}
    return replace(report, sources=known, causes=tuple(causes))
