"""Weights from a file or from those published, into a Keras model. Lay it beside `resnet_torch/pretrained.py`.

The published files are torchvision's; each is converted once, beside the downloaded one. Any other format that
`parity.convert` knows is converted on the way, by a process of its own: this package imports no `parity` and no torch.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from .published import HEADS, WeightsError, fetch, fit_channels, fit_classes, locked, run_convert

OWN = (".weights.h5",)


def load_pretrained(model: keras.Model, name: str, weights: str | os.PathLike[str], head: str = "reset") -> None:
    """Load a file, or the weights published under that name, into a fresh model of the variant `name`.

    Where the model has another number of classes, head="reset" keeps its new classifier and "slice" takes the first
    rows; other input channels get a fitted first kernel (see `fit_channels`). Raises WeightsError, and then leaves the
    model as it was.
    """
    if head not in HEADS:
        raise WeightsError(f"head must be one of {', '.join(map(repr, HEADS))}, got {head!r}")
    path = Path(weights)
    if not path.is_file() and path.name == str(weights) and not path.suffix:
        path = converted_once(name, str(weights), cache_folder())
    state = fitted(read(path), model, head)
    try:
        assign(model, state)
    except KeyError as error:
        raise WeightsError(f"{path} must hold the tensors of {name}: {' '.join(str(error).split())}") from None


def cache_folder() -> Path:
    """Where Keras keeps what it downloads: $KERAS_HOME/models."""
    return Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"


def read(path: Path) -> dict[str, Any]:
    """The arrays of a file by name. Raises WeightsError."""
    if not path.is_file():
        raise WeightsError(f"weights must be a file or a published name, and {path} is no file; check the name")
    if not path.name.endswith(OWN):
        return converted(path)
    try:
        from h5py import File

        found: dict[str, Any] = {}
        with File(path) as file:
            file.visititems(lambda key, item: found.update({key: item[()]}) if hasattr(item, "shape") else None)
        return found
    except Exception as error:  # noqa: BLE001 - a damaged file makes its library raise nearly anything
        raise WeightsError(f"{path} must be a checkpoint, and is not ({type(error).__name__}); get it again") from None


def fitted(state: dict[str, Any], model: keras.Model, head: str) -> dict[str, Any]:
    """The arrays that the model takes: as they are, or made to fit its classes and input channels."""
    own = variables(model)
    made = {key: value for key, value in state.items() if key in own or not key.startswith("fc/")}
    for key in ("fc/vars/0", "fc/vars/1"):
        if key in own and (key not in state or own[key].shape[-1] != state[key].shape[-1]):
            cut = head == "slice" and key in state
            made[key] = fit_classes(state[key], -1, own[key].shape[-1]) if cut else np.asarray(own[key])
    if "conv1/vars/0" in state and state["conv1/vars/0"].ndim == 4:
        kernel = fit_channels(state["conv1/vars/0"], 2, own["conv1/vars/0"].shape[2])
        made["conv1/vars/0"] = kernel
    return made


def converted(path: Path) -> dict[str, Any]:
    """The arrays of a file in another format, by `python -m parity.convert`. Raises WeightsError with what it says."""
    with tempfile.TemporaryDirectory() as folder:
        goal = Path(folder) / "converted.weights.h5"
        run_convert(path, goal)
        return read(goal)


def assign(model: keras.Model, state: dict[str, Any]) -> None:
    """Set every variable. Raises KeyError, and changes nothing, where a name or a shape differs."""
    own = variables(model)
    wrong = [key for key in own if key not in state or np.shape(state[key]) != tuple(own[key].shape)]
    wrong += [key for key in state if key not in own]
    if wrong:
        raise KeyError(f"differing in {', '.join(wrong)}")
    for key, variable in own.items():
        variable.assign(state[key])


def variables(layer: Any, path: str = "") -> dict[str, Any]:
    """Every variable of a model by the path that it has in a .weights.h5 file."""
    found: dict[str, Any] = {}
    for child in getattr(layer, "layers", ()):
        found |= variables(child, f"{path}{child.name}/")
    own = () if found or not path else layer.weights
    return found | {f"{path}vars/{number}": variable for number, variable in enumerate(own)}


def converted_once(name: str, weights: str, folder: Path) -> Path:
    """The published file in Keras's format, converted beside it on first use; two processes do it once."""
    source = fetch(name, weights, folder)
    goal = source.with_suffix(".weights.h5")
    with locked(source.with_suffix(".lock")):
        if not goal.exists():
            run_convert(source, goal, name)
    return goal
