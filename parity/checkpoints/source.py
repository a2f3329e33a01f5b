"""A checkpoint understood: its tensors under canonical names, the scheme it had and the variant it is."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from parity.errors import CheckpointError, few
from parity.models.arrays import Array
from parity.models.targets import variants

from .beside import stated_beside
from .called import Name, names, ours, refuse_others
from .checkpoint import Checkpoint
from .hints import refuse_hints, told_by_text
from .inside import Asked, network_in
from .modules import module_statement
from .naming import Naming, functional_order, to_stored
from .parts import check_whole, find_parts, read_parts
from .recognize import Architecture, Shapes, expected_shapes, fitted, named, recognize
from .refusals import (
    refuse_folded,
    refuse_foreign,
    refuse_placeholders,
    refuse_quantised,
    refuse_statistics,
    refuse_unsure,
)
from .schemes import COUNTER, Axes, Scheme
from .statements import Statement, refused
from .tensors import BFLOAT16, FLOATS, Tensor, with_room

OPTIONS = {"num_classes", "in_channels", "input_size", "shortcut", "zero_init_residual"}
OPTIONS |= {"replace_stride_with_dilation", "classifier_activation"}  # all that a builder takes


ANYTHING = Asked()


@dataclass(frozen=True)
class Source:
    """`tensors` by canonical name, in torch's layout, in the order of torch's state_dict; `counters` are the norms'."""

    tensors: dict[str, Tensor]
    counters: dict[str, Tensor]
    scheme: str
    architecture: Architecture
    notes: tuple[str, ...]

    def renamed(self, scheme: Scheme, suffix: str) -> tuple[list[Tensor], tuple[str, ...]]:
        """The tensors in another scheme's words and order, for a format; and what was left out.

        Raises CheckpointError where the scheme has no word for a tensor.
        """
        style = "torch" if scheme.layout == "torch" else "names" if suffix == ".h5" else "vars"
        keys = list(self.tensors)
        if scheme.containers:
            layers = functional_order(dict.fromkeys(key.rpartition(".")[0] for key in keys))
            rank = {layer: number for number, layer in enumerate(layers)}
            keys.sort(key=lambda key: rank[key.rpartition(".")[0]])
        held = self.tensors | (self.counters if style == "torch" else {})
        made, wordless = [], []
        wanted = [each for own in keys for each in (own, _counter_of(own)) if each in held]
        for name in wanted:
            place = to_stored(scheme, style, name)
            if place is None:
                wordless.append(name)
            else:
                made.append(replace(held[name], name=place.name, axes=_chained(held[name].axes, place.axes)))
        if wordless:
            raise CheckpointError(
                f"--naming {scheme.name} must have a word for every tensor of {self.architecture}, and has none for "
                f"{few(wordless)}; choose another naming",
                {"without a word": wordless},
            )
        dropped = len(self.counters) if style != "torch" else 0
        return with_room(made), (f"{dropped} batch counters left out: Keras has none",) if dropped else ()


def read_source(path: Path, model: str | None = None, asked: Asked = ANYTHING) -> Source:
    """Read a checkpoint and understand it. Raises CheckpointError, with the whole list of what is wrong."""
    parts = find_parts(path)
    found = read_parts(parts, asked.at)
    beside, remarks, config = stated_beside(parts.files[0])
    found = replace(found, statements=(*found.statements, *beside), notes=(*found.notes, *remarks))
    if asked.headless:
        found = replace(found, statements=tuple(map(without_head, found.statements)))
    found = replace(found, beside=found.beside | ({"config.json": config} if config and not beside else {}))
    shapes = {name: array.shape for name, array in found.tensors.items()}
    asked = replace(asked, trusted=model is not None)
    naming, left = network_in(shapes, found.layout or parts.layout, str(path), asked)
    held = {name: _in_torch_layout(name, found.tensors[stored], axes) for name, (stored, axes) in naming.found.items()}
    counters = {name: _counted(held.pop(name)) for name in list(held) if name.endswith(COUNTER)}
    shapes = {name: tensor.shape for name, tensor in held.items()}
    called, (caffe, cifar) = list(names(found.beside, str(path))), told_by_text(found.beside)
    if model is None:
        refuse_others([*called, *([] if caffe else [Name(path.name, f"the name of {path}")])])
    later = found.beside.get("__author__") == "torchvision"  # of detectron2's files: strides in the 3x3
    spoken = [
        name
        for name in variants()
        if (caffe and name.endswith("_v1")) or (cifar and name.startswith("cifar")) or (later and "_" not in name)
    ]
    refuse_foreign(naming, str(path))
    refuse_placeholders(shapes, str(path))
    refuse_statistics(shapes, str(path))
    refuse_folded(found.modules, str(path))
    found = replace(found, statements=(*found.statements, *_of_modules(found, naming, str(path))))
    refuse_quantised(naming, held, str(path))
    faults = _faults(found, naming, held, counters)
    architecture, notes = _architecture(found, naming, shapes, model, path, faults, [*spoken, *ours(called)])
    if model is None:
        refuse_hints(found.beside, str(path))
    notes += (*left, *_square(naming, shapes, str(path)))
    check_whole(parts, headless=architecture.config.num_classes == 0)
    if any(tensor.array.dtype == BFLOAT16 for tensor in held.values()):
        notes += ("bfloat16 widened to float32, without a loss",)
    scheme = f"{naming.scheme.name} ({naming.prefix})" if naming.prefix else naming.scheme.name
    ordered = {name: held[name] for name in architecture.shapes}
    return Source(ordered, counters, scheme, architecture, (*found.notes, *notes))


def _counted(counter: Tensor) -> Tensor:
    """A norm's counter as a whole number: one that was saved with the floats, as in a model's average, is rounded."""
    array = counter.array
    whole = array.dtype.kind == "f" and array.size == 1 and float(array.reshape(-1)[0]).is_integer()
    return replace(counter, array=array.astype("<i8")) if whole else counter


def _of_modules(found: Checkpoint, naming: Naming, subject: str) -> tuple[Statement, ...]:
    """What a whole module that was saved states of its parts."""
    paths = {place.name.rpartition(".")[0]: name.rpartition(".")[0] for name, place in naming.found.items()}
    stated = module_statement(found.modules, paths, subject)
    return (stated,) if stated else ()


def _square(naming: Naming, shapes: Shapes, subject: str) -> tuple[str, ...]:
    """What must be said of a head whose axes could be exchanged: some libraries write it as (in, out)."""
    shape = shapes.get("fc.weight", ())
    if len(shape) != 2 or shape[0] != shape[1] or naming.style == "paddle":
        return ()
    order = "(out, in), as torch's" if naming.scheme.layout == "torch" else "(in, out), as Keras's"
    return (f"{subject} does not tell in which order the axes of its square head {list(shape)} lie: taken as {order}",)


def _in_torch_layout(name: str, array: Array, axes: Axes) -> Tensor:
    """The tensor with the axes that bring it back; one of another rank stays as it is, and fits no variant."""
    if axes is None or len(axes) != array.ndim:
        return Tensor(name, array)
    return Tensor(name, array, tuple(map(int, np.argsort(axes))))


def _chained(first: Axes, then: Axes) -> Axes:
    """One transposition for two; None where they cancel each other."""
    if first is None or then is None:
        return first or then
    axes = tuple(first[axis] for axis in then)
    return None if axes == tuple(range(len(axes))) else axes


def _faults(
    found: Checkpoint, naming: Naming, held: dict[str, Tensor], counters: dict[str, Tensor]
) -> dict[str, list[str]]:
    """What is wrong with the tensors whatever the variant: every name, by what is wrong with it."""
    stray = [naming.found[name].name for name in counters if f"{name.removesuffix(COUNTER)}running_mean" not in held]
    odd = [name for name, tensor in held.items() if tensor.array.dtype not in FLOATS]
    odd += [name for name, tensor in counters.items() if tensor.array.dtype.kind != "i" or tensor.array.size != 1]
    return {
        "named twice": list(found.clashes),
        "unexpected": [*naming.unexpected, *stray],
        "of a type that no weight has": [naming.found[name].name for name in odd],
    }


def _architecture(
    found: Checkpoint,
    naming: Naming,
    shapes: Shapes,
    model: str | None,
    path: Path,
    faults: dict[str, list[str]],
    called: list[str],
) -> tuple[Architecture, tuple[str, ...]]:
    """The variant that was asked for, that the file says it is, or that the tensors show; and what to say of it.

    called: the variants that the file names.
    """
    subject = str(path)
    spoken = [each for each in found.statements if naming.scheme.name in each.schemes]
    notes = tuple(dict.fromkeys(note for each in spoken for note in each.notes))
    early = [each for each in spoken if each.library not in ("graph", "module")]
    if early:  # tells what is wrong in fewer words than the names of all tensors that do not fit
        rows = [fitted(name, shapes) for name in variants() if model in (None, name)]
        _as_stated(early, sorted(rows, key=lambda row: len(row.shapes.items() ^ shapes.items())))
    if model is not None:
        return _as_stated(spoken, [named(model, shapes, subject, faults)])[0], notes
    described = _described(found, shapes)
    if described is not None and not any(faults.values()):
        return _as_stated(spoken, [described])[0], notes
    fitting = {each.name: each for each in _as_stated(spoken, recognize(shapes, subject, faults))}
    told = [name for name in (found.model, *called) if name in fitting]
    preferred = [name for name in fitting if name.endswith(naming.scheme.prefers)]
    name = (told or preferred or list(fitting))[0]
    if not (told or spoken or naming.scheme.bare):
        refuse_unsure(fitting[name], subject)
    others = [] if told else [each for each in fitting if each != name]
    doubt = "" if found.model == name else _doubt(fitting[name], others, path, bool(spoken))
    return fitting[name], (*notes, *([doubt] if doubt else ()), *_usual_head(naming, spoken, shapes))


def _doubt(taken: Architecture, others: list[str], path: Path, spoken: bool) -> str:
    """What a file leaves open, and what is taken for it. spoken: it states its settings, and not what joins them."""
    config = taken.config
    if spoken:
        return f"{path.name} may be {few(others)} too: taken as {taken.name}; --model names another" if others else ""
    strides = f"strides in the {'1x1' if config.stride_in_1x1 else '3x3'}, " if config.block == "bottleneck" else ""
    same = f", and {' and '.join(others)} {'have' if len(others) > 1 else 'has'} the same tensors" if others else ""
    return (
        f"{path.name} does not tell strides, padding, dilation, activation or eps{same}: taken as {taken.name}'s "
        f"({strides}eps {config.eps:g}); --model names another"
    )


def _usual_head(naming: Naming, spoken: list[Statement], shapes: Shapes) -> tuple[str, ...]:
    """What is usual where a functional Keras model's file holds its weights alone."""
    if naming.scheme.layout == "keras" and naming.prefix and not spoken:
        return (f"what stands before and behind {naming.prefix} in its model does not show in the weights",)
    if naming.scheme.containers is None or spoken or "fc.bias" not in shapes:
        return ()
    return ("a head of softmax, as keras.applications has it, would not show in the weights: logits are written",)


def without_head(statement: Statement) -> Statement:
    """A graph's statement of a network whose head is not taken: what comes behind the pooled features is left out."""
    found = re.search(r"average\(relu\(layer\d+\.\d+\)\)", str(statement.stated.get("output")))
    if statement.library != "graph" or found is None:
        return statement
    kept = {key: value for key, value in statement.stated.items() if key != "input of fc"}
    return replace(statement, stated=kept | {"output": found[0]}, options={}, notes=())


def _as_stated(spoken: list[Statement], fitting: list[Architecture]) -> list[Architecture]:
    """Those of the variants that are what the file states, with the options that it states.

    Raises CheckpointError where there are some and none is: with the fewest differences that one has.
    """
    options = {key: value for each in spoken for key, value in each.options.items()}
    given = [Architecture(each.name, each.options | options) for each in fitting] if options else fitting
    for statement in spoken:
        wrong = {each.name: len(statement.differences(each.config)) for each in given}
        if wrong and min(wrong.values()):
            nearest = min(given, key=lambda each: wrong[each.name])
            raise refused(statement, str(nearest), nearest.config)
        given = [each for each in given if not wrong[each.name]]
    return given


def _described(found: Checkpoint, shapes: Shapes) -> Architecture | None:
    """The variant and options that a .keras archive of our own describes, where they are true of its tensors."""
    if found.config is None or found.model not in variants():
        return None
    row = variants()[found.model]
    try:
        config = type(row)(**found.config)
    except (TypeError, ValueError):
        return None
    changed = {key: value for key, value in vars(config).items() if value != getattr(row, key)}
    fits = changed.keys() <= OPTIONS and expected_shapes(config) == shapes
    return Architecture(found.model, changed) if fits else None


def _counter_of(name: str) -> str:
    """The name of the counter that follows a norm's running variance in torch's state_dict; else no name."""
    path, _, leaf = name.rpartition(".")
    return f"{path}.{COUNTER}" if leaf == "running_var" else ""
