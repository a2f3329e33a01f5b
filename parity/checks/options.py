"""How to compare: what the command line and the Python interface both come down to."""

from collections.abc import Callable
from dataclasses import dataclass, field

from parity.models.recipe import Recipe
from parity.pairs.name_map import NameMap

from .copy import Copy

Progress = Callable[[str, int, int], None]  # told what is being done, how much of it is done, and of how much
SLICE = 2 * 3 * 224 * 224  # the memory of two ImageNet images, whatever the batch


@dataclass(frozen=True)
class Options:
    """How to compare; see `python -m parity.check --help`."""

    dtype: str = "float32"
    batch_size: int = 2
    seed: int = 0
    weights: str = "copy"
    randomize: bool = False  # replace neutral weights of fresh models before they are copied
    name_map: NameMap | None = None  # pairs of names that the user gives
    gradients: bool = False  # compare a training step too
    slice_size: int = SLICE  # numbers of input that run at once
    checkpoint: tuple[str, str] | None = None  # a file with torch's weights, and the variant it is of
    shapes: tuple[tuple[int, ...], ...] = ()  # other sizes of the input at which the outputs are to be the same
    loss: Recipe | None = None  # of the training step, if it is not the outputs' sum, weighted by random numbers
    onednn: str = "as-is"  # what TensorFlow is to compute with: "on", "off", or as the user's own process
    only: str = ""  # the path of the layer, or of those in it, that are judged
    copy: Copy = field(default_factory=Copy)  # the side that is to be mended
