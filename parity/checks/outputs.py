"""Before Keras runs beside torch: whose input and output is whose. Afterwards: which outputs one side alone has."""

from dataclasses import replace
from typing import Any

from parity.frameworks.outputs import name_of
from parity.models.inputs import Inputs
from parity.models.steps import Expected, StepInfo, is_output
from parity.pairs.matching import Wiring
from parity.pairs.name_map import NameMap
from parity.runners.recording import Recording
from parity.runners.runner import Runner

from .options import Options

Alone = dict[str, tuple[str, str]]  # of an output that one side alone gives, by key: the side, and its name


def introduced(keras: Runner, x: Inputs, recording: Recording, options: Options) -> tuple[Inputs, Options]:
    """Tell Keras torch's outputs; x by Keras's names, and options whose map says nothing of inputs and outputs."""
    outputs = tuple((step.key, name_of(step.path), step.shape) for step in outputs_of(recording.steps))
    names = {name for _, name, _ in outputs if name}
    taken = {step.path for step in recording.steps} - {f"output.{name}" for name in names}
    mapped, rest = _mapped(options.name_map, (names | set(x.names)) - taken)
    keras.expect(Expected(outputs, {name: mapped[name] for name in names & mapped.keys()})).result()
    aliases = {name: mapped[name] for name in x.names if name in mapped}
    return replace(x, aliases=aliases), replace(options, name_map=rest)


def _mapped(name_map: NameMap | None, names: set[str]) -> tuple[dict[str, str], NameMap | None]:
    """The rules of the map that are about these names, and the map without them."""
    if name_map is None:
        return {}, None
    found = {ours: theirs for ours, theirs in name_map.rules.items() if ours in names}
    rest = {ours: theirs for ours, theirs in name_map.rules.items() if ours not in found}
    return found, NameMap(rest, name_map.source) if rest else None


def outputs_of(steps: list[StepInfo]) -> list[StepInfo]:
    """The steps that are the model's own outputs."""
    return [step for step in steps if step.kind == "output"]


def without_lone_outputs(wiring: Wiring, steps: list[StepInfo] | None = None) -> tuple[Wiring, Alone]:
    """The wiring without outputs that one side alone gives, which are no step that lacks a partner; and these."""
    paths = {step.key: name_of(step.path) or step.path for step in steps or []}
    loose = tuple([key for key in keys if not is_output(key)] for keys in wiring.loose)
    sides = zip(("torch", "keras"), wiring.loose, strict=True)
    alone = {key: (side, paths.get(key, key)) for side, keys in sides for key in keys if is_output(key)}
    return replace(wiring, loose=(loose[0], loose[1])), alone


def described(x: Inputs, alone: Alone) -> dict[str, Any]:
    """What a report says of several inputs, and of outputs that were not compared."""
    inputs = [{"name": name, "shape": list(a.shape[1:]), "dtype": str(a.dtype)} for name, a in x.arrays.items()]
    found: dict[str, Any] = {"inputs": inputs} if len(inputs) > 1 else {}
    outputs = {side: [name for own, name in alone.values() if own == side] for side in ("torch", "keras")}
    return found | ({"outputs": outputs} if alone else {})
