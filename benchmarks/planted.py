"""The table of faults: a network's source or weights changed at one place, by the name of the fault.

A row of EDITS is a change of a line of source, on one side; a row of WEIGHTS one of a layer's tensors, on either. Each
says which cause must be named (a regex of its name or evidence).
"""

# ruff: noqa: E501 - one row a line

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .planting import Carried, Layers, Planted, layers_of, pair

NETWORKS = Path(__file__).parent / "networks"
PREFIX = "import torch\nfrom keras import ops\nfrom torch.nn import functional as F\n"
LAYER = (r"# at: (\w+)", r"self\.(\w+) = ", r'name="(\w+)"')


class Edit(NamedTuple):
    """A row: on one side, what a line is changed from and to. cause: what must be told; at: its layer, if not the line's."""

    name: str
    side: str
    found: str
    put: str
    cause: str
    at: str = ""


class Weight(NamedTuple):
    """A row: a layer's tensors by torch's names and in torch's layout -> those to set; None where it does not fit."""

    name: str
    change: Callable[[dict[str, Any], dict[str, dict[str, Any]]], dict[str, Any] | None]
    cause: str


EPS = r"\beps"
EDITS = (
    # Settings.
    Edit("batch norm eps", "torch", r"(BatchNorm\dd\(.*eps=)[\de.-]+", r"\g<1>3e-4", EPS),
    Edit("batch norm eps", "keras", r"(BatchNormalization\(.*epsilon=)[\de.-]+", r"\g<1>1.1e-3", EPS),
    Edit("norm eps", "torch", r"((?:Layer|Group|Instance)Norm\w*\(.*eps=)[\de.-]+", r"\g<1>2e-4", EPS),
    Edit("norm eps", "keras", r"((?:Layer|Group)Normalization\(.*epsilon=)[\de.-]+", r"\g<1>1e-3", EPS),
    Edit("momentum", "torch", r"(BatchNorm.*momentum=)[\d.]+", r"\g<1>0.2", "momentum"),
    Edit("momentum", "keras", r"(BatchNormal.*momentum=)[\d.]+", r"\g<1>0.85", "momentum"),
    Edit("groups of norm", "torch", r"GroupNorm\(4,", "GroupNorm(2,", "groups"),
    Edit("groups of norm", "keras", r"GroupNormalization\(4,", "GroupNormalization(8,", "groups"),
    Edit("padding at the end", "torch", r"nn\.Conv2d\((.*)stride=2, padding=1(.*)\)", r"nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(\1stride=2\2))", "padding"),
    Edit("padding at the end", "keras", r"ZeroPadding2D\((\d), name", r"ZeroPadding2D(((0, \1), (0, \1)), name", "padding|margins|pixel", "stem"),
    Edit("dilation", "torch", r"(nn.Conv2d\(.*3, )padding=1", r"\1padding=2, dilation=2", "dilation"),
    Edit("dilation", "keras", r'(layers.(?:Depthwise)?Conv2D\(.*)padding="same"', r'\1padding="same", dilation_rate=2', "dilation"),
    Edit("reflect padding", "torch", r"(nn.Conv2d\(.*3, padding=1)", r"\1, padding_mode='reflect'", "padding mode|reflect"),
    Edit("slope", "torch", r"LeakyReLU\([\d.]+", "LeakyReLU(0.05", "slope"),
    Edit("slope", "keras", r"LeakyReLU\([\d.]+", "LeakyReLU(0.3", "slope"),
    Edit("alpha", "torch", r"nn.ELU\(1.0", "nn.ELU(0.7", "alpha|slope"),
    Edit("alpha", "keras", r"layers.ELU\(1.0", "layers.ELU(0.7", "alpha|slope"),
    Edit("gelu by tanh", "torch", r"nn.GELU\(\)", "nn.GELU(approximate='tanh')", "approximate"),
    Edit("gelu by tanh", "keras", r'layers.Activation\("gelu"', "layers.Activation(lambda x: keras.ops.gelu(x, approximate=True)", "approximate"),
    Edit("corners aligned", "torch", r"align_corners=False", "align_corners=True", "corner|interpolation"),
    Edit("interpolation", "keras", r'interpolation="bilinear"', 'interpolation="nearest"', "interpolation|nearest"),
    Edit("interpolation", "torch", r'mode="nearest"', 'mode="bilinear"', "interpolation|nearest"),
    Edit("max for average", "torch", r"nn.AvgPool2d\(", "nn.MaxPool2d(", "pool|kind of layer"),
    Edit("max for average", "keras", r"layers.AveragePooling2D\(", "layers.MaxPooling2D(", "pool|kind of layer"),
    Edit("average for max", "torch", r"nn.MaxPool2d\(", "nn.AvgPool2d(", "pool|kind of layer"),
    Edit("average for max", "keras", r"layers.MaxPooling2D\(", "layers.AveragePooling2D(", "pool|kind of layer"),
    Edit("dropout rate", "torch", r"nn.Dropout\([\d.]+", "nn.Dropout(0.5", "dropout|rate"),
    Edit("transposed padding", "torch", r"(ConvTranspose2d\(8, 8, )4, stride=2, padding=1", r"\g<1>4, stride=2, padding=2, output_padding=0" , "cut|transposed"),
    Edit("transposed padding", "keras", r'(Conv2DTranspose\(8, 4, strides=2, )padding="same"', r'\1padding="valid"', "cut|transposed"),
    Edit("causal", "keras", r'padding="causal"', 'padding="same"', "padding"),
    Edit("causal", "torch", r"\(2, 0\)\)  # at: conv", "(1, 1))  # at: conv", "padding|pixels"),
    Edit("direction", "keras", r"(layers.LSTM\(.*)return_sequences=True", r"\1return_sequences=True, go_backwards=True", "direction"),
    Edit("gate function", "keras", r"(layers.(?:LSTM|GRU)\(.*)return_sequences=True", r"\1return_sequences=True, recurrent_activation='hard_sigmoid'", "recurrent activation"),
    Edit("recurrent activation", "keras", r"(layers.(?:LSTM|GRU)\(.*)return_sequences=True", r"\1return_sequences=True, activation='relu'", "activation"),
    Edit("softmax axis", "torch", r"torch.softmax\(scores, -1\)", "torch.softmax(scores, 1)", "axis"),
    Edit("softmax axis", "keras", r"ops.softmax\(scores, -1\)", "ops.softmax(scores, 1)", "axis"),
    Edit("softmax axis of keys", "torch", r"torch.softmax\(scores, -1\)", "torch.softmax(scores, -2)", "axis"),
    Edit("scale of attention", "torch", r"\* \(DIM // HEADS\) \*\* -0.5", "* DIM**-0.5", "factor|scale|function"),
    Edit("scale of attention", "keras", r" \* \(DIM // HEADS\) \*\* -0.5", "", "factor|scale|function"),
    Edit("heads", "torch", r"MultiheadAttention\(12, 3", "MultiheadAttention(12, 4", "head", "attn|ff"),
    # Input and precision.
    Edit("BGR", "torch", r"^(    def forward\(self, x\):)$", r"\1\n        x = x[:, [2, 1, 0]]", "channel order", "FIRST3"),
    Edit("BGR", "keras", r"^(    def call\(self, x.*\):)$", r"\1\n        x = x[..., ::-1]", "channel order", "FIRST3"),
    Edit("scaled by 255", "torch", r"^(    def forward\(self, x\):)$", r"\1\n        x = x / 255", "scale|factor|offset", "FIRST"),
    Edit("scaled by 255", "keras", r"^(    def call\(self, x.*\):)$", r"\1\n        x = x / 255", "scale|factor|offset", "FIRST"),
    Edit("normalised once more", "torch", r"^(    def forward\(self, x\):)$", r"\1\n        x = (x - 0.45) / 0.226", "scale|offset|normalis|factor", "FIRST"),
    Edit("normalised once more", "keras", r"^(    def call\(self, x.*\):)$", r"\1\n        x = (x - 0.45) / 0.226", "scale|offset|normalis|factor", "FIRST"),
    Edit("float16 inside", "torch", r"(x|y|s) = self.(\w+)\((\w)\)$", r"\1 = self.\2(\3.half().to(\3.dtype))", "precision|float16", r"\2"),
    Edit("bfloat16 inside", "keras", r"(x|y|s) = self.(\w+)\((\w)\)$", r"\1 = self.\2(ops.cast(ops.cast(\3, 'bfloat16'), \3.dtype))", "precision|bfloat16", r"\2"),
    Edit("cast to whole numbers", "torch", r"(x|y|s) = self.(\w+)\((\w)\)$", r"\1 = self.\2(\3.long().to(\3.dtype))", "whole|int|round|trunc", r"\2"),
    # Operations.
    Edit("activation left out", "torch", r"self.(?:act|relu|elu|gelu|silu|tanh|leaky|prelu|gate)\w* = nn\.\w+\(.*\)$", "self.LAYER = nn.Identity()", "activation"),
    Edit("activation left out", "keras", r"layers.(?:ReLU|ELU|LeakyReLU|Activation)\(.*name=\"(\w+)\"\)", r'layers.Activation("linear", name="\1")', "activation"),
    Edit("another bound", "torch", r"nn.ReLU6\(\)", "nn.Hardtanh(0.0, 0.5)", "activation|bound|function"),
    Edit("GELU for ReLU", "keras", r"layers.ReLU\(name", 'layers.Activation("gelu", name', "activation|gelu"),
    Edit("leaky for ReLU", "keras", r"layers.ReLU\(name", "layers.LeakyReLU(0.01, name", "activation|slope"),
    Edit("SiLU for hard swish", "torch", r"nn.Hardswish\(\)", "nn.SiLU()", "activation|silu"),
    Edit("sigmoid for hard sigmoid", "keras", r'Activation\("hard_sigmoid"', 'Activation("sigmoid"', "activation|sigmoid"),
    Edit("activation more", "torch", r"return self\.(\w+)\((.*)\)$", r"return torch.relu(self.\1(\2))", "activation|relu", r"\1|output"),
    Edit("activation more", "keras", r"return self\.(\w+)\((.*)\)$", r"return ops.tanh(self.\1(\2))", "activation|tanh", r"\1|output"),
    Edit("softmax more", "torch", r"return self\.(\w+)\((.*)\)$", r"return torch.softmax(self.\1(\2), 1)", "softmax", r"\1|output"),
    Edit("norm and activation exchanged", "torch", r"self.((?:relu|act)\d)\(self.((?:bn|norm)\d)\((.*)\)\)$", r"self.\2(self.\1(\3))", "exchanged|order", r"\1|\2"),
    Edit("norm and activation exchanged", "keras", r"self.((?:relu|act)\d)\(self.((?:bn|norm)\d)\((.*), training=training\)\)$", r"self.\2(self.\1(\3), training=training)", "exchanged|order", r"\1|\2"),
    Edit("concatenation order", "torch", r"torch.cat\(\[(\w+), (\w)\]", r"torch.cat([\2, \1]", "order of what|concat", r"LAYER"),
    Edit("concatenation order", "keras", r"ops.concatenate\(\[(\w+), (\w)\]", r"ops.concatenate([\2, \1]", "order of what|concat", r"LAYER"),
    Edit("shortcut left out", "torch", r"x = x \+ self\.(?!position)", "x = self.", "shortcut"),
    Edit("shortcut left out", "keras", r"x = x \+ self\.(?!position)", "x = self.", "shortcut"),
    Edit("product for sum", "keras", r"x = x \+ self", "x = x * self", "operation|multipl|product"),
    Edit("product for sum", "torch", r"x = x \+ self", "x = x * self", "operation|multipl|product"),
    Edit("difference for sum", "torch", r"x = x \+ self", "x = x - self", "operation|subtract|difference"),
    Edit("gate left out", "torch", r"y = y \* s", "y = y", "gate|operation|multipl|product"),
    Edit("gate added", "keras", r"y = y \* s", "y = y + s", "gate|operation|multipl|product|sum"),
    Edit("max for mean", "torch", r"x.mean\(\(2, 3\)\)", "x.amax((2, 3))", "max|pool|function", "fc|global_max_pool|global_avg_pool"),
    Edit("mean for first token", "keras", r"x\[:, 0\]", "ops.mean(x, 1)", "mean|pool|reduction|operation|slice"),
    Edit("last token for first", "torch", r"x\[:, 0\]", "x[:, -1]", "slice|index|crop|token|place"),
    Edit("training mode", "keras", r"training=training\)", "training=True)", "train/eval|mode", "LAST"),
    Edit("position left out", "torch", r"x = x \+ self.position", "x = x + 0 * self.position", "position|add|missing|operation|factor"),
    Edit("reshape as channels last", "torch", r"x.reshape\(-1, 8, 4, 4\)", "x.reshape(-1, 4, 4, 8).permute(0, 3, 1, 2)", "layout|order"),
)  # fmt: skip


def _kernel(change: Callable[[Any], Any], fits: Callable[[Any], bool]) -> Any:
    def changed(weights: dict[str, Any], others: Any) -> dict[str, Any] | None:
        kernel = weights.get("weight")
        if kernel is None or kernel.ndim < 2 or not fits(kernel):
            return None
        found = np.ascontiguousarray(change(kernel))
        return None if np.array_equal(found, kernel) else {"weight": found}

    return changed


def _swapped(one: str, other: str) -> Any:
    def changed(weights: dict[str, Any], others: Any) -> dict[str, Any] | None:
        if one not in weights or other not in weights or weights[one].shape != weights[other].shape:
            return None
        return {one: weights[other], other: weights[one]}

    return changed


def _bias(change: Callable[[Any], Any]) -> Any:
    def changed(weights: dict[str, Any], others: Any) -> dict[str, Any] | None:
        kernel = weights.get("weight")
        return (
            {"bias": change(weights["bias"])} if "bias" in weights and kernel is not None and kernel.ndim > 1 else None
        )

    return changed


def _regrouped(kernel: Any) -> Any:
    return kernel.reshape(4, -1, *kernel.shape[1:]).swapaxes(0, 1).reshape(kernel.shape)


def _rows(kernel: Any) -> Any:
    """A dense layer's columns in (H, W, C) order: of 32 = 8 x 2 x 2."""
    return kernel.reshape(len(kernel), 8, 2, 2).transpose(0, 2, 3, 1).reshape(kernel.shape)


def _of_another(weights: dict[str, Any], others: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    kernel = weights.get("weight")
    if kernel is None or kernel.ndim < 2:
        return None
    alike = [w["weight"] for w in others.values() if "weight" in w and w["weight"].shape == kernel.shape]
    alike = [w for w in alike if not np.array_equal(w, kernel)]
    return {"weight": alike[0]} if alike else None


def _gates(weights: dict[str, Any], others: Any) -> dict[str, Any] | None:
    kernel = weights.get("weight_hh")
    if kernel is None:
        return None
    count = len(kernel) // kernel.shape[1]
    order = [1, 0, *range(2, count)]
    return {name: np.concatenate([np.split(w, count)[i] for i in order]) for name, w in weights.items() if name != "x"}


def _drawn(kernel: Any) -> Any:
    return np.random.default_rng(5).standard_normal(kernel.shape) * kernel.std()


WEIGHTS = (
    Weight("gamma and beta", _swapped("weight", "bias"), "gamma and beta"),
    Weight("mean and variance", _swapped("running_mean", "running_var"), "mean and variance|statistics"),
    Weight("rows and columns", _kernel(lambda w: w.swapaxes(-1, -2), lambda w: w.ndim == 4), "spatially transposed"),
    Weight("turned", _kernel(lambda w: w[..., ::-1, ::-1], lambda w: w.ndim == 4), "flipped|turned"),
    Weight("in and out", _kernel(lambda w: w.swapaxes(0, 1), lambda w: w.shape[0] == w.shape[1]), "in/out"),
    Weight("groups dealt", _kernel(_regrouped, lambda w: w.shape[:2] == (16, 2)), "group order"),
    Weight("rows of (H, W, C)", _kernel(_rows, lambda w: w.shape[1:] == (32,)), "order"),
    Weight("one channel moved", _kernel(lambda w: w[[1, 0, *range(2, len(w))]], lambda w: len(w) > 2), "permuted|not copied|order"),
    Weight("another layer's", _of_another, "another layer|layer of the same shape|weight of"),
    Weight("left as drawn", _kernel(_drawn, lambda w: True), "not copied|initial"),
    Weight("bias doubled", _bias(lambda b: 2 * b), "bias"),
    Weight("bias left out", _bias(np.zeros_like), "bias"),
    Weight("bias stale", _bias(lambda b: b + np.linspace(0.1, 0.4, len(b))), "bias"),
    Weight("gates exchanged", _gates, "gate"),
    Weight("one rounding", _kernel(lambda w: np.nextafter(w.astype(np.float32), np.float32(9)).astype(w.dtype), lambda w: True), "rounding|ulp"),
)  # fmt: skip


def places() -> list[str]:
    """Every fault, "network.side.row.layer" and its number among the same: where a row fits, in the source's order."""
    return [place for path in sorted(NETWORKS.glob("[a-z]*.py")) for place in _places(path.stem)]


def _places(network: str) -> Iterator[str]:
    source = (NETWORKS / f"{network}.py").read_text()
    split = _split(source)
    for edit in EDITS:
        for number, _ in enumerate(_matches(edit, source, split)):
            layer = _blamed(edit, source, _matches(edit, source, split)[number])
            if layer:
                yield f"{network}.{edit.side}.{edit.name}.{layer.replace('.', '-')}.{number}"
    for weight in WEIGHTS:
        for side in ("torch", "keras"):
            yield from (f"{network}.{side}.{weight.name}.{layer}.0" for layer in _fitting(network, weight))


def _split(source: str) -> int:
    """Where the Keras half begins."""
    return min(i for mark in ("class Keras", "def keras_model") if (i := source.find(mark)) >= 0)


def _matches(edit: Edit, source: str, split: int) -> list[re.Match[str]]:
    found = re.finditer(edit.found, source, re.MULTILINE)
    return [each for each in found if (each.start() < split) == (edit.side == "torch")]


def _blamed(edit: Edit, source: str, match: re.Match[str]) -> str:
    """The layer that must be named, as a regex; "" where the row does not fit."""
    line = source[source.rfind("\n", 0, match.start()) + 1 : source.find("\n", match.start())]
    own = next((found[1] for pattern in LAYER if (found := re.search(pattern, line))), "")
    if edit.at.startswith("FIRST"):
        first = re.search(r"self\.(\w+) = nn\.(\w+)\((\d+)", source)
        assert first is not None
        return "" if edit.at == "FIRST3" and first[3] != "3" else first[1]
    if edit.at == "LAST":
        return re.findall(r"self\.((?:bn|norm)\d)", source[: match.start()])[-1]
    return match.expand(edit.at) if edit.at and edit.at != "LAYER" else own


_MADE: dict[str, Layers] = {}


def _fitting(network: str, weight: Weight) -> list[str]:
    if network not in _MADE:
        text = PREFIX + (NETWORKS / f"{network}.py").read_text()
        _MADE[network] = layers_of(pair(text, network)[0])
    layers = _MADE[network]
    return [name for name, own in layers.items() if "." not in name and weight.change(own, layers) is not None]


def planted(faults: list[str]) -> Planted:
    """Faults of one network, together."""
    network, first, *_ = faults[0].split(".")
    source = original = (NETWORKS / f"{network}.py").read_text()
    expected, weights, changes = [], [], []
    for fault in faults:
        _, side, name, layer, number = fault.split(".")
        edit = next((e for e in EDITS if (e.name, e.side) == (name, side)), None)
        if edit is None:
            weight = next(w for w in WEIGHTS if w.name == name)
            weights.append(Carried(side, layer, weight.change))
            expected.append((layer, weight.cause))
            continue
        match = _matches(edit, original, _split(original))[int(number)]
        own = re.search(r"self\.(\w+) = ", match[0])
        put = match.expand(edit.put).replace("LAYER", own[1] if own else "")
        changes.append((match.start(), match.end(), put))
        expected.append((layer.replace("-", "."), edit.cause))
    for start, end, put in sorted(changes, reverse=True):
        source = source[:start] + put + source[end:]
    return Planted(tuple(faults), PREFIX + source, first, tuple(expected), tuple(weights))
