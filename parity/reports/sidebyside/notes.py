"""What a reader should know of the two codes, written once each and attached to statements by path.

A pattern is a statement's path (`Bottleneck.__init__.conv2`, see source.py) with * for any part of it. The text stands
at the first statement that a note fits; the others refer to it. `backticks` set code.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from parity.errors import ParityError


class StaleNoteError(ParityError):
    """A note that fits no statement any more."""


@dataclass(frozen=True)
class Note:
    """One fact. `paths` are the patterns of the statements that it explains."""

    key: str
    title: str
    text: str
    paths: tuple[str, ...]


NOTES = (
    # What each block is for.
    Note(
        "residual",
        "A residual block in its simplest form",
        "The block that Dive into Deep Learning teaches with: two 3x3 convolutions learn what to add to the input. "
        "Where the number of channels or the resolution changes, a 1x1 convolution makes the input fit.",
        ("Residual.def",),
    ),
    Note(
        "basic",
        "Why residual blocks exist",
        "He et al. 2015 found that plain networks get worse, also on the training set, when more layers are stacked. "
        "A block that learns the difference to its input can fall back on doing nothing. This one serves ResNet-18 and "
        "34 and the CIFAR networks.",
        ("BasicBlock.def",),
    ),
    Note(
        "bottleneck",
        "Deeper for the same cost",
        "The 3x3 convolution is the dear one, so a 1x1 first cuts the channels to a quarter and another restores them. "
        "ResNet-50, 101 and 152 are made of it (He et al. 2015, section 4.1, table 1).",
        ("Bottleneck.def",),
    ),
    Note(
        "branch",
        "One of many parallel paths",
        "Xie et al. 2017 split a block into paths of the same shape. Their number, the cardinality, is a third size of "
        "a network beside depth and width.",
        ("Branch.def",),
    ),
    Note(
        "forms",
        "Three forms of one function",
        "Form a sums the paths, form b concatenates them before one 1x1 convolution, form c groups the channels of one "
        "convolution. They compute the same with the same weights; form c is the fast one, and what the variants use.",
        ("ResNeXtA.def", "ResNeXtB.def", "ResNeXtC.def"),
    ),
    Note(
        "shortcuts",
        "Options A, B and C",
        "What the input goes through on its way around the block: A pads missing channels with zeros and has no "
        "weights, B projects with a 1x1 convolution where shapes change, C projects everywhere. `none` leaves a plain "
        "network, for comparison (He et al. 2015, section 4.1, table 3).",
        ("make_shortcut.def",),
    ),
    Note(
        "stage",
        "A stage halves the resolution once",
        "Its first block strides by two and widens; the others keep both. ResNet-50 has 3, 4, 6 and 3 blocks in its "
        "four stages.",
        ("ResnetBlock.def",),
    ),
    # Framework facts.
    Note(
        "base",
        "Two ways to be a layer",
        "`nn.Module` finds parameters in attributes, and so do Keras's layers. `Block` and `Model` (layers.py) add "
        "what Keras lacks: sublayers named after their attributes, and true shapes before the first batch.",
        ("Residual.def", "ResNet.def"),
    ),
    Note(
        "call",
        "forward is call",
        "Both are reached by calling the layer itself: hooks run in PyTorch, Keras builds weights and casts. Shapes in "
        "the comments are (N, C, H, W) on the left and (N, H, W, C) on the right.",
        ("*.forward.def",),
    ),
    Note(
        "inputs",
        "Only PyTorch is told the input channels",
        "A Keras convolution or norm learns them from the first input it sees, and builds its weights then. PyTorch "
        "needs them at construction, or a lazy module.",
        ("Residual.__init__.known", "*Block.__init__.conv1", "Bottleneck.__init__.conv1", "Branch.__init__.conv1"),
    ),
    Note(
        "kernel",
        "How a kernel is transposed",
        "PyTorch stores (out, in, height, width), Keras (height, width, in, out). So the kernel moves by "
        "`transpose(2, 3, 1, 0)`: every number keeps its place in the image and its two channels. A reshape would fit "
        "as well, and be wrong.",
        ("*.__init__.conv1", "ResNet._build_stem.conv1"),
    ),
    Note(
        "padding",
        "Why padding is a number here",
        'Under stride 2, TensorFlow\'s "same" pads an even input on the right and below only; PyTorch pads all four '
        "sides. Half a pixel apart is a different function. Keras's side pads by hand, then convolves without padding.",
        ("BasicBlock.__init__.conv1", "Bottleneck.__init__.conv2", "Branch.__init__.conv2", "ResNet._build_stem.conv1"),
    ),
    Note(
        "same",
        'Here PyTorch follows "same"',
        "Dive into Deep Learning's Keras edition pads this way, so the left side imitates it: the odd pixel of padding "
        "goes right and below.",
        ("Residual.__init__.conv", "ResNet._build_stem.conv#2"),
    ),
    Note(
        "momentum",
        "0.1 here is 0.9 there",
        "PyTorch's momentum is the weight of the new batch, Keras's that of the old average: each is one minus the "
        "other. Their defaults differ too, 0.1 against 0.99, and no inference run shows it.",
        ("Residual.__init__.bn1", "*.__init__.norm", "Branch.__init__.bn1", "ResNeXt*.__init__.conv", "*_stem.bn1"),
    ),
    Note(
        "epsilon",
        "Epsilon is stated, always",
        "The defaults differ: 1e-5 in PyTorch, 1e-3 in Keras, 1.001e-5 in keras.applications. The last is small enough "
        "to pass a float32 comparison; float64 shows it at 1e-8.",
        ("Residual.__init__.bn1", "*.__init__.norm"),
    ),
    Note(
        "variance",
        "The running variance is the unbiased one",
        "While training, both normalise with the biased variance; PyTorch keeps the unbiased n / (n - 1) one for "
        "later, stock Keras the biased one. `BatchNormalization` here keeps PyTorch's.",
        ("Residual.__init__.bn2", "*Block.__init__.bn1", "Bottleneck.__init__.bn1"),
    ),
    Note(
        "inplace",
        "In place, or not",
        "PyTorch may overwrite its input and saves the memory. Keras's tensors do not change; its backend "
        "reuses the memory by itself.",
        ("*.__init__.relu", "*_stem.relu"),
    ),
    Note(
        "stride",
        "v1 and v1.5",
        "The paper strides in the first 1x1 convolution, which skips three quarters of its input. NVIDIA and "
        "torchvision stride in the 3x3 (v1.5): half a percent more accurate, slightly slower. The weights have the "
        "same shapes; the functions differ.",
        ("Bottleneck.__init__.stride1",),
    ),
    Note(
        "groups",
        "Grouped convolution",
        "Channels are split into groups that do not see each other, so a kernel holds in / groups input channels on "
        "both sides. Keras would send it through XLA on a CPU, ten times slower; layers.py calls TensorFlow's own.",
        ("Bottleneck.__init__.conv2",),
    ),
    Note(
        "sum",
        "The sum that makes it residual",
        "F(x) + x, before the last ReLU. Where a layer-by-layer comparison finds equal layers and a wrong sum, the "
        "shortcut is missing or projected.",
        ("Residual.forward.out#3", "BasicBlock.forward.out#3", "Bottleneck.forward.out#4"),
    ),
    Note(
        "axis",
        "Channels are axis 1 or -1",
        "NCHW on the left, NHWC on the right: joining, normalising and reducing over channels name another axis.",
        ("ResNeXtB.forward.out",),
    ),
    Note(
        "list",
        "A list of layers",
        "`nn.ModuleList` only registers its modules, so the loop stands in forward; `Parallel` runs its layers itself. "
        "Both name them by number, which is what pairs their weights.",
        ("ResNeXtA.__init__.branches", "ResNeXtB.__init__.branches"),
    ),
    Note(
        "training",
        "Training mode",
        "PyTorch switches the whole model with `.train()` and `.eval()`. Keras passes `training` through every call; a "
        "model whose `call` does not name it is run by `fit` as in inference.",
        ("ResNet.forward.def",),
    ),
    Note(
        "pooling",
        "Global average pooling",
        "PyTorch's pool leaves (N, C, 1, 1), which must be flattened; Keras's gives (N, C). No weight depends on it.",
        ("ResNet.__init__.avgpool", "ResNet.forward.x#4"),
    ),
    Note(
        "classifier",
        "The classifier's matrix",
        "(out, in) in PyTorch and (in, out) in Keras: transposed. The starting values also differ by default; `Dense` "
        "here starts as PyTorch's does.",
        ("ResNet.__init__.fc",),
    ),
    Note(
        "build",
        "Every weight exists after construction",
        "The twin runs once on shapes alone, so `summary()` and `load_weights` work before the first batch. It stands "
        "where PyTorch has its flatten, which Keras does not need.",
        ("ResNet.__init__.flatten",),
    ),
    Note(
        "maxpool",
        "A padded maximum",
        "Padding must never win: PyTorch pads with minus infinity. Zeros, the usual hand-made padding in Keras, win "
        "over negative numbers; after a ReLU nobody would notice.",
        ("ResNet._build_stem.maxpool",),
    ),
    Note(
        "zero",
        "Blocks that start as the identity",
        "A last norm whose scale is zero adds nothing to the shortcut at first (Goyal et al. 2017, section 5.1). In "
        "PyTorch the tensor is overwritten; in Keras the layer is told how to start, as it has no tensor yet.",
        ("make_block.nn.init.zeros_",),
    ),
    Note(
        "carry",
        "Which axis is a group",
        "Output channels are a kernel's first axis in PyTorch and its last in Keras; input channels the second and the "
        "last but one.",
        ("carry_resnext_weights.axis",),
    ),
)


def attached(paths: Iterable[str], notes: tuple[Note, ...] = NOTES) -> dict[str, list[Note]]:
    """The notes of every statement that has any. Raises StaleNoteError for patterns that fit none."""
    known = list(paths)
    found: dict[str, list[Note]] = {}
    stale = []
    for note in notes:
        for pattern in note.paths:
            hits = [path for path in known if fnmatchcase(path, pattern)]
            stale += [] if hits else [f"{note.key} ({pattern})"]
            for path in hits:
                if note not in found.setdefault(path, []):
                    found[path].append(note)
    if stale:
        raise StaleNoteError(
            f"every note must fit a statement, but {', '.join(stale)} fit none; correct their paths in "
            "parity/reports/sidebyside/notes.py"
        )
    return found
