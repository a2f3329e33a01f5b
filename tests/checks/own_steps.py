"""Training steps as users write them, in either framework: functions, factories and classes; and some with a fault."""

from typing import Any

import keras
import torch
from torch import nn
from torch.nn import functional as F


def torch_net() -> nn.Module:
    body = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(4 * 6 * 6, 5)
    return nn.Sequential(*body)


def keras_net() -> keras.Model:
    layers = keras.layers
    norm = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
    body = [layers.Conv2D(4, 3), norm, layers.ReLU(), layers.Dropout(0.2), layers.Flatten(), layers.Dense(5)]
    return keras.Sequential([keras.Input((8, 8, 3)), *body])


OPTIMIZER: dict[str, torch.optim.Optimizer] = {}


def torch_step(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """An optimizer in a global, made at the first call."""
    if "own" not in OPTIMIZER:
        OPTIMIZER["own"] = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-2)
    optimizer = OPTIMIZER["own"]
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return loss


class TorchAdam:
    """An object that is called with a batch."""

    def __init__(self, model: nn.Module) -> None:
        self.model, self.optimizer = model, torch.optim.Adam(model.parameters(), 1e-2)

    def __call__(self, batch: Any) -> dict[str, Any]:
        x, y = batch
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return {"loss": loss}


def torch_plain(model: nn.Module, rate: float = 0.1) -> Any:
    """A factory."""
    optimizer = torch.optim.SGD(model.parameters(), rate)

    def step(x: torch.Tensor, y: torch.Tensor) -> float:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.item()

    return step


def keras_fit(model: keras.Model, rate: float = 0.1, loss: Any = None, **own: Any) -> Any:
    loss = loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(rate, **own), loss)
    return lambda x, y: model.train_on_batch(x, y)


def keras_factory(model: keras.Model) -> Any:
    return keras_fit(model)


def keras_rate(model: keras.Model) -> Any:
    return keras_fit(model, 0.2)


def keras_momentum(model: keras.Model) -> Any:
    return keras_fit(model, momentum=0.5)


def keras_decay(model: keras.Model) -> Any:
    return keras_fit(model, weight_decay=0.05)


def keras_sum(model: keras.Model) -> Any:
    return keras_fit(model, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum"))


def keras_tape(model: keras.Model, x: Any, y: Any) -> Any:
    """By hand, eagerly: torch's momentum, decay and clipping."""
    import tensorflow as tf

    if not hasattr(model, "own"):
        model.own = [tf.zeros_like(v) for v in model.trainable_variables]
    with tf.GradientTape() as tape:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, model(x, training=True))
    grads = tape.gradient(loss, [v.value for v in model.trainable_variables])
    norm = tf.linalg.global_norm(grads)
    grads = [g * tf.minimum(1.0 / (norm + 1e-6), 1.0) for g in grads]
    for n, (v, g) in enumerate(zip(model.trainable_variables, grads, strict=True)):
        model.own[n] = 0.9 * model.own[n] + g + 1e-2 * v.value
        v.assign_sub(0.1 * model.own[n])
    return loss


def keras_adam(model: keras.Model) -> Any:
    """Keras's own rule, whose epsilon acts otherwise."""
    import tensorflow as tf

    optimizer = keras.optimizers.Adam(1e-2, epsilon=1e-8)

    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, model(x, training=True))
        optimizer.apply(tape.gradient(loss, [v.value for v in model.trainable_variables]), model.trainable_variables)
        return loss

    return step


def keras_idle(model: keras.Model, x: Any, y: Any) -> Any:
    return keras.ops.sum(model(x))


def keras_silent(model: keras.Model, x: Any, y: Any) -> None:
    model.bias = 1


def keras_broken(model: keras.Model, x: Any, y: Any) -> Any:
    raise ValueError("no such batch")


NUMBER = 3
