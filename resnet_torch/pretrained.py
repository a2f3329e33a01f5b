"""Weights from a file or from those published, into a PyTorch model. Lay it beside `resnet_keras/pretrained.py`.

The published files are torchvision's, which PyTorch reads as they are. Any other format that `parity.convert` knows
is converted on the way, by a process of its own: this package imports neither `parity` nor Keras.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .published import HEADS, WeightsError, fetch, fit_channels, fit_classes, run_convert

OWN = (".pth", ".pt", ".safetensors")


def load_pretrained(model: nn.Module, name: str, weights: str | os.PathLike[str], head: str = "reset") -> None:
    """Load a file, or the weights published under that name, into a fresh model of the variant `name`.

    Where the model has another number of classes, head="reset" keeps its new classifier and "slice" takes the first
    rows; other input channels get a fitted first kernel (see `fit_channels`). Raises WeightsError, and then leaves the
    model as it was.
    """
    if head not in HEADS:
        raise WeightsError(f"head must be one of {', '.join(map(repr, HEADS))}, got {head!r}")
    path = Path(weights)
    if not path.is_file() and path.name == str(weights) and not path.suffix:
        path = fetch(name, str(weights), cache_folder())
    state = fitted(read(path), model, head)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsError(f"{path} must hold the tensors of {name}: {' '.join(str(error).split())}") from None


def cache_folder() -> Path:
    """Where PyTorch keeps what it downloads: $TORCH_HOME/hub/checkpoints."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def read(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file by name. Raises WeightsError."""
    if not path.is_file():
        raise WeightsError(f"weights must be a file or a published name, and {path} is no file; check the name")
    if not path.name.endswith(OWN):
        return converted(path)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
        return dict(state)
    except Exception as error:  # noqa: BLE001 - a damaged file makes its library raise nearly anything
        raise WeightsError(f"{path} must be a checkpoint, and is not ({type(error).__name__}); get it again") from None


def fitted(state: dict[str, Any], model: nn.Module, head: str) -> dict[str, Any]:
    """The tensors that the model takes: as they are, or made to fit its classes and input channels."""
    own = model.state_dict()
    made = {key: value for key, value in state.items() if key in own or not key.startswith("fc.")}
    for key in ("fc.weight", "fc.bias"):
        if key in own and (key not in state or own[key].shape[0] != state[key].shape[0]):
            cut = head == "slice" and key in state
            made[key] = torch.from_numpy(fit_classes(state[key].numpy(), 0, len(own[key]))) if cut else own[key]
    if "conv1.weight" in state and state["conv1.weight"].ndim == 4:
        kernel = fit_channels(state["conv1.weight"].numpy(), 1, own["conv1.weight"].shape[1])
        made["conv1.weight"] = torch.from_numpy(kernel)
    return made


def converted(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file in another format, by `python -m parity.convert`. Raises WeightsError with what it says."""
    with tempfile.TemporaryDirectory() as folder:
        goal = Path(folder) / "converted.safetensors"
        run_convert(path, goal)
        return {key: tensor.clone() for key, tensor in read(goal).items()}  # the file goes
