"""`--verify`: both models with the weights of both files, compared by `parity.check`'s verdict."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from parity.checkpoints.files import format_of, layout_of
from parity.checkpoints.source import Source, read_source
from parity.checkpoints.tensors import Tensor

if TYPE_CHECKING:
    from .report import Report

MOST_PIXELS = 64  # of an image's side: enough to see a difference, and quick


def check_conversion(found: Source, draft: Path) -> "Report":
    """Build the variant in both frameworks, one with the source's tensors and one with the written file's; compare."""
    import resnet_keras
    import resnet_torch
    from parity.frameworks.keras.side import KerasSide
    from parity.frameworks.torch.side import TorchSide
    from parity.models.probes import probe_input

    from .memory import check_models

    architecture = found.architecture
    torch_model = getattr(resnet_torch, architecture.name)(**architecture.options)
    keras_model = getattr(resnet_keras, architecture.name)(**architecture.options)
    written = read_source(draft, architecture.name).tensors
    to_torch = layout_of(format_of(draft)) == "torch"
    _load(TorchSide(torch_model), written if to_torch else found.tensors)
    _load(KerasSide(keras_model), found.tensors if to_torch else written)
    config = architecture.config
    size = [min(side, MOST_PIXELS) for side in config.image_size]
    x = probe_input((2, config.in_channels, *size), 0)
    return check_models(torch_model, keras_model, x, dtype="float32", weights="keep")


def _load(side: Any, tensors: dict[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        side.load(name, tensor.value)
