"""Faults that only a training step shows, each on either side of a matched pair: inference is the same."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
import torch
from keras import ops
from torch import nn
from torch.nn import functional as F

from .faults import Fault
from .planting import before, behave, set_attribute

CONV, NORM, RELU = "conv", "norm", "relu"


def torch_norm(momentum: float | None = None, eps: float | None = None, batch: bool = True) -> Callable[[Any], None]:
    """A torch batch norm that in training has another momentum, epsilon or mode than it says."""

    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        wrong = (momentum or self.momentum, eps or self.eps) if self.training else (self.momentum, self.eps)
        statistics = self.running_mean, self.running_var
        return F.batch_norm(x, *statistics, self.weight, self.bias, self.training and batch, *wrong)

    return lambda layer: behave(layer, forward=forward)


def keras_norm(**wrong: float) -> Callable[[Any], None]:
    """A Keras batch norm that in training has other settings than it says."""

    def plant(layer: Any) -> None:
        original = type(layer).call

        def call(self: Any, x: Any, training: Any = None, mask: Any = None) -> Any:
            right = {name: getattr(self, name) for name in wrong}
            try:
                for name in wrong if training else ():
                    setattr(self, name, wrong[name])
                return original(self, x, training=training, mask=mask)
            finally:
                for name, value in right.items():
                    setattr(self, name, value)

        behave(layer, call=call)

    return plant


def _frozen_mode_keras(layer: Any) -> None:
    original = type(layer).call
    behave(layer, call=lambda self, x, training=None, mask=None: original(self, x, training=False))


def _biased_torch(layer: nn.BatchNorm2d) -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return nn.BatchNorm2d.forward(self, x)
        out = F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)
        with torch.no_grad():
            mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance, self.momentum)
        return out

    behave(layer, forward=forward)


def _biased_keras(layer: Any) -> None:
    original = type(layer).call

    def call(self: Any, x: Any, training: Any = None, mask: Any = None) -> Any:
        wrong = keras.layers.BatchNormalization.call  # Keras's own keeps the biased variance
        return wrong(self, x, training=training) if training else original(self, x, training=training)

    behave(layer, call=call)


def _unbiased_torch(layer: nn.BatchNorm2d) -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        right = nn.BatchNorm2d.forward(self, x)
        if not self.training:
            return right
        mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), keepdim=True)
        gamma, beta = self.weight.view(1, -1, 1, 1), self.bias.view(1, -1, 1, 1)
        return (x - mean) / (variance + self.eps).sqrt() * gamma + beta

    behave(layer, forward=forward)


def _unbiased_keras(layer: Any) -> None:
    original = type(layer).call

    def call(self: Any, x: Any, training: Any = None, mask: Any = None) -> Any:
        right = original(self, x, training=training)
        if not training:
            return right
        mean, variance = ops.moments(x, (0, 1, 2))
        count = x.shape[0] * x.shape[1] * x.shape[2]
        unbiased = variance * count / (count - 1)
        return ops.batch_normalization(x, mean, unbiased, -1, self.beta, self.gamma, self.epsilon)

    behave(layer, call=call)


class _Doubled(torch.autograd.Function):
    """The identity, with twice its gradient."""

    @staticmethod
    def forward(context: Any, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def backward(context: Any, *gradients: Any) -> Any:
        return 2 * gradients[0]


@tf.custom_gradient
def _doubled(x: Any) -> Any:
    return tf.identity(x), lambda gradient: 2 * gradient


def _doubled_torch(layer: Any) -> None:
    original = type(layer).forward
    behave(layer, forward=lambda self, x: original(self, _Doubled.apply(x)))


def _freeze_torch(layer: Any) -> None:
    layer.weight.requires_grad_(False)


TRAINING_FAULTS = [
    Fault("mode", NORM, "BN train/eval mode", torch_norm(batch=False), _frozen_mode_keras),
    Fault("frozen norm", NORM, "BN train/eval mode", lambda layer: layer.eval(), set_attribute("trainable", False)),
    Fault("hidden momentum", NORM, "BN momentum", torch_norm(momentum=0.01), keras_norm(momentum=0.99)),
    Fault("epsilon in training", NORM, "BN eps", torch_norm(eps=1e-3), keras_norm(epsilon=1e-3)),
    Fault("biased running variance", NORM, "biased variance", _biased_torch, _biased_keras),
    Fault("unbiased batch variance", NORM, "biased variance", _unbiased_torch, _unbiased_keras),
    Fault("frozen parameter", CONV, "missing gradient", _freeze_torch, set_attribute("trainable", False)),
    Fault("doubled gradient", CONV, "constant factor", _doubled_torch, before(_doubled, "call")),
]


def detach_shortcut(block: Any, side: str) -> None:
    """A basic block whose shortcut carries no gradient."""

    def forward(self: Any, x: Any) -> Any:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        stop = torch.Tensor.detach if side == "torch" else ops.stop_gradient
        return self.relu(out + stop(self.downsample(x)))

    behave(block, **{"forward" if side == "torch" else "call": forward})


def detach_branch(block: Any, side: str) -> None:
    """A basic block whose first convolution passes no gradient on."""

    def forward(self: Any, x: Any) -> Any:
        stop = torch.Tensor.detach if side == "torch" else ops.stop_gradient
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(stop(x))))))
        return self.relu(out + self.downsample(x))

    behave(block, **{"forward" if side == "torch" else "call": forward})
