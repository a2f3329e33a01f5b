"""How others name the tensors of a residual network: two-way tables, a row for each kind of path.

A row is (torch's class of the layer, canonical path, stored path). A placeholder `{stage-1}` stands for the canonical
number less one, so every row reads both ways. What follows the layer's path, `.weight` or `/vars/0`, is decided by the
layer's kind and the file's layout alone (LEAVES). Canonical names are torch's state_dict keys, canonical axes torch's.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

from parity.models.arrays import Layout
from parity.models.kinds import kind_of_class

Axes = tuple[int, ...] | None
LEAST = {"stage": 1, "block": 0, "index": 1}  # the canonical numbers start here
LAYERS = {"Conv2d": 4, "BatchNorm2d": 1, "Linear": 2}  # what these networks are made of, and the axes of its weights
COUNTER = "num_batches_tracked"  # torch's, of a norm; Keras has none, and no result depends on it


class Row(NamedTuple):
    """One kind of path, in canonical words and in the scheme's."""

    layer: str
    canonical: str
    stored: str


@dataclass(frozen=True)
class Scheme:
    """One way of naming. `containers`: where a functional Keras model keeps layers and head (see checkpoint.Labels)."""

    name: str
    layout: str  # "torch" or "keras"
    rows: tuple[Row, ...]
    containers: tuple[str, str] | None = None
    nested: tuple[str, str] | None = None  # the same, where there is a head
    prefers: str = ""  # of variants that share all tensors, the one whose name ends so; else the first


def _rows(*paths: str) -> tuple[Row, ...]:
    """The seven rows that a residual network needs, from the stored paths in the order of CANONICAL."""
    return tuple(Row(layer, canonical, stored) for (layer, canonical), stored in zip(CANONICAL, paths, strict=True))


CANONICAL = (
    ("Conv2d", "conv1"),
    ("BatchNorm2d", "bn1"),
    ("Conv2d", "layer{stage}.{block}.conv{index}"),
    ("BatchNorm2d", "layer{stage}.{block}.bn{index}"),
    ("Conv2d", "layer{stage}.{block}.downsample.0"),
    ("BatchNorm2d", "layer{stage}.{block}.downsample.1"),
    ("Linear", "fc"),
)
_TORCHVISION = _rows(*(canonical for _, canonical in CANONICAL))
_TWINS = _rows(
    "conv1",
    "bn1",
    "layer{stage}/{block}/conv{index}",
    "layer{stage}/{block}/bn{index}",
    "layer{stage}/{block}/downsample/0",
    "layer{stage}/{block}/downsample/1",
    "fc",
)
_TRANSFORMERS = (
    "embedder.embedder.convolution",
    "embedder.embedder.normalization",
    "encoder.stages.{stage-1}.layers.{block}.layer.{index-1}.convolution",
    "encoder.stages.{stage-1}.layers.{block}.layer.{index-1}.normalization",
    "encoder.stages.{stage-1}.layers.{block}.shortcut.convolution",
    "encoder.stages.{stage-1}.layers.{block}.shortcut.normalization",
)
_AKAMASTER = _rows(
    "conv1",
    "bn1",
    "layer{stage}.{block}.conv{index}",
    "layer{stage}.{block}.bn{index}",
    "layer{stage}.{block}.shortcut.0",
    "layer{stage}.{block}.shortcut.1",
    "linear",
)
_APPLICATIONS = _rows(
    "conv1_conv",
    "conv1_bn",
    "conv{stage+1}_block{block+1}_{index}_conv",
    "conv{stage+1}_block{block+1}_{index}_bn",
    "conv{stage+1}_block{block+1}_0_conv",
    "conv{stage+1}_block{block+1}_0_bn",
    "predictions",
)
_KERAS_HUB = _rows(
    "conv1_conv",
    "conv1_bn",
    "stack{stage-1}_block{block}_{index}_conv",
    "stack{stage-1}_block{block}_{index}_bn",
    "stack{stage-1}_block{block}_0_conv",
    "stack{stage-1}_block{block}_0_bn",
    "predictions",
)
_LAYERS = ("layers/", "layers/")

SCHEMES: tuple[Scheme, ...] = (  # of schemes that fit equally well, the first is taken
    Scheme("torchvision", "torch", _TORCHVISION),
    Scheme("timm", "torch", _TORCHVISION),  # the same words
    Scheme("transformers", "torch", _rows(*(f"resnet.{path}" for path in _TRANSFORMERS), "classifier.1")),
    Scheme("transformers-backbone", "torch", _rows(*_TRANSFORMERS, "classifier.1")),  # ResNetModel, ResNetBackbone
    Scheme("akamaster", "torch", _AKAMASTER),
    Scheme("resnet_keras", "keras", _TWINS),
    Scheme("keras-applications", "keras", _APPLICATIONS, _LAYERS, _LAYERS, prefers="_v1"),
    Scheme("keras-hub", "keras", _KERAS_HUB, _LAYERS, ("layers/res_net_backbone/layers/", "layers/")),
)
OWN = {"torch": "torchvision", "keras": "resnet_keras"}

Leaves = dict[str, tuple[tuple[str, str, Axes], ...]]


def _weights(layer: str) -> tuple[tuple[str, str, Axes], ...]:
    """(torch's name, Keras's, axes) of a layer's tensors, as the table of kinds has them."""
    kind = kind_of_class(layer, "torch")
    laid = ((ours, keras, layout((1,) * LAYERS[layer])) for ours, keras, layout in kind.weights)
    return tuple((ours, keras, axes) for ours, keras, axes in laid if not isinstance(axes, Layout))


_WEIGHTS = {layer: _weights(layer) for layer in LAYERS}
LEAVES: dict[str, Leaves] = {  # how leaves are written -> layer -> (canonical, stored, axes from torch's array)
    "torch": {layer: tuple((ours, f".{ours}", None) for ours, _, _ in rows) for layer, rows in _WEIGHTS.items()},
    "vars": {
        layer: tuple((ours, f"/vars/{number}", axes) for number, (ours, _, axes) in enumerate(rows))
        for layer, rows in _WEIGHTS.items()
    },
    "names": {
        layer: tuple((ours, f"/{keras}", axes) for ours, keras, axes in rows) for layer, rows in _WEIGHTS.items()
    },
}
LEAVES["torch"]["BatchNorm2d"] += ((COUNTER, f".{COUNTER}", None),)
STYLES = {"torch": ("torch",), "keras": ("vars", "names")}


class Renamed(NamedTuple):
    """A tensor's name on the other side of a table, and the axes that turn torch's array into the stored one."""

    name: str
    axes: Axes


@cache
def _pattern(path: str) -> re.Pattern[str]:
    """A path with placeholders as an expression. Numbers are as Python prints them, without leading zeros."""
    parts = re.split(r"\{(\w+)(?:[+-]\d+)?\}", path)
    text = "".join(f"(?P<{part}>0|[1-9][0-9]{{0,5}})" if i % 2 else re.escape(part) for i, part in enumerate(parts))
    return re.compile(text)


@cache
def _offsets(path: str) -> dict[str, int]:
    return {name: int(offset or 0) for name, offset in re.findall(r"\{(\w+)([+-]\d+)?\}", path)}


@lru_cache(4096)  # a norm's leaves have one path
def _rewrite(path: str, source: str, destination: str) -> str | None:
    """A path that fits the pattern `source` in the words of `destination`; None if it does not fit."""
    match = _pattern(source).fullmatch(path)
    if match is None:
        return None
    shifts, wanted = _offsets(source), _offsets(destination)
    numbers = {name: int(text) - shifts[name] for name, text in match.groupdict().items()}
    if any(number < LEAST[name] for name, number in numbers.items()):
        return None
    return re.sub(r"\{(\w+)[^}]*\}", lambda part: str(numbers[part[1]] + wanted[part[1]]), destination)


def to_canonical(scheme: Scheme, style: str, stored: str) -> Renamed | None:
    """The canonical name of a stored one; None where the table has no row for it."""
    for layer, canonical, pattern in scheme.rows:
        for ours, theirs, axes in LEAVES[style][layer]:
            if stored.endswith(theirs):
                path = _rewrite(stored.removesuffix(theirs), pattern, canonical)
                if path is not None:
                    return Renamed(f"{path}.{ours}", axes)
    return None


def to_stored(scheme: Scheme, style: str, name: str) -> Renamed | None:
    """The stored name of a canonical one; None where the scheme has no word for it."""
    path, _, leaf = name.rpartition(".")
    for layer, canonical, pattern in scheme.rows:
        for ours, theirs, axes in LEAVES[style][layer]:
            if leaf == ours:
                stored = _rewrite(path, canonical, pattern)
                if stored is not None:
                    return Renamed(f"{stored}{theirs}", axes)
    return None


@dataclass(frozen=True)
class Naming:
    """What a file's names turned out to be. `found` maps canonical names to stored ones with their axes."""

    scheme: Scheme
    prefix: str
    found: dict[str, Renamed]
    unexpected: tuple[str, ...]


def identify(names: Iterable[str], layout: str) -> Naming:
    """The scheme, and the prefix that all names share (`module.`), under which the fewest names stay unexplained."""
    names = list(names)
    best: Naming | None = None
    for prefix in _prefixes(names, "." if layout == "torch" else "/"):
        for scheme in SCHEMES:
            for style in STYLES[layout] if scheme.layout == layout else ():
                naming = _named_by(names, scheme, style, prefix)
                if best is None or len(naming.unexpected) < len(best.unexpected):
                    best = naming
                if not naming.unexpected:
                    return naming
    assert best is not None
    return best


def _prefixes(names: list[str], mark: str) -> Iterable[str]:
    """Nothing, then what all names begin with, part by part."""
    prefix = ""
    yield prefix
    for part in (names[0] if names else "").split(mark)[:4]:
        prefix += part + mark
        if not all(name.startswith(prefix) for name in names):
            return
        yield prefix


def _named_by(names: list[str], scheme: Scheme, style: str, prefix: str) -> Naming:
    found: dict[str, Renamed] = {}
    unexpected = []
    for name in names:
        place = to_canonical(scheme, style, name.removeprefix(prefix))
        if place is None or place.name in found:
            unexpected.append(name)
        else:
            found[place.name] = Renamed(name, place.axes)
    return Naming(scheme, prefix, found, tuple(unexpected))


def scheme_named(name: str, layout: str) -> Scheme:
    """The scheme of that name for files of that layout. Raises KeyError."""
    return {scheme.name: scheme for scheme in SCHEMES if scheme.layout == layout}[name]


def functional_order(layers: Iterable[str]) -> list[str]:
    """Canonical layers in the order of a functional Keras model: by depth, those of one depth as they were made.

    Keras's builders make the shortcut first, so its convolution stands before the last convolution of the main path
    and its norm before that one's norm.
    """
    ordered: list[str] = []
    for layer in layers:
        _, _, shortcut = layer.partition(".downsample.")
        ordered.insert(len(ordered) - {"": 0, "0": 2, "1": 1}[shortcut], layer)
    return ordered
