"""The comparison itself: two sides, one input, a Report. Frameworks are known here only as sides that answer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from .capture import LayerInfo, Look, Record, Step, StepInfo
from .compare import Array, Difference, arithmetic_ok, difference, structure_ok
from .diagnose import diagnose, momentum_cause
from .errors import ParityError, UnmatchedError
from .evidence import Config, Evidence
from .report import Cause, LayerResult, Report, StaticDifference
from .weights import check_shapes

Progress = Callable[[str, int, int], None]
NAMES = ("torch", "keras")
WEIGHTS_MESSAGE = 16 << 20  # bytes of weights that travel in one message
EXPLAINED = 12  # faults whose cause is looked for
NEARBY = 24  # steps before a fault whose outputs a shortcut could carry
SLICE = 2 * 3 * 224 * 224  # numbers of input in one slice of the batch: memory is that of two ImageNet images


@dataclass(frozen=True)
class Options:
    """How to compare; see `python -m parity.check --help`."""

    dtype: str = "float32"
    batch_size: int = 2
    seed: int = 0
    weights: str = "copy"
    randomize: bool = False  # replace neutral weights of fresh models before they are copied


@dataclass
class _Sums:
    """The numbers of one step, added up over the slices of the batch."""

    step: StepInfo
    inherited: Difference = field(default_factory=Difference)
    added: Difference = field(default_factory=Difference)
    torch: Difference = field(default_factory=Difference)
    keras: Difference = field(default_factory=Difference)
    low: Difference = field(default_factory=Difference)

    def add(self, torch: Record, keras: Record) -> None:
        self.inherited += difference(keras.step.output, torch.step.output)
        self.torch += torch.rounding
        self.keras += keras.rounding
        if torch.low is not None and keras.low is not None:
            self.low += difference(keras.low, torch.low)


def compare_sides(target: str, x: Array, torch: Any, keras: Any, options: Options, progress: Progress) -> Report:
    """Compare both sides on the input x (N, C, ...). Raises ParityError where that cannot be done."""
    slices = list(_slices(x))
    progress("starting both frameworks", 0, 0)
    torch.ask("start")
    keras.ask("start")
    torch_layers = torch.answer()
    if options.weights == "copy" and options.randomize:
        torch.call("randomize", slices[0], options.seed)
    torch_steps = torch.call("prepare", slices[0], options.dtype)  # while Keras is still importing
    keras_layers = keras.answer()
    raise_on_unmatched(torch_layers, keras_layers, NAMES)
    raise_on_unknown([torch.call("unknown_weights"), keras.call("unknown_weights")], NAMES)
    if options.weights == "copy":
        copy_weights(torch, keras, torch_layers, keras_layers, progress)
    sums: dict[str, _Sums] = {}
    for number, x in enumerate(slices):
        if number > 0:
            torch_steps = torch.call("prepare", x, options.dtype)
        keras_steps = keras.call("prepare", x, options.dtype)
        wiring = match_steps(torch_steps, keras_steps)
        ticks = Ticks(progress, 2 * len(slices) * len(wiring.steps), 2 * number * len(wiring.steps))
        _inherited(torch, keras, wiring, sums, ticks)
        _added(torch, keras, wiring, sums, ticks)
    _check_used(torch_layers, sums)
    environment = {"torch": torch.call("environment"), "keras": keras.call("environment")}
    report = make_report(target, x.shape, options, sums, wiring, torch_layers, keras_layers, environment)
    if report.ok:
        wiring.raise_on_loose()
        return report
    return replace(report, causes=tuple(explain(report, torch, keras, wiring, (torch_layers, keras_layers), slices[0])))


def _slices(x: Array) -> Iterator[Array]:
    size = max(1, SLICE // max(1, x[0].size))
    for start in range(0, len(x), size):
        yield x[start : start + size]


def raise_on_unmatched(ours: list[LayerInfo], theirs: list[LayerInfo], names: tuple[str, str]) -> None:
    """Raise UnmatchedError unless the layers with weights have the same paths and kinds on both sides."""
    sides = [{layer.path: layer.kind for layer in layers if layer.weights} for layers in (ours, theirs)]
    missing = [sorted(path for path, kind in a.items() if b.get(path) != kind) for a, b in (sides, sides[::-1])]
    kinds = [[f"{path} ({side[path]})" for path in paths] for side, paths in zip(sides, missing, strict=True)]
    _raise_lists("every layer with weights must have a partner of the same path and kind", kinds, missing, names)


def raise_on_unknown(unknown: list[list[str]], names: tuple[str, str]) -> None:
    """Raise UnmatchedError if either model has weights that no row of the table of kinds knows."""
    _raise_lists("every weight must belong to a layer of a known kind (parity/kinds.py)", unknown, unknown, names)


def _raise_lists(rule: str, texts: list[list[str]], lists: list[list[str]], names: tuple[str, str]) -> None:
    if any(lists):
        found = "; ".join(f"only {name} has {', '.join(text)}" for name, text in zip(names, texts, strict=True) if text)
        raise UnmatchedError(f"{rule}, but {found}; compare the two definitions", *lists)


@dataclass(frozen=True)
class Wiring:
    """The steps to compare, in torch's order, by key; and where the two models are wired differently.

    watch: inputs that different steps feed on the two sides; they are compared as steps of their own. loose: steps of
    one side only. A loose step is a fault if numbers differ behind it, and cannot be judged (exit 2) if none do.
    """

    steps: dict[str, StepInfo]
    watch: frozenset[str]
    loose: tuple[list[str], list[str]]

    def raise_on_loose(self) -> None:
        lists = list(self.loose)
        _raise_lists("every step of forward must have a partner in call", lists, lists, NAMES)


def match_steps(torch: list[StepInfo], keras: list[StepInfo]) -> Wiring:
    """Pair the steps of both sides by key. Raises ParityError if there is nothing to compare."""
    ours, theirs = ({step.key: step for step in steps} for steps in (torch, keras))
    loose = (
        [k for k in ours if k not in theirs and "<" not in k],
        [k for k in theirs if k not in ours and "<" not in k],
    )
    steps: dict[str, StepInfo] = {}
    watch = set()
    for key, step in ours.items():
        if key not in theirs:
            continue
        for i, (source, other) in enumerate(zip(step.sources, theirs[key].sources, strict=False)):
            if source != other and key != "output":
                feeds = f"{key}<{i}"
                watch.add(feeds)
                steps[feeds] = _watched(feeds, ours.get(source), theirs.get(other), ours.get(feeds), step)
        steps[key] = step
    if len(steps) < 2:  # the model's output alone is no layer
        raise ParityError(
            "at least one layer must run in both models, and none did; check that they are made of layers"
        )
    return Wiring(steps, frozenset(watch), loose)


def _watched(
    feeds: str, ours: StepInfo | None, theirs: StepInfo | None, glue: StepInfo | None, user: StepInfo
) -> StepInfo:
    """A name for an input that is made differently: that of the operation, or the layer, that only one side has."""
    maker = glue or ours or theirs
    if maker is None or maker.key == "input":
        return StepInfo(feeds, f"{user.path} (input)", "glue", user.shape)
    return StepInfo(feeds, maker.path, maker.kind, maker.shape)


def copy_weights(torch: Any, keras: Any, ours: list[LayerInfo], theirs: list[LayerInfo], progress: Progress) -> None:
    """Give Keras torch's weights, every tensor once."""
    check_shapes(shapes_of(ours), shapes_of(theirs), NAMES)
    batch: list[tuple[str, Array]] = []
    size, waiting = 0, 0
    progress("copying weights", 0, 0)
    for name, array in torch.weights():
        batch.append((name, array))
        size += array.nbytes
        if size >= WEIGHTS_MESSAGE:
            keras.ask("load", batch)
            batch, size, waiting = [], 0, waiting + 1
    keras.ask("load", batch)
    for _ in range(waiting + 1):
        keras.answer()


def shapes_of(layers: list[LayerInfo]) -> dict[str, tuple[int, ...]]:
    return {f"{layer.path}.{name}": shape for layer in layers for name, shape in layer.weights.items()}


@dataclass
class Ticks:
    """Counts steps for the progress bar."""

    progress: Progress
    total: int
    done: int

    def tick(self, path: str) -> None:
        self.done += 1
        self.progress(path, self.done, self.total)


def _inherited(torch: Any, keras: Any, wiring: Wiring, sums: dict[str, _Sums], ticks: Ticks) -> None:
    """Both sides run freely; where their orders differ, the earlier Record waits for its partner."""
    look = Look(wiring.watch)
    torch.ask("stream", look)
    keras.ask("stream", look)
    ahead = _Ahead(torch.stream())
    for theirs in keras.stream():
        key = theirs.step.key
        if key in wiring.steps:
            entry = sums.setdefault(key, _Sums(wiring.steps[key]))
            entry.add(ahead.pop(key), theirs)
            ticks.tick(entry.step.path)
    ahead.finish()


def _added(torch: Any, keras: Any, wiring: Wiring, sums: dict[str, _Sums], ticks: Ticks) -> None:
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


def _check_used(layers: list[LayerInfo], sums: dict[str, _Sums]) -> None:
    ran = {entry.step.path.partition("#")[0] for entry in sums.values()}
    idle = [layer.path for layer in layers if layer.weights and layer.path not in ran]
    if idle:
        raise UnmatchedError(
            f"every layer with weights must run, but {', '.join(idle)} did not on this input; "
            "remove what is not used, or give an input that reaches it",
            idle,
            idle,
        )


def make_report(
    target: str,
    shape: tuple[int, ...],
    options: Options,
    sums: dict[str, _Sums],
    wiring: Wiring,
    torch: list[LayerInfo],
    keras: list[LayerInfo],
    environment: dict[str, Any],
) -> Report:
    """Judge every step by the verdict's rules."""
    info = {layer.path: layer for layer in torch}
    order = {key: number for number, key in enumerate(wiring.steps)}
    results = []
    for key, entry in sorted(sums.items(), key=lambda item: order[item[0]]):
        layer = info.get(entry.step.path.partition("#")[0])
        weights = layer.weights if layer and key == entry.step.path else {}
        numbers = entry.inherited, entry.added, entry.torch, entry.keras, entry.low
        results.append(LayerResult(entry.step, weights, *numbers, faults=_faults(entry, options.dtype)))
    if not any(result.faults for result in results):
        results = _blame_first_inherited(results)
    common = {
        "dtype": options.dtype,
        "seed": options.seed,
        "batch_size": options.batch_size,
        "input_shape": list(shape[1:]),
    }
    return Report(target, tuple(results), tuple(static_differences(torch, keras)), environment | common)


def _faults(entry: _Sums, dtype: str) -> tuple[str, ...]:
    if not all(side.finite for side in (entry.added, entry.torch, entry.keras)):
        return ("not finite",)
    faults = [] if structure_ok(entry.added) else ["structure"]
    if dtype != "float64" and not arithmetic_ok(entry.torch, entry.keras, dtype):
        faults.append("arithmetic")
    return tuple(faults)


def _blame_first_inherited(results: list[LayerResult]) -> list[LayerResult]:
    """No step adds an error, yet one has some: then the first that has is at fault, whatever made it."""
    for number, result in enumerate(results):
        if not structure_ok(result.inherited):
            return [*results[:number], replace(result, faults=("structure",)), *results[number + 1 :]]
    return results


def static_differences(torch: list[LayerInfo], keras: list[LayerInfo]) -> Iterator[StaticDifference]:
    """Every setting in which paired layers differ as data."""
    theirs = {layer.path: layer for layer in keras}
    for layer in torch:
        partner = theirs.get(layer.path)
        if partner is None or partner.kind != layer.kind:
            continue
        for name, value in layer.static.items():
            if partner.static[name] != value:
                yield StaticDifference(layer.path, name, value, partner.static[name])


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
        low = lows.get(layer.step.key) if layer.faults == ("arithmetic",) else None
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
