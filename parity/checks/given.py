"""A target's inputs: drawn at the shapes that it names, or read from the file it names, whose code is never run."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from parity.errors import TargetError
from parity.models.draws import drawn_inputs
from parity.models.inputs import Inputs, Leaf, inputs_of
from parity.models.probes import probe_input
from parity.models.targets import Target, alone

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
ENDINGS = (".npz", ".npy", ".pt", ".pth", *IMAGES)


def inputs_given(target: Target, batch: int, seed: int) -> Inputs:
    """What to run the target's models on. Raises TargetError for a file that cannot be read."""
    if target.file:
        return read_inputs(Path(target.file), target)
    if target.inputs:
        return drawn_inputs(target.inputs, batch, seed)
    single = Leaf("0")
    return Inputs({"0": probe_input((batch, *target.input_shape), seed)}, (single,), open=frozenset({"0"}))


def read_inputs(path: Path, target: Target) -> Inputs:
    """The arrays of a file, the batch first. Raises TargetError for one that is missing, damaged or of another kind."""
    if path.suffix.lower() not in ENDINGS:
        raise TargetError(
            f"--inputs {path} must end in one of {', '.join(ENDINGS)}, and does not; save it as one of them"
        )
    try:
        held = _read(path, target)
    except FileNotFoundError:
        raise TargetError(f"--inputs {path} must be a file, and there is none of that name; check the path") from None
    except (OSError, ValueError, EOFError, KeyError, RuntimeError, SyntaxError, zipfile.BadZipFile) as error:
        text = "it holds pickled objects" if "pickle" in str(error) else " ".join(str(error).split())[:160]
        raise TargetError(
            f"--inputs {path} must be a readable file of arrays, and is not ({text}); save it again, without objects"
        ) from None
    x = inputs_of(held)
    if any(array.ndim == 0 for array in x.arrays.values()):
        raise TargetError(
            f"--inputs {path} must hold arrays whose first axis is the batch, and one has none; add the axis"
        )
    return x


def _read(path: Path, target: Target) -> Any:
    ending = path.suffix.lower()
    if ending == ".npy":
        with path.open("rb") as file:
            return (np.load(file, allow_pickle=False),)
    if ending == ".npz":
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            held = {name: arrays[name] for name in arrays.files}
        return tuple(held.values()) if len(held) == 1 else held
    if ending in IMAGES:
        return (_picture(path, target),)
    from parity.checkpoints.torch_pickle import load_tensors

    held = load_tensors(path)
    return held if isinstance(held, tuple | list | dict) else (held,)


def _picture(path: Path, target: Target) -> Any:
    """An image (1, 3, 224, 224) as the variant's published weights want it, or else ResNet-50's."""
    from PIL import Image

    twins = alone("published")
    name = target.name if target.name in twins.PUBLISHED else "resnet50"
    with Image.open(path) as image:
        return twins.preprocess(image, name, next(iter(twins.PUBLISHED[name])))[None]
