"""torch's schedules as Keras's where it has none: a step goes in, its learning rate comes out; for any `compile`."""

from typing import Any

import keras
import numpy as np
from keras import ops

from parity.models.optimizers import ONE_CYCLE_END, ONE_CYCLE_RISE, ONE_CYCLE_START

register = keras.saving.register_keras_serializable("parity")


@register
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """`torch.optim.lr_scheduler.OneCycleLR` (Smith and Topin 2018), cosines up to `high` and down, over `steps`."""

    def __init__(self, high: float, steps: int) -> None:
        self.high, self.steps = high, steps

    def __call__(self, step: Any) -> Any:
        place = ops.cast(step, np.asarray(self.high).dtype.name)
        first, last = ONE_CYCLE_RISE * self.steps - 1, self.steps - 1
        low = self.high / ONE_CYCLE_START
        end = low / ONE_CYCLE_END
        up = low + (self.high - low) / 2 * (1 - ops.cos(np.pi * place / first))
        down = end + (self.high - end) / 2 * (1 + ops.cos(np.pi * (place - first) / (last - first)))
        return ops.where(place <= first, up, down)

    def get_config(self) -> dict[str, Any]:
        return {"high": float(self.high), "steps": self.steps}


@register
class Cyclic(keras.optimizers.schedules.LearningRateSchedule):
    """`torch.optim.lr_scheduler.CyclicLR`, triangular (Smith 2017): from `low` up to `high` and down in 2 * half."""

    def __init__(self, low: float, high: float, half: int) -> None:
        self.low, self.high, self.half = low, high, half

    def __call__(self, step: Any) -> Any:
        place = ops.cast(step, np.asarray(self.low).dtype.name) / self.half
        place = place - 2 * ops.floor(place / 2)
        return self.low + (self.high - self.low) * (1 - ops.abs(place - 1))

    def get_config(self) -> dict[str, Any]:
        return {"low": float(self.low), "high": float(self.high), "half": self.half}


@register
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A straight rise from `start` to `full` over `steps`, then `after`: a schedule, or the full rate."""

    def __init__(self, start: float, full: float, steps: int, after: Any = None) -> None:
        self.start, self.full, self.steps, self.after = start, full, steps, after

    def __call__(self, step: Any) -> Any:
        dtype = np.asarray(self.full).dtype.name
        place = ops.cast(step, dtype)
        rising = self.start + (self.full - self.start) * place / self.steps
        later = self.full if self.after is None else self.after(ops.maximum(place - self.steps, 0))
        return ops.where(place < self.steps, rising, ops.cast(later, dtype))

    def get_config(self) -> dict[str, Any]:
        after = None if self.after is None else keras.saving.serialize_keras_object(self.after)
        return {"start": float(self.start), "full": float(self.full), "steps": self.steps, "after": after}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "WarmUp":
        after = config["after"] and keras.saving.deserialize_keras_object(config["after"])
        return cls(**config | {"after": after})
