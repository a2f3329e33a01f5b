"""A network inside a bigger file: under one prefix the names and shapes are exactly a variant's, and its head is found.

What a trainer, a wrapper or another task put around it is left out, and said. Names under the prefix that no row
explains make it another network: nothing of the network itself is ever left out.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from parity.errors import CheckpointError, few

from .naming import Naming, Renamed, identify, named_by, to_stored
from .recognize import Shapes, candidates
from .schemes import LEAVES, SCHEMES, STYLES, Scheme

WRAPPERS = re.compile(r"(?:_fsdp_wrapped_module|_checkpoint_wrapped_module|_orig_mod)\.")

JUNK = re.compile(  # what tools leave in a state_dict: counts, averages, queues, parts of losses
    r"(?:.*[./])?(?:total_ops|total_params|n_averaged|_extra_state|queue|queue_ptr|num_updates|step_counter)"
    r"|(?:criterion|loss|loss_fn|loss_func|metric|metrics)[._/].*"
)

FIRST, SECOND = "conv1.weight", "layer1.0.conv1.weight"  # where a network begins


DILATED = re.compile(r"(?:^|\.)(?:aux_classifier|auxiliary_head|aspp|decode_head|ppm|classifier\.0\.convs)\.")


@dataclass(frozen=True)
class Asked:
    """What the user says of a file: where in it the tensors lie, "teacher.model"; what the network's names begin with;

    and whether to take the network without a head.
    """

    at: str = ""
    prefix: str | None = None
    headless: bool = False
    trusted: bool = False  # to be of the variant that the user names


def network_in(shapes: Shapes, layout: str, subject: str, asked: Asked) -> tuple[Naming, tuple[str, ...]]:
    """Whose names a file's are, and what is left out. `shapes` by stored name, as stored.

    Raises CheckpointError where several networks, or several heads, are in it.
    """
    names, junk = _plain(shapes)
    whole = identify(names, layout)
    if asked.prefix is None and not whole.unexpected and not asked.headless:
        return _stored(_laid(whole, names, shapes), names), _said(junk)
    found = list(_networks(names, shapes, layout, asked.headless))
    prefixes = sorted({naming.prefix for naming in found})
    if asked.prefix is not None:
        found = [naming for naming in found if naming.prefix == asked.prefix]
        if not found:
            near = f"try {few(map(repr, prefixes))}" if prefixes else "and no prefix has one in this file"
            raise CheckpointError(
                f"--prefix must be what a network's names begin with, {asked.prefix!r} is not; {near}"
            )
    if not found:
        return _stored(whole, names), _said(junk)
    if len({naming.prefix for naming in found}) > 1:
        raise CheckpointError(
            f"{subject} must hold one network, and holds {len(prefixes)}, under {few(map(repr, prefixes))}; choose one "
            f"with --prefix {prefixes[0] or repr('')}",
            {"prefixes": prefixes},
        )
    naming, notes = _with_head(found[0], names, shapes, subject, asked)
    used = {place.name for place in naming.found.values()}
    left = [name for plain, name in names.items() if plain not in used]
    if any(map(DILATED.search, left)) and not asked.trusted:
        raise CheckpointError(
            f"{subject} must hold a network that can be written, and holds that of a segmentation, whose last stages "
            "are dilated, with the very tensors of one of ours; nothing was written: if it is not dilated, name the "
            "variant with --model"
        )
    return _stored(naming, names), (*notes, *_said([*left, *junk]))


def _laid(naming: Naming, names: Mapping[str, str], shapes: Shapes) -> Naming:
    """The naming with the axes that the shapes show: MLX has torch's names, and its kernels lie otherwise."""
    if naming.style != "torch" or _is_variant(naming, names, shapes):
        return naming
    other = named_by(list(names), naming.scheme, "mlx", naming.prefix)
    return other if not other.unexpected and _is_variant(other, names, shapes) else naming


def _plain(shapes: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Stored names by what they are without wrappers; and junk."""
    names: dict[str, str] = {}
    junk = []
    for stored in shapes:
        name = WRAPPERS.sub("", stored)
        if JUNK.fullmatch(name):
            junk.append(stored)
        else:
            names[stored if name in names else name] = stored
    return names, junk


def _stored(naming: Naming, names: Mapping[str, str]) -> Naming:
    """The naming by the names that the file has."""
    found = {ours: Renamed(names[place.name], place.axes) for ours, place in naming.found.items()}
    return replace(naming, found=found, unexpected=tuple(names[name] for name in naming.unexpected))


def _said(left: list[str]) -> tuple[str, ...]:
    return (f"{len(left)} tensors are no part of the network and left out: {few(left, most=5)}",) if left else ()


def _networks(names: Mapping[str, str], shapes: Shapes, layout: str, headless: bool) -> Iterator[Naming]:
    """Every prefix under which the names are a variant's, but for a head; the first scheme that explains them."""
    seen: set[str] = set()
    for scheme in SCHEMES:
        for style in STYLES[layout] if scheme.layout == layout else ():
            begin = list(_beginnings(names, scheme, style))
            for prefix in begin:
                if prefix in seen:
                    continue
                deeper = tuple(other for other in begin if other != prefix and other.startswith(prefix))
                own = [name for name in names if name.startswith(prefix) and not name.startswith(deeper or "\0")]
                naming = named_by(own, scheme, style, prefix)
                open_ended = headless or "fc.weight" not in naming.found
                heads = _heads(naming, names, shapes) if open_ended else []
                if len(heads) < len(naming.unexpected) or not _is_variant(naming, names, shapes):
                    continue
                seen.add(prefix)
                yield replace(naming, unexpected=tuple(heads))


def _beginnings(names: Mapping[str, str], scheme: Scheme, style: str) -> Iterator[str]:
    first, second = (to_stored(scheme, style, name) for name in (FIRST, SECOND))
    if first is None or second is None:
        return
    for name in names:
        prefix = name.removesuffix(first.name)
        at_a_boundary = not prefix or prefix[-1] in "./"
        if name.endswith(first.name) and at_a_boundary and f"{prefix}{second.name}" in names:
            yield prefix


def _is_variant(naming: Naming, names: Mapping[str, str], shapes: Shapes) -> bool:
    return bool(candidates(_canonical(naming, names, shapes)))


def _canonical(naming: Naming, names: Mapping[str, str], shapes: Shapes) -> Shapes:
    """The shapes in torch's layout, by canonical name; counters are no tensors of a variant."""
    found: Shapes = {}
    for name, place in naming.found.items():
        shape, axes = shapes[names[place.name]], place.axes
        if axes is not None and len(axes) == len(shape):
            shape = tuple(shape[axes.index(axis)] for axis in range(len(axes)))
        if not name.endswith("num_batches_tracked"):
            found[name] = shape
    return found


def _heads(naming: Naming, names: Mapping[str, str], shapes: Shapes) -> list[str]:
    """The tensors that no row explains and that are Linears' in no stage and no stem: matrices, with their biases."""
    (_, weight, _), (_, bias, _) = LEAVES[naming.style]["Linear"]
    parts = {_first(place.name, naming) for place in naming.found.values()}
    free = [name for name in naming.unexpected if _first(name, naming) not in parts]
    matrices = [name for name in free if name.endswith(weight) and len(shapes[names[name]]) == 2]
    biases = {name.removesuffix(weight) + bias for name in matrices}
    return [*matrices, *(name for name in free if name in biases and len(shapes[names[name]]) == 1)]


def _first(name: str, naming: Naming) -> str:
    """The first part of a name under the prefix."""
    return re.split(r"[./]", name.removeprefix(naming.prefix))[0]


def _with_head(
    naming: Naming, names: Mapping[str, str], shapes: Shapes, subject: str, asked: Asked
) -> tuple[Naming, tuple[str, ...]]:
    """The naming with the only Linear that takes the pooled channels as the classifier. Raises CheckpointError."""
    bare = replace(naming, unexpected=())
    if "fc.weight" in naming.found:
        if not asked.headless:
            return bare, ()
        kept = {name: place for name, place in naming.found.items() if not name.startswith("fc.")}
        return replace(bare, found=kept), ()
    used = {place.name for place in naming.found.values()}
    rest = [name for name in names if name not in used]
    inside = _matrices([name for name in rest if name.startswith(naming.prefix)], naming, names, shapes)
    heads = inside or _matrices(rest, naming, names, shapes)
    if asked.headless or not heads:
        return bare, ()
    channels = _pooled(naming, names, shapes)
    head = heads[0]
    if len(heads) == 1 and head.takes == channels and head.bias is not None:
        found = naming.found | {"fc.weight": head.weight, "fc.bias": head.bias}
        return replace(bare, found=found), (f"{head.weight.name} is taken for the classifier, fc",)
    if not inside:
        return bare, ()  # of another task, and left out
    told = [each.weight.name for each in heads]
    raise CheckpointError(
        f"{subject} must end in one Linear of {channels} channels, and has {len(heads)} that no name explains: "
        f"{few(told, most=5)}; take the network without a head with --headless",
        {"heads": told},
    )


@dataclass(frozen=True)
class _Head:
    weight: Renamed
    bias: Renamed | None
    takes: int


def _matrices(rest: list[str], naming: Naming, names: Mapping[str, str], shapes: Shapes) -> list[_Head]:
    """The Linears among some tensors."""
    (_, weight, axes), (_, bias, _) = LEAVES[naming.style]["Linear"]
    found = []
    for name in rest:
        shape = shapes[names[name]]
        if name.endswith(weight) and len(shape) == 2:
            other = name.removesuffix(weight) + bias
            takes = shape[1] if axes is None else shape[0]
            found.append(_Head(Renamed(name, axes), Renamed(other, None) if other in rest else None, takes))
    return found


def _pooled(naming: Naming, names: Mapping[str, str], shapes: Shapes) -> int:
    """How many channels are pooled: those of the last norm of the last block."""
    norms = [name for name in naming.found if re.fullmatch(r"layer\d+\.\d+\.bn\d+\.running_var", name)]
    last = max(norms, key=lambda name: [int(number) for number in re.findall(r"\d+", name)], default="")
    return shapes[names[naming.found[last].name]][0] if last else 0
