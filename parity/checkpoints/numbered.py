"""Layers that a file numbers by their classes -> their names, by the order in which a configuration lists them.

Keras 2 (tf-keras, today too) and Keras 3 before 3.6 write `layers/conv2d_3/vars/0` for the fourth Conv2D of a model,
and no name beside it. The configuration in the same file lists the model's layers in the order of that count.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from .graph import layers_of, name_of

MOST_DEPTH = 8  # of models in models
ROOTS = ("layers", "_layer_checkpoint_dependencies")


def numbered(described: Any) -> dict[str, str]:
    """The group of a layer's arrays, "layers/conv2d_3/vars", by every root it may have -> the layer's name."""
    return {f"{group}/vars": name for root in ROOTS for group, name in _groups(described, root, root, 0)}


def _groups(described: Any, path: str, root: str, depth: int) -> Iterator[tuple[str, str]]:
    counts: Counter[str] = Counter()
    for layer in layers_of(described) if depth < MOST_DEPTH else ():
        name = _words(str(layer.get("class_name", "")))
        number = f"_{counts[name]}" if counts[name] else ""
        counts[name] += 1
        group = f"{path}/{name}{number}"
        yield group, name_of(layer)
        yield from _groups(layer, f"{group}/{root}", root, depth + 1)


def _words(name: str) -> str:
    """A class's name as Keras makes a group of it: BatchNormalization is batch_normalization, Conv2D conv2d."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
