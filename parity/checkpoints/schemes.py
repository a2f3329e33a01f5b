"""How others name the tensors of a residual network: two-way tables, a row for each kind of path.

A row is (torch's class of the layer, canonical path, stored path). A placeholder `{stage-1}` stands for the canonical
number less one, `{index*3-2}` for three times it less two, so every row reads both ways. What follows the layer's path,
`.weight` or `/vars/0`, is decided by the layer's kind and the file's style alone (LEAVES). Canonical names are torch's
state_dict keys, canonical axes torch's.
"""

from dataclasses import dataclass
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
    written: bool = True  # whether such files are made here, too
    prefers: str = ""  # of variants that share all tensors, the one whose name ends so; else the first
    bare: bool = False  # a 3x3 stem of four stages has no pool behind it wherever names are these


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
_DETECTRON = _rows(
    "stem.conv1",
    "stem.conv1.norm",
    "res{stage+1}.{block}.conv{index}",
    "res{stage+1}.{block}.conv{index}.norm",
    "res{stage+1}.{block}.shortcut",
    "res{stage+1}.{block}.shortcut.norm",
    "linear",
)
_CHILDREN = _rows(
    "0",
    "1",
    "{stage+3}.{block}.conv{index}",
    "{stage+3}.{block}.bn{index}",
    "{stage+3}.{block}.downsample.0",
    "{stage+3}.{block}.downsample.1",
    "9",
)
_BARE_CHILDREN = _rows(
    "0",
    "1",
    "{stage+2}.{block}.conv{index}",
    "{stage+2}.{block}.bn{index}",
    "{stage+2}.{block}.downsample.0",
    "{stage+2}.{block}.downsample.1",
    "8",
)
_NVIDIA = _rows(
    "conv1",
    "bn1",
    "layers.{stage-1}.{block}.conv{index}",
    "layers.{stage-1}.{block}.bn{index}",
    "layers.{stage-1}.{block}.downsample.0",
    "layers.{stage-1}.{block}.downsample.1",
    "fc",
)
_WEIAICUNZAI = _rows(
    "conv1.0",
    "conv1.1",
    "conv{stage+1}_x.{block}.residual_function.{index*3-3}",
    "conv{stage+1}_x.{block}.residual_function.{index*3-2}",
    "conv{stage+1}_x.{block}.shortcut.0",
    "conv{stage+1}_x.{block}.shortcut.1",
    "fc",
)
_TF_TRANSFORMERS = _rows(
    "resnet/embedder/embedder/convolution",
    "resnet/embedder/embedder/normalization",
    "resnet/encoder/stages.{stage-1}/layers.{block}/layer.{index-1}/convolution",
    "resnet/encoder/stages.{stage-1}/layers.{block}/layer.{index-1}/normalization",
    "resnet/encoder/stages.{stage-1}/layers.{block}/shortcut/convolution",
    "resnet/encoder/stages.{stage-1}/layers.{block}/shortcut/normalization",
    "classifier.1",
)
_LAYERS = ("layers/", "layers/")

SCHEMES: tuple[Scheme, ...] = (  # of schemes that fit equally well, the first is taken
    Scheme("torchvision", "torch", _TORCHVISION),
    Scheme("timm", "torch", _TORCHVISION),  # the same words
    Scheme("transformers", "torch", _rows(*(f"resnet.{path}" for path in _TRANSFORMERS), "classifier.1")),
    Scheme("transformers-backbone", "torch", _rows(*_TRANSFORMERS, "classifier.1")),  # ResNetModel, ResNetBackbone
    Scheme("akamaster", "torch", _AKAMASTER, bare=True),
    Scheme("kuangliu", "torch", _AKAMASTER, bare=True),  # the same words
    Scheme("weiaicunzai", "torch", _WEIAICUNZAI, bare=True),
    Scheme("detectron2", "torch", _DETECTRON, prefers="_v1"),  # whose default strides in the 1x1, as MSRA's weights do
    Scheme("children", "torch", _CHILDREN),  # nn.Sequential(*resnet.children())
    Scheme("children-cifar", "torch", _BARE_CHILDREN, bare=True),  # of one without its max pool
    Scheme("nvidia", "torch", _NVIDIA),
    Scheme("resnet_keras", "keras", _TWINS, bare=True),
    Scheme("keras-applications", "keras", _APPLICATIONS, _LAYERS, _LAYERS, prefers="_v1"),
    Scheme("tf-transformers", "keras", _TF_TRANSFORMERS, written=False),
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
LEAVES["paddle"] = {  # names as torch's, but for statistics, and a Linear's axes as Keras's
    "Conv2d": LEAVES["torch"]["Conv2d"],
    "BatchNorm2d": (
        ("weight", ".weight", None),
        ("bias", ".bias", None),
        ("running_mean", "._mean", None),
        ("running_var", "._variance", None),
    ),
    "Linear": (("weight", ".weight", (1, 0)), ("bias", ".bias", None)),
}
LEAVES["mlx"] = LEAVES["torch"] | {"Conv2d": (("weight", ".weight", (0, 2, 3, 1)), ("bias", ".bias", None))}
STYLES = {"torch": ("torch", "paddle", "mlx"), "keras": ("vars", "names")}
