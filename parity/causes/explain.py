"""From a report with faults to their causes: one more run keeps the faulty layers' numbers, and diagnose reads them."""

from collections.abc import Iterator
from typing import Any

from parity.capture import LayerInfo, Look, Step, StepInfo
from parity.compare import Array
from parity.pairs.matching import Wiring
from parity.report import Cause, Report
from parity.runs import forced_run

from .diagnose import diagnose, momentum_cause
from .evidence import Config, Evidence

EXPLAINED = 12  # faults whose cause is looked for
NEARBY = 24  # steps before a fault whose outputs a shortcut could carry


def explain(
    report: Report, torch: Any, keras: Any, wiring: Wiring, layers: tuple[list[LayerInfo], list[LayerInfo]], x: Array
) -> Iterator[Cause]:
    """The cause of every fault, in order of execution, from one more run that keeps the faulty layers' numbers."""
    faulty = [layer for layer in report.layers if layer.faults][:EXPLAINED]
    momenta = [entry for entry in report.static if entry.field == "momentum"][:EXPLAINED]
    want = frozenset([layer.step.key for layer in faulty] + [entry.path for entry in momenta])
    near = {layer.step.key: _nearby(layer.step, wiring) for layer in faulty}
    kept: dict[str, tuple[Step, Array | None]] = {}
    lows = _lows(torch, keras, wiring, want, x, str(report.environment["dtype"]))
    for key, step, _, own in forced_run(torch, keras, wiring, Look(wiring.watch, want)):
        if key in want or any(key in keys for keys in near.values()):
            kept[key] = step, own
    infos = [{layer.path: layer for layer in side} for side in layers]
    for layer in faulty:
        step, own = kept[layer.step.key]
        assert own is not None
        path = layer.step.key.partition("#")[0]
        configs = [
            Config(
                layer.kind,
                side.call("weights_of", path) if path in info else {},
                info[path].static if path in info else {},
            )
            for side, info in zip((torch, keras), infos, strict=True)
        ]
        nearby = {wiring.steps[key].path: kept[key][0].output for key in near[layer.step.key] if key in kept}
        low = None if "structure" in layer.faults else lows.get(layer.step.key)
        yield diagnose(Evidence(layer.path, step.output, own, step.inputs, (configs[0], configs[1]), nearby, low))
    for entry in momenta:
        running = torch.call("weights_of", entry.path)["running_mean"]
        yield momentum_cause(entry.path, entry.torch, entry.keras, running, kept[entry.path][0].inputs[0])


def _nearby(step: StepInfo, wiring: Wiring) -> list[str]:
    """The steps just before, of the same shape: what a shortcut into this one could carry."""
    keys = list(wiring.steps)
    before = keys[max(0, keys.index(step.key) - NEARBY) : keys.index(step.key)]
    return [key for key in before if wiring.steps[key].shape == step.shape]


def _lows(torch: Any, keras: Any, wiring: Wiring, want: frozenset[str], x: Array, dtype: str) -> dict[str, Any]:
    """Both outputs in the asked dtype of the steps in `want`; the sides are left prepared on x."""
    for side in (torch, keras):
        side.call("prepare", x, dtype)
    look = Look(wiring.watch)
    torch.ask("stream", look)
    keras.ask("stream", look)
    ours = {record.step.key: record.low for record in torch.stream() if record.step.key in want}
    theirs = {record.step.key: record.low for record in keras.stream() if record.step.key in want}
    return {key: (ours[key], theirs[key]) for key in ours if key in theirs and ours[key] is not None}
