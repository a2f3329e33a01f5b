"""torch's rules as Keras optimizers and losses, where no setting of Keras's own gives them.

They are good for any `compile`. Each optimizer overrides `update_step` alone and keeps Keras's own state variables.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from parity.models.clipping import SMALL
from parity.models.optimizers import NADAM_DECAY, NS_COEFFICIENTS, NS_EPSILON, NS_STEPS, is_matrix, muon_ratio
from parity.models.recipe import Recipe

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
        if self.amsgrad:
            largest = self._velocity_hats[index]
            self.assign(largest, ops.maximum(largest, v))
            v = largest
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
        spread = v
        if self.centered:
            mean = self._average_gradients[index]
            self.assign(mean, self.rho * mean + (1 - self.rho) * gradient)
            spread = v - ops.square(mean)
        step = gradient / (ops.sqrt(spread) + self.epsilon)
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


@register
class TorchAdamax(keras.optimizers.Adamax):
    """`torch.optim.Adamax`: u = max(beta2 u, |g| + eps); Keras adds epsilon to u where it divides by it."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        step = ops.cast(self.iterations + 1, variable.dtype)
        correction = 1 - ops.power(ops.convert_to_tensor(self.beta_1, variable.dtype), step)
        index = self._get_variable_index(variable)
        m, u = self._m[index], self._u[index]
        self.assign_add(m, (gradient - m) * (1 - self.beta_1))
        self.assign(u, ops.maximum(self.beta_2 * u, ops.abs(gradient) + self.epsilon))
        self.assign_sub(variable, rate / correction * m / u)


@register
class TorchNadam(keras.optimizers.Nadam):
    """`torch.optim.NAdam`: the momentum rises by 0.96^(0.004 t) (Dozat 2016); Keras's by 0.96^t."""

    def _mu(self, step: Any, dtype: Any) -> Any:
        decay = ops.power(ops.convert_to_tensor(0.96, dtype), ops.cast(step, dtype) * NADAM_DECAY)
        return self.beta_1 * (1 - 0.5 * decay)

    def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        product = self._u_product
        self.assign(product, product * self._mu(self.iterations + 1, product.dtype))
        super(keras.optimizers.Nadam, self)._backend_update_step(grads, trainable_variables, learning_rate)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        dtype = variable.dtype
        rate, gradient = ops.cast(learning_rate, dtype), ops.cast(gradient, dtype)
        step = ops.cast(self.iterations + 1, dtype)
        now, after = self._mu(step, dtype), self._mu(step + 1, dtype)
        product = ops.cast(self._u_product, dtype)
        correction = 1 - ops.power(ops.convert_to_tensor(self.beta_2, dtype), step)
        index = self._get_variable_index(variable)
        m, v = self._momentums[index], self._velocities[index]
        self.assign_add(m, (gradient - m) * (1 - self.beta_1))
        self.assign(v, self.beta_2 * v + (1 - self.beta_2) * ops.square(gradient))
        root = ops.sqrt(v / correction) + self.epsilon
        mean = (1 - now) / (1 - product) * gradient + after / (1 - product * after) * m
        self.assign_sub(variable, rate * mean / root)


@register
class TorchMuon(keras.optimizers.Muon):
    """`torch.optim.Muon`, in the variable's own dtype: the momentum is a mean, and a step is sqrt(max(1, out / in)).

    Keras's momentum is a sum, and its step 0.2 sqrt(max(out, in)). What is no matrix takes torch's Adam. shapes: of the
    variables in torch's layout, by id; without one a kernel is Dense's, (in, out).
    """

    shapes: dict[int, tuple[int, ...]] | None = None

    def _shape(self, variable: Any) -> tuple[int, ...]:
        known = None if self.shapes is None else self.shapes.get(id(variable))
        return tuple(variable.shape)[::-1] if known is None else known

    def _should_use_adamw(self, variable: Any) -> bool:
        return not (is_matrix(self._shape(variable)) and is_matrix(tuple(variable.shape)))

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        index = self._get_variable_index(variable)
        m, v = self.momentums[index], self.adam_velocities[index]
        if v is not None:
            self._torch_adam(gradient, variable, rate, m, v)
            return
        self.assign_add(m, (gradient - m) * (1 - self.momentum))
        step = _orthogonal((1 - self.momentum) * gradient + self.momentum * m)
        self.assign_sub(variable, rate * muon_ratio(self._shape(variable)) * step)

    def _torch_adam(self, gradient: Any, variable: Any, rate: Any, m: Any, v: Any) -> None:
        step = ops.cast(self.iterations + 1, variable.dtype)
        first, second = (ops.convert_to_tensor(b, variable.dtype) for b in (self.adam_beta_1, self.adam_beta_2))
        self.assign_add(m, (gradient - m) * (1 - self.adam_beta_1))
        self.assign(v, self.adam_beta_2 * v + (1 - self.adam_beta_2) * ops.square(gradient))
        root = ops.sqrt(v) / ops.sqrt(1 - ops.power(second, step)) + self.epsilon
        self.assign_sub(variable, rate / (1 - ops.power(first, step)) * m / root)


def _orthogonal(x: Any) -> Any:
    tall = x.shape[0] > x.shape[1]
    x = ops.transpose(x) if tall else x
    x = x / ops.maximum(ops.sqrt(ops.sum(ops.square(x))), NS_EPSILON)
    a, b, c = NS_COEFFICIENTS
    for _ in range(NS_STEPS):
        gram = ops.matmul(x, ops.transpose(x))
        x = a * x + ops.matmul(b * gram + c * ops.matmul(gram, gram), x)
    return ops.transpose(x) if tall else x


def clipping(optimizer: type, recipe: Recipe) -> type:
    """A subclass that clips as torch does: by c / (norm + 1e-6) where Keras's own has c / norm."""

    class Clipping(optimizer):
        def _clip_gradients(self, grads: list[Any]) -> list[Any]:
            if recipe.clip_value:
                return [g if g is None else ops.clip(g, -recipe.clip_value, recipe.clip_value) for g in grads]
            squares = [None if g is None else ops.sum(ops.square(g)) for g in grads]
            if recipe.clip_norm:
                factors = [None if s is None else _factor(recipe.clip_norm, s) for s in squares]
            else:
                factors = [_factor(recipe.clip_global, sum(s for s in squares if s is not None))] * len(grads)
            return [g if g is None else g * f for g, f in zip(grads, factors, strict=True)]

    Clipping.__name__ = f"Clipping{optimizer.__name__}"
    return Clipping


def _factor(most: float, square: Any) -> Any:
    return ops.minimum(most / (ops.sqrt(square) + SMALL), 1.0)


def coupled(optimizer: type, weight_decay: float, variables: list[Any]) -> type:
    """A subclass that adds weight_decay * w to the gradient of these variables, as torch's `weight_decay` does."""

    class Coupled(optimizer):
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            if self._var_key(variable) in {self._var_key(each) for each in variables}:
                gradient = ops.cast(gradient, variable.dtype) + weight_decay * ops.convert_to_tensor(variable)
            super().update_step(gradient, variable, learning_rate)

    Coupled.__name__ = f"Coupled{optimizer.__name__}"
    return Coupled


class ByHand(keras.losses.Loss):
    """torch's loss where Keras has none: a function (targets, outputs) -> one number, or those that a mean is of."""

    def __init__(self, function: Callable[[Any, Any], Any], **options: Any) -> None:
        super().__init__(**options)
        self.function = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.function(y_true, y_pred)


@register
class Penalty(keras.regularizers.Regularizer):
    """`keras.regularizers.L1L2` with its two numbers in the weight's own dtype: Keras's are float32, in float64 too."""

    def __init__(self, l1: float, l2: float) -> None:
        self.l1, self.l2 = float(l1), float(l2)

    def __call__(self, x: Any) -> Any:
        l1, l2 = (ops.convert_to_tensor(np.float64(c), x.dtype) for c in (self.l1, self.l2))
        return l1 * ops.sum(ops.abs(x)) + l2 * ops.sum(ops.square(x))

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}
