"""What a layer draws in training, as plain data, and a shape -> the numbers drawn, the same for whoever asks.

Whatever is drawn acts as y = x * factor + shift. Both sides make these of the same random numbers, each by its own rate
and shape: what torch drops, Keras then drops too, where its layer is torch's, and something else where it is not.
"""

from dataclasses import dataclass
from zlib import crc32

import numpy as np

from parity.models.arrays import Array

DROPOUT, ALPHA, GAUSSIAN, ADDED = "dropout", "alpha dropout", "Gaussian dropout", "Gaussian noise"
SELU = 1.0507009873554805 * 1.6732632423543772  # Klambauer et al. 2017: minus what SELU comes down to


@dataclass(frozen=True)
class Noise:
    """form: one of the four above. rate: the share that is dropped; of Gaussian noise its standard deviation.

    shared: the axes, in torch's order, over which one number is drawn; those of one number are not told.
    """

    form: str
    rate: float
    shared: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.form} {self.rate:g}{f' of {self.whole}' if self.shared else ''}"

    @property
    def whole(self) -> str:
        """What is dropped as one."""
        if self.shared[:1] == (0,):
            return "the whole batch"
        if self.shared[:1] == (1,):
            return "whole samples" if len(self.shared) > 1 else "one number for all of axis 1"
        return "whole channels" if self.shared else "numbers"

    def drawn(self, shape: tuple[int, ...], key: str, seed: int, step: int = 0) -> tuple[Array, Array]:
        """(factor, shift) for x of a shape in torch's order, of a step's call: key says which of all that draw."""
        size = tuple(1 if axis in self.shared else count for axis, count in enumerate(shape))
        draw = np.random.default_rng([seed, step, crc32(key.encode())])
        if self.form == ADDED:
            return np.ones(size), self.rate * draw.standard_normal(size)
        if self.form == GAUSSIAN:
            return 1 + (self.rate / (1 - self.rate)) ** 0.5 * draw.standard_normal(size), np.zeros(size)
        kept = (draw.random(size) >= self.rate).astype(np.float64)
        if self.form == DROPOUT:
            return kept / (1 - self.rate) if self.rate < 1 else kept, np.zeros(size)
        scale = ((SELU**2 * self.rate + 1) * (1 - self.rate)) ** -0.5 if self.rate < 1 else 0.0
        return scale * kept, scale * SELU * (self.rate - 1 + kept)


def noise(form: str, rate: float, shared: tuple[int, ...], shape: tuple[int, ...]) -> Noise | None:
    """What is drawn for x of a shape; None where that is nothing."""
    return Noise(form, rate, tuple(axis for axis in shared if shape[axis] != 1)) if rate > 0 else None
