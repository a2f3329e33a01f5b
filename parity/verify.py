"""The comparison itself: two sides, one input, a Report. Frameworks are known here only as sides that answer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .capture import LayerInfo, Record, StepInfo
from .compare import Array, Difference, arithmetic_ok, difference, structure_ok
from .errors import ParityError, UnmatchedError
from .report import LayerResult, Report, StaticDifference
from .weights import check_shapes

Progress = Callable[[str, int, int], None]
NAMES = ("torch", "keras")
WEIGHTS_MESSAGE = 16 << 20  # bytes of weights that travel in one message
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
    torch: Difference = field(default_factory=Difference)
    keras: Difference = field(default_factory=Difference)
    low: Difference = field(default_factory=Difference)

    def add(self, torch: Record, keras: Record) -> None:
        if torch.step.output.shape != keras.step.output.shape:
            raise ParityError(
                f"{self.step.path} must give one shape on both sides, and gives {torch.step.output.shape} in torch and "
                f"{keras.step.output.shape} in Keras (as N, C, ...); compare its padding, stride and channels"
            )
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
        torch.ask("stream")  # runs ahead of Keras as far as the socket holds
        keras_steps = keras.call("prepare", x, options.dtype)
        match_steps(torch_steps, keras_steps)
        keras.ask("stream")
        _compare(torch, keras, {step.key: step for step in torch_steps}, sums, number, len(slices), progress)
    _check_used(torch_layers, sums)
    environment = {"torch": torch.call("environment"), "keras": keras.call("environment")}
    return make_report(target, x.shape, options, sums, torch_layers, keras_layers, environment)


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


def match_steps(torch: list[StepInfo], keras: list[StepInfo]) -> None:
    """Raise UnmatchedError unless both sides take the same steps, in whatever order, and at least one."""
    sides = [{step.key: step for step in steps} for steps in (torch, keras)]
    missing = [[step.path for key, step in a.items() if key not in b] for a, b in (sides, sides[::-1])]
    _raise_lists("every step of forward must have a partner in call", missing, missing, NAMES)
    if not torch:
        raise ParityError("at least one layer must run, and none did; check that the models are made of layers")


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


def _compare(
    torch: Any,
    keras: Any,
    steps: dict[str, StepInfo],
    sums: dict[str, _Sums],
    number: int,
    slices: int,
    progress: Progress,
) -> None:
    """Read both streams to their ends; where the orders differ, the earlier Record waits for its partner."""
    waiting: dict[str, Record] = {}
    ahead = torch.stream()
    for done, theirs in enumerate(keras.stream()):
        key = theirs.step.key
        while key not in waiting:
            ours = next(ahead)
            waiting[ours.step.key] = ours
        sums.setdefault(key, _Sums(steps[key])).add(waiting.pop(key), theirs)
        progress(steps[key].path, number * len(steps) + done + 1, slices * len(steps))
    for _ in ahead:  # the end marker
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
    torch: list[LayerInfo],
    keras: list[LayerInfo],
    environment: dict[str, Any],
) -> Report:
    """Judge every step by the verdict's rules."""
    info = {layer.path: layer for layer in torch}
    results = []
    for entry in sums.values():
        layer = info.get(entry.step.path.partition("#")[0])
        faults = _faults(entry, options.dtype)
        weights = layer.weights if layer else {}
        results.append(
            LayerResult(entry.step, weights, entry.inherited, None, entry.torch, entry.keras, entry.low, faults)
        )
    common = {
        "dtype": options.dtype,
        "seed": options.seed,
        "batch_size": options.batch_size,
        "input_shape": list(shape[1:]),
    }
    return Report(target, tuple(results), tuple(static_differences(torch, keras)), environment | common)


def _faults(entry: _Sums, dtype: str) -> tuple[str, ...]:
    sides = (entry.inherited, entry.torch, entry.keras)
    if not all(side.finite for side in sides):
        return ("not finite",)
    faults = [] if structure_ok(entry.inherited) else ["structure"]
    if dtype != "float64" and not arithmetic_ok(entry.torch, entry.keras, dtype):
        faults.append("arithmetic")
    return tuple(faults)


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
