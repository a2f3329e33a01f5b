"""`--verify`: both models with the weights of both files, compared by `parity.check`'s verdict."""

from pathlib import Path
from typing import TYPE_CHECKING

from parity.checkpoints.files import format_of, layout_of
from parity.checkpoints.source import Source, read_source
from parity.models.targets import named, with_arguments

if TYPE_CHECKING:
    from .report import Report

MOST_PIXELS = 64  # of an image's side: enough to see a difference, and quick


def check_conversion(found: Source, draft: Path) -> "Report":
    """Build the variant in both frameworks, one with the source's tensors and one with the written file's; compare."""
    from parity.frameworks.build import build, side_of
    from parity.models.probes import probe_input

    from .memory import check_models

    architecture = found.architecture
    target = named(architecture.name)
    layout = "torch" if draft.suffix == ".json" else layout_of(format_of(draft))  # an index of several files
    written = read_source(draft, architecture.name).tensors
    torch_model = build(with_arguments(target.torch, architecture.options), "torch")
    keras_model = build(with_arguments(target.keras, architecture.options), "keras")
    for side in (side_of(torch_model), side_of(keras_model)):
        for name, tensor in (written if side.framework == layout else found.tensors).items():
            side.load(name, tensor.value)
    config = architecture.config
    size = [min(side, MOST_PIXELS) for side in config.image_size]
    x = probe_input((2, config.in_channels, *size), 0)
    return check_models(torch_model, keras_model, x, dtype="float32", weights="keep")
