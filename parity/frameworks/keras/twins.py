"""torch's rules as Keras optimizers and schedules, where no setting of Keras's own gives them. Good for any `compile`.

Each subclass overrides `update_step` alone and keeps Keras's own state variables.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

register = keras.saving.register_keras_serializable("parity")


@register
class TorchSGD(keras.optimizers.SGD):
    """`torch.optim.SGD`: m = momentum m + g; w -= lr m. Keras's m = momentum m - lr g keeps each step's own rate."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        if self.momentum:
            m = self.momentums[self._get_variable_index(variable)]
            self.assign(m, self.momentum * m + gradient)
            gradient = gradient + self.momentum * m if self.nesterov else m
        self.assign_sub(variable, rate * gradient)


class _TorchMoments:
    """Kingma and Ba 2015, algorithm 1: w -= lr m^ / (sqrt(v^) + eps).

    Keras adds epsilon to sqrt(v) before the bias correction (their section 2, "epsilon hat"): its epsilon would have to
    be eps * sqrt(1 - beta2^t), another one at every step.
    """

    def update_step(self: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        step = ops.cast(self.iterations + 1, variable.dtype)
        # `ops.cast` makes a Python float a float32 first, as Keras's own Adam does, also in float64.
        correction1 = 1 - ops.power(ops.convert_to_tensor(self.beta_1, variable.dtype), step)
        correction2 = 1 - ops.power(ops.convert_to_tensor(self.beta_2, variable.dtype), step)
        index = self._get_variable_index(variable)
        m, v = self._momentums[index], self._velocities[index]
        self.assign_add(m, (gradient - m) * (1 - self.beta_1))
        self.assign(v, self.beta_2 * v + (1 - self.beta_2) * ops.square(gradient))
        self.assign_sub(variable, rate / correction1 * m / (ops.sqrt(v) / ops.sqrt(correction2) + self.epsilon))


@register
class TorchAdam(_TorchMoments, keras.optimizers.Adam):
    """`torch.optim.Adam`."""


@register
class TorchAdamW(_TorchMoments, keras.optimizers.AdamW):
    """`torch.optim.AdamW`; the decay is Keras's own, which is torch's too."""


@register
class TorchRMSprop(keras.optimizers.RMSprop):
    """`torch.optim.RMSprop`: w -= lr g / (sqrt(v) + eps), momentum without the rate; Keras: sqrt(v + eps), with it."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        index = self._get_variable_index(variable)
        v = self._velocities[index]
        self.assign(v, self.rho * v + (1 - self.rho) * ops.square(gradient))
        step = gradient / (ops.sqrt(v) + self.epsilon)
        if self.momentum > 0:
            m = self._momentums[index]
            self.assign(m, self.momentum * m + step)
            step = ops.convert_to_tensor(m)
        self.assign_sub(variable, rate * step)


@register
class TorchAdagrad(keras.optimizers.Adagrad):
    """`torch.optim.Adagrad`: w -= lr g / (sqrt(s) + eps); Keras has sqrt(s + eps)."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        s = self._accumulators[self._get_variable_index(variable)]
        self.assign_add(s, ops.square(gradient))
        self.assign_sub(variable, rate * gradient / (ops.sqrt(s) + self.epsilon))


def coupled(optimizer: type, weight_decay: float, variables: list[Any]) -> type:
    """A subclass that adds weight_decay * w to the gradient of these variables, as torch's `weight_decay` does."""

    class Coupled(optimizer):
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            if self._var_key(variable) in {self._var_key(each) for each in variables}:
                gradient = ops.cast(gradient, variable.dtype) + weight_decay * ops.convert_to_tensor(variable)
            super().update_step(gradient, variable, learning_rate)

    Coupled.__name__ = f"Coupled{optimizer.__name__}"
    return Coupled


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
