"""Which named variant a set of tensors is: told from their names and shapes alone, without a framework."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from parity.errors import CheckpointError, few
from parity.models.targets import variants

from .foreign import OWN_MODEL

Shapes = dict[str, tuple[int, ...]]

THIRD = "layer1.0.conv3.weight"  # of a bottleneck alone
HEADLESS = "take the network without a head with --headless"
MOST_NAMED = 5  # tensors of a kind in a sentence
ROOM = 120  # characters of them


@dataclass(frozen=True)
class Architecture:
    """A named variant with the builder's options that differ from its row (num_classes, in_channels, shortcut)."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def shapes(self) -> Shapes:
        """Every tensor's canonical name and shape."""
        return expected_shapes(self.config)

    @property
    def config(self) -> Any:
        """The whole configuration. Raises ValueError for options that make no network."""
        return replace(variants()[self.name], **self.options)

    def __str__(self) -> str:
        changed = ", ".join(f"{key}={value!r}" for key, value in self.options.items())
        return f"{self.name}({changed})" if changed else self.name


def expected_shapes(config: Any) -> Shapes:
    """Canonical name -> shape of every parameter and running statistic, in the order of torch's state_dict."""
    shapes: Shapes = {}
    kernel = 3 if config.stem == "cifar" else 7
    shapes |= _conv("conv1", config.widths[0], config.in_channels, kernel, config.bias)
    shapes |= _norm("bn1", config.widths[0])
    channels = config.widths[0]
    for stage, (width, depth) in enumerate(zip(config.widths, config.depths, strict=True)):
        for number in range(depth):
            stride = 2 if stage and not number else 1
            shapes |= _block(config, f"layer{stage + 1}.{number}", channels, width, stride)
            channels = width * config.expansion
    if config.num_classes:
        shapes |= {"fc.weight": (config.num_classes, channels), "fc.bias": (config.num_classes,)}
    return shapes


def _block(config: Any, path: str, channels: int, width: int, stride: int) -> Shapes:
    out = width * config.expansion
    if config.block == "bottleneck":
        inner = int(width * (config.width_per_group / 64)) * config.groups
        rows = [(inner, channels, 1), (inner, inner // config.groups, 3), (out, inner, 1)]
    else:
        rows = [(width, channels, 3), (width, width, 3)]
    shapes: Shapes = {}
    for number, (outputs, inputs, kernel) in enumerate(rows, 1):
        shapes |= _conv(f"{path}.conv{number}", outputs, inputs, kernel, config.bias)
        shapes |= _norm(f"{path}.bn{number}", outputs)
    changes = stride != 1 or channels != out
    if config.block == "residual":  # Dive into Deep Learning's: a 1x1 convolution without a norm
        return shapes | (_conv(f"{path}.conv3", out, channels, 1, config.bias) if changes else {})
    if config.shortcut == "C" or (config.shortcut == "B" and changes):
        shapes |= _conv(f"{path}.downsample.0", out, channels, 1, config.bias)
        shapes |= _norm(f"{path}.downsample.1", out)
    return shapes


def _conv(path: str, outputs: int, inputs: int, kernel: int, bias: bool) -> Shapes:
    weight = {f"{path}.weight": (outputs, inputs, kernel, kernel)}
    return weight | ({f"{path}.bias": (outputs,)} if bias else {})


def _norm(path: str, channels: int) -> Shapes:
    return {f"{path}.{name}": (channels,) for name in ("weight", "bias", "running_mean", "running_var")}


def candidates(shapes: Shapes) -> list[Architecture]:
    """Every variant that has exactly these tensors, whatever its number of classes and of input channels.

    Where no row fits as it stands, other shortcuts are tried: option B on a net whose row says A.
    """
    deep = [name for name, row in variants().items() if _as_deep(row, shapes)]
    found = [shaped for name in deep if (shaped := fitted(name, shapes)).shapes == shapes]
    if found:
        return found
    return [shaped for name in deep for shaped in _with_other_shortcuts(name, shapes) if shaped.shapes == shapes]


def _as_deep(row: Any, shapes: Shapes) -> bool:
    """Whether the stages have the row's numbers of blocks, which is quick to see."""
    stages = list(enumerate(row.depths, 1))
    last = all(f"layer{stage}.{depth - 1}.conv1.weight" in shapes for stage, depth in stages)
    return last and not any(f"layer{stage}.{depth}.conv1.weight" in shapes for stage, depth in stages)


def _with_other_shortcuts(name: str, shapes: Shapes) -> Iterator[Architecture]:
    row = variants()[name]
    for shortcut in ("A", "B", "C"):
        if row.block != "residual" and shortcut != row.shortcut and row.shortcut != "none":
            yield fitted(name, shapes, shortcut=shortcut)


def fitted(name: str, shapes: Shapes, **options: Any) -> Architecture:
    """The variant with the classes and the input channels that the tensors show, whether or not it has them."""
    row, head, stem = variants()[name], shapes.get("fc.weight", ()), shapes.get("conv1.weight", ())
    bias = shapes.get("fc.bias", ())
    classes = bias[0] if len(bias) == 1 else head[0] if len(head) == 2 else row.num_classes if bias or head else 0
    channels = stem[1] if len(stem) == 4 else row.in_channels
    if classes != row.num_classes:
        options["num_classes"] = classes
    if channels != row.in_channels and channels > 0:
        options["in_channels"] = channels
    return Architecture(name, options)


def named(name: str, shapes: Shapes, subject: str, faults: dict[str, list[str]]) -> Architecture:
    """The variant that was asked for, if the tensors are its own and without `faults` (names by what is wrong).

    Raises CheckpointError with every difference and every fault.
    """
    if name not in variants():
        import difflib

        near = difflib.get_close_matches(name, variants(), n=3) or sorted(variants())[:5]
        raise CheckpointError(
            f"--model must be one of the {len(variants())} named variants, and {name!r} is none; "
            f"try {' or '.join(near)}"
        )
    tried = [fitted(name, shapes), *_with_other_shortcuts(name, shapes)]
    exact = [shaped for shaped in tried if shaped.shapes == shapes]
    if not exact or any(faults.values()):
        found = _differences((exact or tried)[0], shapes, faults)
        raise CheckpointError(f"{subject} must hold exactly the tensors of {name}, but there are {_told(found)}", found)
    return exact[0]


def recognize(shapes: Shapes, subject: str, faults: dict[str, list[str]]) -> list[Architecture]:
    """The candidates. Raises CheckpointError, which names the nearest and every difference, where there is none."""
    found = candidates(shapes)
    if not found or any(faults.values()):
        nearest = [fitted(each.name, shapes) for each in found] or _nearest(shapes)
        if not nearest:
            strange = {"unexpected": [*faults.get("unexpected", ()), *shapes]}
            names = strange["unexpected"]
            raise CheckpointError(
                f"{subject} must hold the tensors of one of the {len(variants())} variants, and is near none: of its "
                f"{len(names)} names some are {few(names, ROOM, MOST_NAMED)}; {OWN_MODEL}",
                strange,
            )
        wrong = _differences(nearest[0], shapes, faults)
        raise CheckpointError(
            f"{subject} must hold exactly the tensors of one of the {len(variants())} variants; the nearest is "
            f"{' or '.join(each.name for each in nearest)}, but there are {_told(wrong)}",
            wrong,
        )
    return found


def _alike(row: Any, shapes: Shapes) -> bool:
    """Whether blocks and shortcuts are of the kinds that the names show."""
    projected = any(".downsample." in name for name in shapes)
    return bool((row.block == "bottleneck") == (THIRD in shapes) and not (projected and row.shortcut == "none"))


def _nearest(shapes: Shapes) -> list[Architecture]:
    """The variants with the fewest differences, where half of the tensors are theirs; none for another network."""
    rows = {name: row for name, row in variants().items() if _alike(row, shapes)} or variants()
    tried = [fitted(name, shapes) for name in rows]
    gaps = [len(each.shapes.items() ^ shapes.items()) for each in tried]
    near = [each for each, gap in zip(tried, gaps, strict=True) if gap == min(gaps)]
    return [each for each in near if 2 * len(each.shapes.keys() & shapes.keys()) > len(each.shapes)]


def _differences(wanted: Architecture, held: Shapes, faults: dict[str, list[str]]) -> dict[str, list[str]]:
    """All that is missing, unexpected, of another shape or otherwise at fault: names by what is wrong with them."""
    shapes = wanted.shapes
    found = faults | {
        "missing": [name for name in shapes if name not in held],
        "unexpected": faults.get("unexpected", []) + [name for name in held if name not in shapes],
        "of another shape": [
            f"{name} {list(held[name])} for {list(shape)}"
            for name, shape in shapes.items()
            if name in held and held[name] != shape
        ],
    }
    return {what: names for what, names in found.items() if names}


def _told(faults: dict[str, list[str]]) -> str:
    """The faults in a sentence: the first few names of each, and how many there are."""
    room = ROOM if len(faults) < 3 else ROOM // 2
    text = "; ".join(f"{len(names)} {what}: {few(names, room, MOST_NAMED)}" for what, names in faults.items())
    of_head = all(re.match(r"fc\.(?:weight|bias)\b", name) for names in faults.values() for name in names)
    return f"{text}; {HEADLESS if of_head else f'correct the file, or {OWN_MODEL}'}"
