"""What a framework's folder must offer: it is found by its name, and no file names them all. Nothing slow is imported.

`parity/frameworks/NAME/`, or a package elsewhere by its dotted name, has
- `__init__.py`, which imports no framework: `TITLE`, its name in a sentence, and `MODEL`, how a model is recognised;
- `adapter.py`, which may: `ADAPTER`, an `Adapter`.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from parity.errors import TargetError
from parity.models.arrays import Array
from parity.models.keys import Key
from parity.models.losses import Truths
from parity.models.recipe import Recipe

from .folders import Model as Model, frameworks as frameworks
from .side import Side


class Trained(Protocol):
    """A training run that waits after a step. A Key names a number or tensor (see keys.py); arrays as in torch."""

    def read(self, key: Key) -> Array:
        """What a key names, after the step, as float64."""

    def before(self, key: Key) -> Array:
        """A weight, statistic or state before the step."""

    def write(self, key: Key, array: Array) -> None:
        """Set a weight or state. For the side that is compared; the reference need not."""

    def distances(self, keys: list[Key]) -> list[dict[str, tuple[float, float]]]:
        """How far each nudged run is from this one. For the reference; the side that is compared need not."""


class Trainer(Protocol):
    """A model that was built to be trained."""

    side: Side

    def train(
        self, recipe: Recipe, x: Array, y: Truths, visit: Callable[[Trained], None], units: Sequence[float] = ()
    ) -> None:
        """Train on batches of x (E * N, C, ...) and their targets y, epoch after epoch; `visit` after each step.

        units: for each, the reference's side takes one more run, its weights nudged by so many units in the last place.
        """

    def draws(self, recipe: Recipe, x: Array, y: Truths) -> list[Array]:
        """The losses of two passes in training mode: from the same weights, they differ where numbers are drawn."""


class Store(Protocol):
    """A framework's models and its own files of weights. Arrays are as it holds them, in its own axes."""

    def load(self, model: Any, arrays: Mapping[str, Array], file: Path) -> None:
        """Give a model all weights of a file, which are `arrays` by stored name. Raises CheckpointError for others."""

    def tensors(self, model: Any) -> dict[str, Array]:
        """What is saved of a model, by name; bfloat16 as float32."""

    def save(self, model: Any, file: Path) -> None:
        """Write a model's file in the format of its name, where the framework alone can. Raises OSError."""

    def input_shape(self, model: Any) -> tuple[int, ...] | None:
        """The shape of a model's only input, in torch's order and without the batch; None where it does not say."""


class Adapter(Protocol):
    """A framework: how its models become Sides."""

    def devices(self) -> list[str]:
        """The kinds of devices that it can use here: "cpu", "cuda", "mps"."""

    def side(self, model: Any) -> Side:
        """The Side of a model that is there already, wherever it computes."""

    def open(self, spec: str, seed: int, device: str, blank: bool) -> Side:
        """Build the model at "package.module:factory", its random weights drawn from `seed`. blank: zeros will do."""

    def trainer(self, spec: str, seed: int, dtype: str) -> Trainer:
        """Build it to be trained in `dtype`: "float64", "float32", "mixed_bfloat16". Nothing of one before is kept."""

    def store(self) -> Store:
        """How its models come into files, and back."""
        raise TargetError(f"{type(self).__name__} must know files of weights, and knows none; save them by hand")


def adapter(framework: str) -> Adapter:
    """The adapter of a framework, which is imported with it."""
    try:
        found: Adapter = importlib.import_module(f"{_package(framework)}.adapter").ADAPTER
    except ModuleNotFoundError as error:
        if (error.name or "parity").startswith("parity"):
            raise
        raise TargetError(
            f"a {title(framework)} model needs {title(framework)} and what it computes with, and there is no module "
            f"{error.name} here; install it, or run where it is"
        ) from error
    return found


def title(framework: str) -> str:
    """What a framework is called in a sentence."""
    return str(importlib.import_module(_package(framework)).TITLE)


def model_of(framework: str) -> Model:
    """How its models are recognised."""
    found: Model = importlib.import_module(_package(framework)).MODEL
    return found


def framework_of(model: Any) -> str | None:
    """The framework of a model, told by its nearest base class of any: on Keras's torch backend it has torch's too."""
    models = {name: model_of(name) for name in frameworks()}
    for cls in type(model).__mro__:
        for name, wanted in models.items():
            if cls.__name__ == wanted.name and cls.__module__.startswith(wanted.home):
                return name
    return None


def _package(framework: str) -> str:
    return framework if "." in framework else f"parity.frameworks.{framework}"
