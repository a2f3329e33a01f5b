"""Layers of either model -> the tensors that they are taken for: who has each, and what it is there, by their names."""

import re
from collections.abc import Collection, Iterable, Iterator

from parity.models.keys import is_statistic
from parity.models.kinds import named
from parity.models.layers import LayerInfo

from .shapes import Tensor

# What a tensor is in its owner, by the end of its name.
ROLES = (
    ("weight", r"weight|kernel|embeddings|gamma|scale|w|g"),
    ("bias", r"bias|beta|offset|shift|b"),
    ("running_mean", r"running_mean|moving_mean"),
    ("running_var", r"running_var|moving_variance"),
)


def tensors_of(layers: Iterable[LayerInfo], paths: Collection[str], side: int) -> Iterator[Tensor]:
    """The tensors of the layers at these paths, those of one owner together."""
    taken: set[tuple[str, str]] = set()
    for layer in layers:
        kind = named(layer.kind)
        for name, shape in layer.weights.items() if layer.path in paths else ():
            owner, role = _called(layer.path if kind.bare else f"{layer.path}.{name}")
            if (owner, role) in taken:
                owner, role = layer.path, "weight"
            taken.add((owner, role))
            first = kind.first if kind.sums or kind.gates else _first(layer.path, side) if kind.bare else "row"
            # A module of torch's that is no layer may multiply with its weight; heads may come first, or behind.
            sure = not kind.bare or (side == 1 and len(shape) < 3)
            yield Tensor(f"{layer.path}.{name}", shape, owner, role, first, layer.tied.get(name, ""), sure, kind.gates)


def _called(path: str) -> tuple[str, str]:
    """The owner and the role of a tensor, by its name."""
    for role, names in ROLES:
        found = re.fullmatch(rf"(?:(.*?)[._])?(?:{names})(_[ih]h)?", path)
        if found:
            return f"{found[1] or ''}{(found[2] or '').replace('_', '.')}", role
    return path, "weight"


def _first(path: str, side: int) -> str:
    """What the first axis of a matrix outside of known layers is, by its name: a torch weight's, a Keras kernel's."""
    return "out" if side == 0 and path.endswith("weight") else "in" if side == 1 and path.endswith("kernel") else ""


def norms_by_hand(layers: list[LayerInfo]) -> set[str]:
    """Who has a running statistic outside of any layer: a norm by hand, all of whose buffers are a norm's weights."""
    called = (_called(layer.path) for layer in layers if named(layer.kind).bare)
    return {owner for owner, role in called if is_statistic(f"x.{role}")}


def is_constant(layer: LayerInfo, norms: set[str]) -> bool:
    """Whether it is a buffer that no norm's tensor can be: it needs no partner, and stays what it is."""
    return named(layer.kind).spare and _called(layer.path)[0] not in norms
