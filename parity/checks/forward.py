"""The comparison itself: two sides, one input, a Report. Frameworks are known here only as sides that answer."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from parity.models.attempts import attempt
from parity.models.inputs import Given, Inputs, inputs_of
from parity.models.layers import LayerInfo, check_shapes, shapes_of
from parity.models.steps import NOTHING, Look, StepInfo
from parity.pairs.graph import Graph
from parity.pairs.matching import NAMES, raise_on_unknown
from parity.pairs.pairing import Pairing
from parity.runners.recording import Recording
from parity.runners.runner import Done, Runner
from parity.verdict import in_training
from parity.verdict.forward import different_weights

from .comparing import Compared, Comparing
from .consequences import without_consequences
from .copying import Rewritten, copy_weights, held_weights
from .edits import with_edits
from .explain import explain
from .gradients import add_gradients, aimed
from .heads import resting, told_of, training_steps
from .only import on_one
from .options import Options, Progress
from .outputs import described, introduced
from .prepare import Prepared, prepared, with_notes, with_pairing
from .ranges import unreached
from .report import Report, make_report
from .sizes import at_sizes, other_parity
from .sources import Programs, with_sources
from .ways import chosen_by_weights


def compare_sides(target: str, x: Given, torch: Runner, keras: Runner, options: Options, progress: Progress) -> Report:
    """Compare both sides on the inputs x, the batch first. Raises ParityError where that cannot be done."""
    ready, slices, whole, options = _made_ready(x, torch, keras, options, progress)
    idle = resting(ready)
    if options.weights == "keep":
        ready = chosen_by_weights(torch, keras, ready, slices[0], options.dtype)
    comparing = Comparing(torch, keras, slices, options, progress)
    found = comparing.by_structure(ready)
    if not found.clean:
        ready, found = comparing.by_value(ready, found)
    done = ready.rewritten.left | ready.rewritten.arrays.keys()
    kept = {name: place for name, place in torch.put_weights().result().items() if name not in done}
    weights = keras.unequal(kept).result() if options.weights == "keep" else {}
    layers = ready.torch_layers, ready.keras_layers
    environment = {"torch": torch.environment().result(), "keras": keras.environment().result()}
    environment |= described(whole, found.alone)
    report = make_report(target, whole.first.shape, options, found.sums, found.wiring, *layers, environment)
    static = (entry for entry in report.static if not ready.rewritten.tells(entry.path, entry.field))
    trained = (
        *in_training.judged(ready.drawn, bool(options.gradients)),
        *in_training.of_layers(*layers),
        *in_training.of_losses(environment["torch"], environment["keras"]),
    )
    report = replace(report, static=(*static, *trained, *different_weights(weights)))
    report = with_notes(with_pairing(report, ready.pairing), found.notes)
    shapes = {key: whole.batch_first(name).shape[1:] for name, key in whole.keys.items()}
    programs = Programs(layers, (found.steps, found.keras_steps), shapes)
    apart = list(unreached(found, programs, torch)) if found.live else []
    report = replace(report, static=(*report.static, *(entry for entry, _ in apart)))
    report = on_one(report, options.only)
    replayed = in_training.replayed(ready.replayed) if options.gradients else ()
    report = replace(report, copied=(*ready.rewritten.notes, *told_of(idle, options.gradients), *replayed))
    if report.ok:
        found.raise_on_loose()
    else:
        causes = explain(report, torch, keras, found.wiring, layers, slices[0], found.narrow)
        explained = replace(report, causes=(*causes, *(cause for _, cause in apart)))
        report = attempt(partial(without_consequences, explained, found), lambda error: explained)
    if options.gradients:
        report = _with_gradients(report, torch, keras, ready, found, bool(idle), whole, options, progress)
    report = with_sizes(report, torch, keras, ready.pairing, whole, options)
    if report.ok:
        return report
    return with_edits(with_sources(report, programs), programs, options.copy)


def _made_ready(
    x: Given, torch: Runner, keras: Runner, options: Options, progress: Progress
) -> tuple[Prepared, list[Inputs], Inputs, Options]:
    """Both sides built, paired and with the same weights; the inputs in slices, and whole; the options for the rest."""
    progress("starting both frameworks", 0, 0)
    starting = torch.start(options.seed), keras.start(options.seed, options.weights == "copy")
    torch_layers = starting[0].result()
    torch.spare_cores(1)  # Keras's import takes one, and is the longest part of a check
    whole = torch.fitted(inputs_of(x), options.seed).result()
    slices = list(whole.slices(options.slice_size))
    if options.checkpoint is not None:
        load_checkpoint(torch, *options.checkpoint, torch_layers)
    if options.weights == "copy" and options.randomize:
        torch.randomize(slices[0], options.seed).result()
    unknown = [torch.unknown_weights().result()]
    recorded = torch.record(slices[0], options.dtype, NOTHING, True)  # while Keras is still importing
    starting[1].result()
    keras.require_onednn(options.onednn).result()
    keras_layers = keras.meet(slices[0]).result()
    raise_on_unknown([*unknown, keras.unknown_weights().result()], NAMES)
    recording = recorded.result()
    named, options = introduced(keras, slices[0], recording, options)
    slices, whole = [replace(each, aliases=named.aliases) for each in slices], replace(whole, aliases=named.aliases)
    copy = partial(copied, torch, keras, progress) if options.weights == "copy" else partial(held_weights, torch, keras)
    layers = torch_layers, keras_layers
    ready = prepared(torch, keras, layers, slices[0], Done(recording), options, copy)
    torch.spare_cores(0)
    return ready, slices, whole, options


def _with_gradients(
    report: Report,
    torch: Runner,
    keras: Runner,
    ready: Prepared,
    found: Compared,
    idle: bool,
    x: Inputs,
    options: Options,
    progress: Progress,
) -> Report:
    """The report with a training step. idle: whether layers run in training alone: then its steps are its own."""
    layers, wiring = (ready.torch_layers, ready.keras_layers), found.wiring
    look = Look(wiring.watch, left_out=frozenset(found.alone))
    if idle:
        layers, wiring, look = training_steps(torch, keras, x, options, ready.pairing.torch.held)
    else:
        show_for_gradients(torch, keras, ready.pairing, found.steps)
    padded = frozenset(path for margins in ready.pairing.margins for path in margins)
    merged = frozenset(found.notes) | found.unlike if found.by_value else padded or None
    narrow = list(found.narrow)
    aim = None if options.loss is None else aimed(options.loss, torch, keras, x, layers[0])
    return add_gradients(report, torch, keras, wiring, layers, x, look, progress, merged, narrow, aim)


def show_for_gradients(torch: Runner, keras: Runner, pairing: Pairing, steps: list[StepInfo]) -> None:
    """What an operator made is one tensor with one gradient, and several steps may work on it.

    Seen as the input of the first, it would be taken from the others: it is a part of what it goes into.
    """
    shared = Graph(steps).shared()
    if shared:
        pairing = pairing.hiding(shared)
        torch.rename(pairing.torch, {}, {}).result()
        keras.rename(pairing.keras, pairing.layers, pairing.orders).result()


def with_sizes(report: Report, torch: Runner, keras: Runner, pairing: Pairing, x: Inputs, options: Options) -> Report:
    """The report with the sizes that were asked for, or one of the other parity where a setting may act there."""
    told = any(not entry.acts and not entry.changes for entry in report.static)
    sizes = options.shapes or (other_parity(x) if told and report.ok else ())
    if not sizes:
        return report
    found = at_sizes(torch, keras, pairing, x, sizes, options)
    return replace(report, sizes=tuple(found))


def copied(
    torch: Runner,
    keras: Runner,
    progress: Progress,
    recording: Recording,
    ours: list[LayerInfo],
    theirs: list[LayerInfo],
) -> Rewritten:
    """Give Keras torch's recorded weights, and tell that it takes a while."""
    progress("copying weights", 0, 0)
    return copy_weights(torch, keras, recording, ours, theirs)


def load_checkpoint(torch: Runner, path: str, model: str, layers: list[LayerInfo]) -> None:
    """Give torch's model a file's weights, every tensor once. Raises CheckpointError for a file that does not fit."""
    from parity.checkpoints.source import read_source

    tensors = {name: tensor.value for name, tensor in read_source(Path(path), model).tensors.items()}
    check_shapes(shapes_of(layers), {name: array.shape for name, array in tensors.items()}, ("torch", path))
    torch.load({name: torch.shelf.put(array) for name, array in tensors.items()}).result()
