"""What has the tensors of one of ours, or their names, and must not be written as one: each told in one sentence."""

from collections.abc import Mapping
from typing import Any

from parity.errors import CheckpointError, few

from .foreign import OWN_MODEL, family
from .naming import Naming
from .nests import SPREAD
from .recognize import Architecture, Shapes
from .tensors import Tensor


def refuse_foreign(naming: Naming, subject: str) -> None:
    """Raise CheckpointError for names that no scheme explains and that are a family's of other networks."""
    other = family(naming.unexpected) if naming.unexpected else None
    if other is not None:
        raise CheckpointError(
            f"{subject} must hold a network of this family, and by its names holds {other.what}: {other.why}; nothing "
            f"was written: {other.step}"
        )


def refuse_placeholders(shapes: Shapes, subject: str) -> None:
    """Raise CheckpointError for tensors without numbers, as DeepSpeed leaves them where it spreads a network."""
    empty = [name for name, shape in shapes.items() if 0 in shape]
    if 2 * len(empty) > len(shapes) > 0:
        raise CheckpointError(
            f"{subject} must hold a network's numbers, and {len(empty)} of its tensors are empty; {SPREAD}"
        )


def refuse_statistics(shapes: Shapes, subject: str) -> None:
    """Raise CheckpointError for norms without running statistics, which are of another kind."""
    if "bn1.weight" in shapes and not any(name.endswith("running_mean") for name in shapes):
        raise CheckpointError(
            f"{subject} must hold batch norms with running statistics, and its norms have none, as group norms have "
            f"none; nothing was written: {OWN_MODEL}"
        )


def refuse_folded(modules: Mapping[str, Mapping[str, Any]], subject: str) -> None:
    """Raise CheckpointError for a graph or a module with convolutions and without norms."""
    classes = {str(each.get("class")) for each in modules.values()}
    if "Conv2d" in classes and not any("Norm" in name for name in classes):
        raise CheckpointError(
            f"{subject} must hold a network with its norms, and has none: exporters have them folded into its "
            "convolutions in evaluation mode; convert the weights that it was exported from"
        )


def refuse_quantised(naming: Naming, held: dict[str, Tensor], subject: str) -> None:
    """Raise CheckpointError for kernels of whole numbers, whose scales lie beside them, and packed ones' shapes lie."""
    whole = [name for name, tensor in held.items() if tensor.array.dtype.kind in "iu" and name.endswith(".weight")]
    if whole:
        layers = [naming.found[name].name for name in whole]
        dtypes = sorted({str(held[name].array.dtype) for name in whole})
        raise CheckpointError(
            f"{subject} must hold weights in floating point, and holds quantised ones ({', '.join(dtypes)}) in "
            f"{few(layers, most=5)}; save the network before it is quantised",
            {"quantised": layers},
        )


def refuse_unsure(taken: Architecture, subject: str) -> None:
    """Raise CheckpointError for ImageNet's names on a 3x3 stem: as many repositories keep the max pool as leave it."""
    if taken.config.stem == "cifar" and len(taken.config.depths) == 4:
        raise CheckpointError(
            f"{subject} must tell what follows its 3x3 stem, and does not: some repositories keep ImageNet's max pool "
            f"there, or pad the stem by 2, with the very tensors of {taken.name}; nothing was written: if its stem is "
            f"padded by 1 and no pool follows, name it with --model {taken.name}"
        )
