"""Branches that could be exchanged, and their layers -> those that the way they go over a sequence tells apart."""

from collections.abc import Mapping, Sequence

from parity.models.layers import LayerInfo

Layers = Mapping[str, LayerInfo]


def path_of(key: str) -> str:
    """The layer's path of a step's name: "relu" of "relu#2"."""
    return key.partition("#")[0]


def told_by_direction(
    branches: Sequence[Sequence[str]], found: Mapping[str, str], layers: tuple[Layers, Layers]
) -> set[str]:
    """torch's steps whose partners go the same way, where the branches go different ways. found: Keras's by torch's."""
    ways = [
        {path: layer.static["reverse"] for path, layer in side.items() if "reverse" in layer.static} for side in layers
    ]
    if len({tuple(ways[0].get(path_of(key)) for key in branch) for branch in branches}) < len(branches):
        return set()
    keys = (key for branch in branches for key in branch if key in found and path_of(key) in ways[0])
    return {key for key in keys if ways[0][path_of(key)] == ways[1].get(path_of(found[key]))}
