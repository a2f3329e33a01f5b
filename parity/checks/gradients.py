"""`--gradients`: one training step of both sides, compared: loss, every gradient, the running statistics afterwards.

Five runs on the whole batch, in training mode (batch statistics), all on the same input and weights, with the loss
sum(output * c) for a fixed random c (`forcing.cotangent`), or the one that is asked for (`Aim`):
- torch free in float64, which keeps every step's output and gradient: the teacher. Keras free in float64. Their
  difference is inherited. Batch norm on batch statistics magnifies a difference about 1.2 times a layer,
  forward and again backward (Yang et al. 2019), a billion times in a hundred layers: rounding alone can grow past the
  structure line, so no verdict hangs on it.
- Keras forced in float64: every step on the teacher's input and, backward, the teacher's upstream gradient. What
  differs, this step has added; that is the verdict. If no step adds anything, the chain rule leaves no fault a place.
- both sides forced in the asked dtype: each one's rounding, step by step. Free runs would not do: one ReLU whose input
  rounds to the other side of zero changes gradients by whole units, on one side and not on the other, and the errors'
  ratio says nothing. Forced, every step rounds once, and `compare.arithmetic_ok` holds as for the forward pass.
"""

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import partial

from parity.causes.gradients import causes
from parity.causes.teacher import Teacher
from parity.causes.ties import ties_of
from parity.models.aims import Aim, chosen, common, truths
from parity.models.arrays import Array
from parity.models.inputs import Inputs
from parity.models.kinds import named
from parity.models.layers import LayerInfo
from parity.models.recipe import Recipe
from parity.models.steps import Look, StepInfo
from parity.pairs.matching import Wiring
from parity.runners.lessons import ShelfBoard
from parity.runners.runner import Runner
from parity.verdict.cause import Cause
from parity.verdict.difference import Difference, structure_ok
from parity.verdict.gradients import Gradient, TensorGradient
from parity.verdict.measured import Measured, Name
from parity.verdict.results import LayerResult
from parity.verdict.rounding import lost_one_by_one

from .answerable import answerable
from .gradient_rows import faults_of, with_bare, with_gradient, with_trained
from .measuring import Layers, Numbers, measure
from .report import Report


def add_gradients(
    report: Report,
    torch: Runner,
    keras: Runner,
    wiring: Wiring,
    layers: Layers,
    x: Inputs,
    look: Look,
    progress: Callable[..., None],
    merged: frozenset[str] | None = None,
    narrow: Collection[str] = (),
    aim: Aim | None = None,
) -> Report:
    """The report with every layer's gradients, and what is wrong with them, on the whole batch x.

    merged: steps of which what goes in is not the same on both sides: those that end a region of several, where steps
    were paired by value, and those that one side pads before. narrow: steps that have float32 in them also in float64.
    aim: the loss, if it is another than the weighted sum. Raises ParityError where a side cannot run backward.
    """
    dtype, seed = str(report.environment["dtype"]), int(report.environment["seed"])
    progress("gradients", 0, 0)
    numbers, taught = measure(torch, keras, look, layers, x, dtype, seed, aim)
    if merged is not None:
        numbers = replace(numbers, added={k: v for k, v in numbers.added.items() if not _apart(k, v, merged)})
    numbers = numbers.eased(narrow, wiring) if narrow else numbers
    board = ShelfBoard(torch.shelf, taught)
    teacher = Teacher(
        partial(_kept, board), lambda path: torch.weights_of(path).result(), board.sizes, ties_of(layers[0])
    )
    judged = judge(report, numbers, wiring, teacher, x, layers[0])
    known = {cause.path for cause in judged.causes}
    rows = [row for row in judged.layers if row.path not in known]
    found = tuple(causes(rows, dtype, numbers.added, teacher, layers[0]))
    return replace(judged, causes=(*judged.causes, *_fed_otherwise(judged, numbers, wiring), *found))


def aimed(recipe: Recipe, torch: Runner, keras: Runner, x: Inputs, layers: list[LayerInfo]) -> Aim:
    """The loss that is asked for, with targets for x. Raises RecipeError where the outputs are not what it takes."""
    outputs = common(torch.outputs(x).result(), keras.outputs(x).result())
    count = len(x.first)
    recipe = chosen(replace(recipe, batch_size=count), outputs, [layer for layer in layers if layer.weights])
    return Aim(recipe, truths(recipe, outputs, count))


def _fed_otherwise(report: Report, numbers: Numbers, wiring: Wiring) -> Iterator[Cause]:
    """Layers that run in training alone and are fed another tensor than torch's: what evaluation mode cannot show."""
    evaluated = {row.step.key for row in report.layers if row.weights}
    for feeds, step in wiring.steps.items():
        user = feeds.rpartition("<")[0]
        measured = numbers.added.get(("output", feeds))
        if user and user not in evaluated and measured is not None and not structure_ok(measured.error):
            gap = f"{measured.error.greatest:.2e}{measured.error.at}"
            made = f", {step.path}," if step.path else ""
            what = f"in training {user} is fed another tensor in Keras than in torch{made} which differs by {gap}"
            yield Cause("another input", step.path, what)


def _apart(name: Name, found: Measured, merged: frozenset[str]) -> bool:
    """Whether it is the gradient into an input that the two sides have not in common, or in other axes.

    The cut points before it have theirs, in which it is contained.
    """
    what, key = name
    return what == "into" and (key.partition("<")[0] in merged or found.error.greatest == math.inf)


def _kept(board: ShelfBoard, what: str, key: str) -> Array | None:
    """What torch's free run has left; the "source" of a step is what it was fed."""
    return board.source(key) if what == "source" else board.get((what, key))


def judge(
    report: Report, numbers: Numbers, wiring: Wiring, teacher: Teacher, x: Inputs, layers: list[LayerInfo]
) -> Report:
    """Give every row of the report its gradients and faults.

    Rows are added of the inputs, of weights outside of the layers that ran, and of "loss".
    """
    dtype = str(report.environment["dtype"])
    tensors: dict[str, dict[str, TensorGradient]] = {}
    for key, name, tensor in _placed(numbers, wiring, teacher):
        tensors.setdefault(key, {})[name] = tensor
    if _same_to_all(numbers, x):
        tensors = {key: dict(_absorbed(found)) for key, found in tensors.items()}
    rows = [_judged(row, tensors.get(row.step.key), dtype, teacher) for row in with_trained(report.layers, wiring)]
    rows = list(with_bare(rows, tensors, layers, dtype))
    inputs = ((key, x.batch_first(name).shape) for name, key in x.keys.items())
    first = [row for key, shape in inputs for row in _extra(key, shape, ("gradient", key), numbers)]
    last = _extra("loss", (1,), ("tensor", "loss"), numbers)
    if not any(row.faults for row in rows):  # who makes an error is at fault, not who inherits it
        last = (replace(row, faults=faults_of(row, dtype)) for row in last)
    return replace(report, layers=(*first, *rows, *last))


def _judged(row: LayerResult, tensors: dict[str, TensorGradient] | None, dtype: str, teacher: Teacher) -> LayerResult:
    """The row with its gradients; what a batch's sums may lose is measured where the usual does not do."""
    found = with_gradient(row, tensors, dtype)
    if tensors is None or "gradient arithmetic" not in found.faults or named(row.kind).normalises != "batch":
        return found
    x = teacher.kept("source", row.step.key)
    if x is None:
        return found
    lost = lost_one_by_one(x)
    return with_gradient(row, {name: replace(tensor, lost=lost) for name, tensor in tensors.items()}, dtype)


def _same_to_all(numbers: Numbers, x: Inputs) -> bool:
    """Whether the free runs give every weight and every input the same gradient, and the same loss."""
    wanted = {name for name in numbers.added if name[0] == "tensor"} | {("tensor", key) for key in x.keys.values()}
    found = [numbers.inherited.get(name) for name in wanted]
    return all(each is not None and structure_ok(each) for each in found)


def _absorbed(tensors: dict[str, TensorGradient]) -> Iterator[tuple[str, TensorGradient]]:
    """The gradients into a step's inputs, where nothing that is trained or fed depends on how they differ.

    Of equal numbers a max pool may choose another, all of them zeros that a ReLU made; what is divided by its norm may
    be divided by it again. Of such functions only what comes before them together is the same.
    """
    for name, tensor in tensors.items():
        into = name.split()[0] == "input" and not structure_ok(tensor.added)
        yield name, replace(tensor, absorbed=True) if into else tensor


def _extra(name: str, shape: tuple[int, ...], what: Name, numbers: Numbers) -> Iterator[LayerResult]:
    """The row of the loss, or of the gradient at the model's input, which is never at fault: who made an error is.

    It has no part in the forward check, whose numbers are zero here. What a model adds to its loss is the loss's own.
    """
    inherited = numbers.inherited.get(("tensor", name))
    if inherited is not None and what in numbers.added:
        tensor = replace(numbers.tensor(what), inherited=inherited)
        zero = Difference()
        step = StepInfo(name, name, name, tuple(shape))
        yield LayerResult(step, {}, zero, zero, zero, zero, zero, faults=(), gradient=Gradient({name: tensor}))


def _placed(numbers: Numbers, wiring: Wiring, teacher: Teacher) -> Iterator[tuple[str, str, TensorGradient]]:
    """(key of the row, name of the tensor, numbers) of all that was measured."""
    for (what, key), measured in numbers.added.items():
        tensor = numbers.tensor((what, key))
        if what == "tensor":
            path, _, name = key.rpartition(".")
            yield path, name, tensor
        elif what == "output":
            yield key, "output", tensor
        elif what == "into":
            step, _, number = key.rpartition("<")
            yield step, "input" if number == "0" else f"input {number}", tensor
        elif not structure_ok(measured.error):
            # Rounding is not judged here: what several users send back is each one's, and their sum nobody's.
            blamed = answerable(key, numbers.added, wiring, teacher)
            if blamed is not None:
                yield blamed, f"input {key}", TensorGradient(tensor.added, absent=tensor.absent)
