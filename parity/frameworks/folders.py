"""The frameworks that there are: the folders beside this file, and how each says that a model is one of its own."""

import pkgutil
from pathlib import Path
from typing import NamedTuple


class Model(NamedTuple):
    """The class that all models of a framework have among their bases, told by names: nothing is imported for it."""

    name: str  # of the class
    home: str  # what its module's name starts with
    title: str  # what a user calls it


def frameworks() -> list[str]:
    """The names of the folders beside this file, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]) if module.ispkg)
