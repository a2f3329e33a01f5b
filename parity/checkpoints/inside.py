"""A network inside a bigger file: under one prefix the names and shapes are exactly a variant's, and its head is found.

What a trainer, a wrapper or another task put around it is left out, and said. Names under the prefix that no row
explains make it another network: nothing of the network itself is ever left out.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from parity.errors import CheckpointError, few

from .foreign import OWN_MODEL
from .naming import Naming, Renamed, identify, named_by, to_stored
from .recognize import Shapes, candidates
from .schemes import LEAVES, SCHEMES, STYLES, Scheme

WRAPPERS = re.compile(r"(?:_fsdp_wrapped_module|_checkpoint_wrapped_module|_orig_mod)\.")

JUNK = re.compile(  # what tools leave in a state_dict: counts, averages, queues, parts of losses
    r"(?:.*[./])?(?:total_ops|total_params|n_averaged|_extra_state|queue|queue_ptr|num_updates|step_counter)"
    r"|(?:criterion|loss|loss_fn|loss_func|metric|metrics)[._/].*"
)

FIRST, SECOND = "conv1.weight", "layer1.0.conv1.weight"  # where a network begins


DILATED = re.compile(  # heads of segmentation, whose backbones keep their resolution
    r"(?:^|\.)(?:aux_classifier|auxiliary_head|aspp|decode_head|ppm|psp|fpa|(?:classifier|decoder)\.0\.convs)\."
)

PIXELS = re.compile(r"(?:^|\.)classifier\.\d\.weight")  # torchvision's FCN, where it is a convolution

ATTENTION = re.compile(r"(?:ca|sa|se|cbam|eca|att|attn|attention|nl|non_?local)\d*\.")  # before or between stages

SCALES = re.compile(r"(?:^|[._])(?<!running_)(?:mean|std|sigma|mu)$")  # of an image's channels

PEOPLE = re.compile(r"(?:^|\.)(?:bottleneck|bnneck|bn_neck)\.(?:0\.)?running_mean")  # of the pooled channels


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
    whole = _identified(names, layout)
    if asked.prefix is None and not whole.unexpected and not asked.headless:
        return _stored(_laid(whole, names, shapes), names), _said(junk)
    found = list(_networks(names, shapes, layout, asked.headless))
    prefixes = sorted({naming.prefix for naming in found}, key=lambda prefix: _place(prefix, names))
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
    attending = [name for name in found[0].unexpected if ATTENTION.match(name.removeprefix(found[0].prefix))]
    if attending:
        raise CheckpointError(
            f"{subject} must hold a network of this family, and holds one that attends to channels or pixels, by "
            f"{few(attending, most=5)}; nothing was written: {OWN_MODEL}"
        )
    naming, notes = _with_head(found[0], names, shapes, subject, asked)
    used = {place.name for place in naming.found.values()}
    left = [name for plain, name in names.items() if plain not in used]
    other = "" if asked.trusted else _other_task(left, shapes, _pooled(naming, names, shapes))
    before = [] if asked.trusted else _before(left, _canonical(naming, names, shapes), shapes)
    if before:
        raise CheckpointError(
            f"{subject} must hold a network that takes an image as it is, and by {few(before, most=5)} holds one that "
            "does something to it first; nothing was written: give it what that makes of an image, and name the "
            "variant with --model"
        )
    if other:
        raise CheckpointError(
            f"{subject} must hold a network that can be written, and holds that of {other}, with the very tensors of "
            "one of ours; nothing was written: if its strides are the usual ones, name the variant with --model"
        )
    return _stored(naming, names), (*notes, *_said([*left, *junk]))


def _place(prefix: str, names: Iterable[str]) -> int:
    """Where in a file the first name with a prefix stands."""
    return next(number for number, name in enumerate(names) if name.startswith(prefix))


def _before(left: Iterable[str], network: Shapes, shapes: Shapes) -> list[str]:
    """What is left out of a classifier and is done to its image: a mean and a deviation of its channels, or a layer."""
    channels = network["conv1.weight"][1] if "fc.weight" in network else 0
    return [
        name
        for name in left
        if channels
        and (
            (SCALES.search(name) and math.prod(shapes[name]) == channels)
            or (len(shapes[name]) == 4 and shapes[name][0] == channels and shapes[name][1:] != (1, 1, 1))
        )
    ]


def _identified(names: Mapping[str, str], layout: str) -> Naming:
    """Whose names they are: the layout's, or all of them the other's, as where Keras's arrays were saved by name."""
    own = identify(names, layout)
    other = identify(names, "keras" if layout == "torch" else "torch") if own.unexpected else own
    return own if other.unexpected else other


def _other_task(left: Iterable[str], shapes: Shapes, channels: int) -> str:
    """What the tensors beside a network show of its strides, where tasks have others than classification has."""
    for name in left:
        if DILATED.search(name) or (PIXELS.search(name) and len(shapes[name]) == 4):
            return "a segmentation, whose last stages are dilated"
        if PEOPLE.search(name) and shapes[name] == (channels,):
            return "re-identification, whose last stage often does not stride"
    return ""


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
        name = WRAPPERS.sub("", stored).removesuffix(":0")
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
                if headless:
                    naming = replace(naming, found={k: v for k, v in naming.found.items() if not k.startswith("fc.")})
                open_ended = headless or "fc.weight" not in naming.found
                heads = _heads(naming, names, shapes, headless) if open_ended else []
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


def _heads(naming: Naming, names: Mapping[str, str], shapes: Shapes, headless: bool) -> list[str]:
    """The tensors that no row explains and that are in no stage and no stem: Linears, and norms between them.

    headless: whoever wants no head is told what is left out; else a norm is a head's that has a part's name with it.
    """
    (_, weight, _), _ = LEAVES[naming.style]["Linear"]
    parts = {_first(place.name, naming) for place in naming.found.values()}
    free = [name for name in naming.unexpected if _first(name, naming) not in parts and len(shapes[names[name]]) < 3]
    matrices = [name for name in free if name.endswith(weight) and len(shapes[names[name]]) == 2]
    own = {_first(name, naming) for name in matrices}
    anywhere = headless or naming.scheme.layout == "keras"  # whose layers have no names in common
    return [name for name in free if matrices and (anywhere or _first(name, naming) in own)]


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
    within = [name for name in rest if name.startswith(naming.prefix)]
    inside = _matrices(within, naming, names, shapes)
    heads = inside or _matrices(rest, naming, names, shapes)
    if asked.headless or not heads:
        return bare, ()
    channels = _pooled(naming, names, shapes)
    head = heads[0]
    alone = len(within if inside else rest) == 2  # else a part is between
    if len(heads) == 1 and alone and head.takes == channels and head.bias is not None:
        found = naming.found | {"fc.weight": head.weight, "fc.bias": head.bias}
        return replace(bare, found=found), (f"{head.weight.name} is taken for the classifier, fc",)
    if not inside:
        return bare, ()  # of another task, and left out
    told = [each.weight.name for each in heads]
    raise CheckpointError(
        f"{subject} must end in one Linear of {channels} channels, and has {len(within)} tensors of a head that no "
        f"name explains: {few([*told, *(name for name in within if name not in told)], most=5)}; take the network "
        "without a head with --headless",
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
