"""What may be asked after the faulty step of a lock-step run: both sides, which wait, and what was given to both."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from parity.models.arrays import Array
from parity.models.keys import Key, is_statistic
from parity.models.layers import LayerInfo, shapes_of
from parity.models.losses import Truths
from parity.models.recipe import Recipe
from parity.verdict.training import Step

from .stepping import Waiting


@dataclass(frozen=True)
class Scene:
    """Both sides after the faulty step, which was the run's last."""

    torch: Waiting
    keras: Waiting
    recipe: Recipe
    layers: list[LayerInfo]
    step: Step
    truths: Truths  # of the step's batch

    def both(self) -> Iterator[tuple[str, Waiting]]:
        yield from (("torch", self.torch), ("keras", self.keras))

    def rate(self, side: str) -> float:
        return self.step.rate[side == "keras"]

    def gradients(self, name: str) -> tuple[Array, Array]:
        """A parameter's gradient in torch and in Keras."""
        ours, theirs = (side.read(("gradient", name)).result() for side in (self.torch, self.keras))
        return np.asarray(ours), np.asarray(theirs)

    def both_read(self, key: Key) -> tuple[Array, Array]:
        """A number or tensor after the step, in torch and in Keras."""
        ours, theirs = self.torch.read(key), self.keras.read(key)
        return np.asarray(ours.result()), np.asarray(theirs.result())

    def parameters(self) -> Iterator[str]:
        """The names of all that may be trained."""
        yield from (name for name in shapes_of(self.layers) if not is_statistic(name))
