"""Norms, activations, noise: the rows of `benchmarks.layers`."""

# ruff: noqa: E501 - one row a line

from typing import Any

import torch
from keras import layers, ops
from torch import nn
from torch.nn import functional

from .images import HWC, IMAGE, fn, k, layer, t
from .rows import Keras, Row, Torch, drawn, net, weighted

BN = layers.BatchNormalization
SEQUENCE = drawn(2, 5, 8)


def bn(**own: Any) -> Any:
    return lambda: net(HWC, BN(**({"epsilon": 1e-5, "momentum": 0.9} | own)))


def seq(name: str, **own: Any) -> Any:
    return layer(name, shape=(5, 8), **own)


def lrn(radius: int = 2, alpha: float = 1e-1) -> Any:
    def run(x: Any) -> Any:
        import tensorflow as tf

        return tf.nn.local_response_normalization(x, radius, bias=1.0, alpha=alpha, beta=0.75)

    return fn(run)


class LayerNorm2d(nn.LayerNorm):
    """torchvision's and timm's: over the channels of an image."""

    def forward(self, x: Any) -> Any:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class FrozenBatchNorm2d(nn.Module):
    """torchvision's: fixed statistics in buffers."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        for name, value in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
            self.register_buffer(name, torch.full((channels,), value))

    def forward(self, x: Any) -> Any:
        scale = self.weight * (self.running_var + 1e-5).rsqrt()
        return x * scale[:, None, None] + (self.bias - self.running_mean * scale)[:, None, None]


class BatchNormAct2d(nn.BatchNorm2d):
    """timm's: a norm and its activation in one."""

    def forward(self, x: Any) -> Any:
        made = functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, self.training, self.momentum, self.eps
        )
        return functional.silu(made)


class GRN(nn.Module):
    """ConvNeXt V2's global response norm."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.zeros(1, 4, 1, 1)), nn.Parameter(torch.zeros(1, 4, 1, 1))

    def forward(self, x: Any) -> Any:
        size = x.norm(p=2, dim=(2, 3), keepdim=True)
        return self.gamma * (x * (size / (size.mean(1, keepdim=True) + 1e-6))) + self.beta + x


def kgrn(eps: float = 1e-6) -> Any:
    def call(self: Any, x: Any) -> Any:
        size = ops.sqrt(ops.sum(ops.square(x), (1, 2), keepdims=True))
        return self.gamma * (x * (size / (ops.mean(size, -1, keepdims=True) + eps))) + self.beta + x

    return lambda: net(HWC, weighted(call, gamma=(4,), beta=(4,))())


def act(name: str, shape: Any = HWC, **own: Any) -> Any:
    return lambda: net(shape, layers.Activation(name))


ROWS = [
    Row("BatchNorm2d", lambda: nn.BatchNorm2d(4), bn(), IMAGE, {
        "eps": ("keras", bn(epsilon=1e-3), "eps"), "momentum": ("keras", bn(momentum=0.99), "momentum"), "no gamma": ("keras", bn(scale=False), "gamma|weight|scale"),
    }, gradients=False),
    Row("BatchNorm2d without weights", lambda: nn.BatchNorm2d(4, affine=False), bn(scale=False, center=False), IMAGE, {"eps": ("keras", bn(scale=False, center=False, epsilon=1e-3), "eps")}, gradients=False),
    Row("LazyBatchNorm2d", lambda: nn.LazyBatchNorm2d(), bn(), IMAGE, {"eps": ("keras", bn(epsilon=1e-3), "eps")}, gradients=False),
    Row("BatchNorm2d of batches alone", lambda: nn.BatchNorm2d(4, track_running_stats=False), lambda: net(HWC, weighted(lambda self, x: (x - ops.mean(x, (0, 1, 2))) / ops.sqrt(ops.var(x, (0, 1, 2)) + 1e-5) * self.gamma + self.beta, gamma=(4,), beta=(4,))()), IMAGE, {
        "eps": ("keras", lambda: net(HWC, weighted(lambda self, x: (x - ops.mean(x, (0, 1, 2))) / ops.sqrt(ops.var(x, (0, 1, 2)) + 1e-2) * self.gamma + self.beta, gamma=(4,), beta=(4,))()), "eps"),
    }),
    Row("frozen batch norm", lambda: FrozenBatchNorm2d(4), bn(trainable=False), IMAGE, {"eps": ("keras", bn(trainable=False, epsilon=1e-3), "eps|scale")}),
    Row("norm and activation in one", lambda: BatchNormAct2d(4), k(lambda: BN(epsilon=1e-5, momentum=0.9), lambda: layers.Activation("silu")), IMAGE, {
        "relu": ("keras", k(lambda: BN(epsilon=1e-5, momentum=0.9), lambda: layers.Activation("relu")), "activation|silu|relu"), "eps": ("keras", k(lambda: BN(epsilon=1e-3, momentum=0.9), lambda: layers.Activation("silu")), "eps"),
    }, gradients=False),
    Row("SyncBatchNorm", lambda: nn.SyncBatchNorm(4), bn(synchronized=False), IMAGE, {"eps": ("keras", bn(epsilon=1e-3), "eps")}, gradients=False),
    Row("LayerNorm", lambda: nn.LayerNorm(8), seq("LayerNormalization", epsilon=1e-5), SEQUENCE, {"eps": ("keras", seq("LayerNormalization"), "eps"), "no beta": ("keras", seq("LayerNormalization", epsilon=1e-5, center=False), "beta|bias")}),
    Row("LayerNorm of two axes", lambda: nn.LayerNorm((5, 8)), seq("LayerNormalization", axis=(1, 2), epsilon=1e-5), SEQUENCE, {"one axis": ("keras", seq("LayerNormalization", axis=(1, 2), epsilon=1e-2), "eps")}),
    Row("LayerNorm2d", lambda: LayerNorm2d(4), layer("LayerNormalization", epsilon=1e-5), IMAGE, {"eps": ("keras", layer("LayerNormalization", epsilon=1e-3), "eps")}),
    Row("LayerNorm by GroupNorm", lambda: nn.GroupNorm(1, 4), layer("GroupNormalization", 1, epsilon=1e-5), IMAGE, {"eps": ("keras", layer("GroupNormalization", 1, epsilon=1e-3), "eps")}),
    Row("GroupNorm", lambda: nn.GroupNorm(2, 4), layer("GroupNormalization", 2, epsilon=1e-5), IMAGE, {"groups": ("keras", layer("GroupNormalization", 4, epsilon=1e-5), "groups"), "eps": ("keras", layer("GroupNormalization", 2, epsilon=1e-3), "eps")}),
    Row("InstanceNorm2d", lambda: nn.InstanceNorm2d(4, affine=True), layer("GroupNormalization", -1, epsilon=1e-5), IMAGE, {"eps": ("keras", layer("GroupNormalization", -1, epsilon=1e-3), "eps")}),
    Row("InstanceNorm2d without weights", lambda: nn.InstanceNorm2d(4), layer("GroupNormalization", 4, epsilon=1e-5, scale=False, center=False), IMAGE, {"eps": ("keras", layer("GroupNormalization", 4, epsilon=1e-3, scale=False, center=False), "eps")}),
    Row("RMSNorm", lambda: nn.RMSNorm(8, eps=1e-6), seq("RMSNormalization", epsilon=1e-6), SEQUENCE, {"eps": ("keras", seq("RMSNormalization", epsilon=1e-3), "eps"), "layer norm": ("keras", seq("LayerNormalization", center=False, epsilon=1e-6), "mean|kind|norm")}),
    Row("UnitNormalization", t(lambda x: functional.normalize(x, dim=-1)), seq("UnitNormalization"), SEQUENCE, {"axis": ("keras", seq("UnitNormalization", axis=1), "axis")}),
    Row("LocalResponseNorm", lambda: nn.LocalResponseNorm(5, alpha=0.5, beta=0.75, k=1.0), lrn(), IMAGE, {"alpha": ("keras", lrn(alpha=0.5), "alpha"), "radius": ("keras", lrn(1), "size|radius|alpha")}, gradients=False),
    Row("global response norm", GRN, kgrn(), IMAGE, {"eps": ("keras", kgrn(1e-1), "")}),
    Row("PReLU", lambda: nn.PReLU(4), layer("PReLU", shared_axes=[1, 2]), IMAGE, {"relu": ("keras", layer("LeakyReLU", 0.1), "")}),
    Row("PReLU of one", lambda: nn.PReLU(), layer("PReLU", shared_axes=[1, 2, 3]), IMAGE, {"relu": ("keras", layer("ReLU"), "")}),
    Row("LeakyReLU", lambda: nn.LeakyReLU(0.2), layer("LeakyReLU", 0.2), IMAGE, {"slope": ("keras", layer("LeakyReLU"), "slope")}),
    Row("ELU", lambda: nn.ELU(), layer("ELU"), IMAGE, {"alpha": ("keras", layer("ELU", 0.5), "alpha"), "SELU": ("keras", act("selu"), "selu|function|activation")}),
    Row("GELU", lambda: nn.GELU(), act("gelu"), IMAGE, {"approximated": ("torch", lambda: nn.GELU("tanh"), "approximate|tanh")}),
    Row("Hardswish", lambda: nn.Hardswish(), act("hard_silu"), IMAGE, {"silu": ("keras", act("silu"), "silu|activation")}),
    Row("Softplus", lambda: nn.Softplus(), act("softplus"), IMAGE, {"relu": ("keras", act("relu"), "relu|activation")}),
    Row("Softplus, beta", lambda: nn.Softplus(beta=2.0), fn(lambda x: ops.softplus(2 * x) / 2), IMAGE, {"beta": ("keras", fn(ops.softplus), "beta|function|softplus")}),
    Row("Threshold", lambda: nn.Threshold(0.1, 0.0), layer("ReLU", threshold=0.1), IMAGE, {"relu": ("keras", layer("ReLU"), "threshold")}),
    Row("CELU", lambda: nn.CELU(), act("celu"), IMAGE, {"elu": ("keras", layer("ELU", 0.5), "elu|alpha|activation")}),
    Row("Softmax over channels", lambda: nn.Softmax(1), layer("Softmax"), IMAGE, {"rows": ("keras", layer("Softmax", 1), "axis")}),
    Row("Softmax2d", lambda: nn.Softmax2d(), layer("Softmax", -1), IMAGE, {"columns": ("keras", layer("Softmax", 2), "axis")}),
    Row("LogSoftmax", lambda: nn.LogSoftmax(-1), act("log_softmax", (5, 8)), SEQUENCE, {"softmax": ("keras", act("softmax", (5, 8)), "softmax|log|activation")}),
    Row("Softmin", lambda: nn.Softmin(-1), lambda: net((5, 8), layers.Lambda(lambda x: ops.softmax(-x))), SEQUENCE, {"softmax": ("keras", act("softmax", (5, 8)), "sign|softm|factor|function")}),
    Row("Dropout", lambda: nn.Dropout(0.3), layer("Dropout", 0.3), IMAGE, {"rate": ("keras", layer("Dropout", 0.5), "rate|dropout")}),
    Row("Dropout2d", lambda: nn.Dropout2d(0.3), layer("SpatialDropout2D", 0.3), IMAGE, {"rate": ("keras", layer("SpatialDropout2D", 0.5), "rate|dropout")}),
    Row("AlphaDropout", lambda: nn.AlphaDropout(0.3), layer("AlphaDropout", 0.3), IMAGE, {"rate": ("keras", layer("AlphaDropout", 0.5), "rate|dropout")}),
    Row("GaussianNoise", lambda: Torch(lambda self, x: x + 0.1 * torch.randn_like(x) if self.training else x), layer("GaussianNoise", 0.1), IMAGE, {}),
    Row("stochastic depth", lambda: Torch(lambda self, x: x + self.f(x), f=nn.Conv2d(4, 4, 1)), lambda: Keras(lambda self, x: x + self.drop(self.f(x)), f=layers.Conv2D(4, 1), drop=layers.Dropout(0.0, noise_shape=(None, 1, 1, 1))), IMAGE, {
        "left out": ("keras", lambda: Keras(lambda self, x: self.drop(self.f(x)), f=layers.Conv2D(4, 1), drop=layers.Dropout(0.0, noise_shape=(None, 1, 1, 1))), "shortcut"),
    }),
    Row("ActivityRegularization", lambda: nn.Identity(), layer("ActivityRegularization", l2=0.0), IMAGE, {}),
]  # fmt: skip
