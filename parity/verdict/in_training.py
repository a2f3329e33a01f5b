"""Two models' layers, steps and losses -> the settings in which they differ that act in training alone. Pure.

What both sides state and state otherwise is a difference; what one side alone has a place for is told, and is no fault
of a function.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from parity.models.kinds.noise import DROPOUT, Noise
from parity.models.layers import LayerInfo
from parity.models.settings import CHANGES
from parity.models.steps import StepInfo

from .cause import Cause
from .results import StaticDifference

NONE = "none"
ONE_SIDED = ("regularizer", "constraint")  # what Keras's layers hold, and torch's optimizer or training loop


def of_layers(torch: list[LayerInfo], keras: list[LayerInfo]) -> Iterator[StaticDifference]:
    """What layers say of training: which of their weights are trained, and what is theirs in Keras alone."""
    ours = {layer.path: layer for layer in torch}
    for layer in keras:
        partner = ours.get(layer.path)
        if partner is not None and partner.kind == layer.kind:
            yield from _trainable(layer.path, partner.trained, layer.trained)
        for what in ONE_SIDED:
            if what in layer.trained:
                yield StaticDifference(layer.path, what, NONE, layer.trained[what], acts=False)


def _trainable(path: str, ours: dict[str, Any], theirs: dict[str, Any]) -> Iterator[StaticDifference]:
    sides = ours.get("trainable", {}), theirs.get("trainable", {})
    shared = [name for name in sides[0] if name in sides[1]]
    moved = [[name for name in shared if side[name]] for side in sides]
    if moved[0] != moved[1]:
        told = [len(names) == len(shared) if len(names) in (0, len(shared)) else ", ".join(names) for names in moved]
        yield StaticDifference(path, "trainable", told[0], told[1], acts=False)


def of_steps(ours: list[StepInfo], theirs: list[StepInfo], found: Mapping[str, str]) -> tuple[StaticDifference, ...]:
    """What steps draw, by both sides' own names. found: Keras's steps by torch's."""
    draws, others = ({step.key: step for step in steps if step.noise} for steps in (ours, theirs))
    back = {k: t for t, k in found.items()}
    pairs = [(step.path, step.noise, _noise(others, found.get(key))) for key, step in draws.items()]
    pairs += [(step.path, None, step.noise) for key, step in others.items() if back.get(key) not in draws]
    told = (
        StaticDifference(path.partition("#")[0], DROPOUT, _words(one), _words(other), acts=None not in (one, other))
        for path, one, other in pairs
        if one != other
    )
    return tuple(dict.fromkeys(told))


def shared(ours: list[StepInfo], theirs: list[StepInfo], found: Mapping[str, str]) -> int:
    """How many steps draw numbers on both sides."""
    draws, others = ({step.key for step in steps if step.noise} for steps in (ours, theirs))
    return sum(t in draws and k in others for t, k in found.items())


def replayed(count: int) -> Iterator[str]:
    """What a report of a training step says of what is drawn."""
    if count:
        s = "s" * (count != 1)
        yield (
            f"{DROPOUT}: torch's masks replayed in Keras ({count} step{s}: the same random numbers, by each side's own "
            "rate and shape)"
        )


def _noise(steps: dict[str, StepInfo], key: str | None) -> Noise | None:
    return steps[key].noise if key in steps else None


def _words(noise: Noise | None) -> str:
    return NONE if noise is None else str(noise)


def of_losses(torch: Mapping[str, Any], keras: Mapping[str, Any]) -> Iterator[StaticDifference]:
    """What both sides' environments say of the losses that the models have."""
    ours, theirs = (each.get("label_smoothing", 0.0) for each in (torch, keras))
    if ours != theirs:
        yield StaticDifference("loss", "label_smoothing", ours, theirs, acts=False)


def judged(found: tuple[StaticDifference, ...], stepping: bool) -> Iterator[StaticDifference]:
    """The differences of what is drawn; where a training step is compared, what one side alone draws is one too."""
    yield from (replace(entry, acts=entry.acts or stepping) for entry in found)


def noise_cause(entry: StaticDifference) -> Cause:
    """Of a difference in what is drawn."""
    ours, theirs = str(entry.reference), str(entry.candidate)
    name = "missing or extra dropout" if NONE in (ours, theirs) else "another dropout"
    return Cause(name, entry.path, f"{ours} in torch, {theirs} in Keras: it changes {CHANGES[DROPOUT]}")
