"""What the table of kinds says that a kind computes, and what is run of it again, is what torch computes."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from parity.causes.evidence import Config, Rerun
from parity.causes.rerun import run
from parity.frameworks.torch.recurrent import directions
from parity.frameworks.torch.reruns import rerun
from parity.models.kinds import KINDS, Kind, by_formula, kind_of
from parity.models.layers import Found

LAYERS = [
    nn.Conv2d(4, 6, 3, stride=2, padding=(1, 0), dilation=(1, 2), groups=2),
    nn.Conv1d(4, 4, 3, groups=4, bias=False),
    nn.Conv3d(4, 2, (1, 2, 3), padding=1),
    nn.ConvTranspose2d(4, 6, 3, stride=(2, 1), padding=1, output_padding=(1, 0), dilation=(1, 2)),
    nn.ConvTranspose1d(4, 2, 2, stride=3, bias=False),
    nn.Linear(7, 3),
    nn.BatchNorm2d(4, eps=1e-3),
    nn.BatchNorm2d(4, affine=False),
    nn.GroupNorm(2, 4, eps=1e-3),
    nn.LayerNorm(7),
    nn.RMSNorm(7, eps=1e-3),
    nn.MaxPool2d(3, stride=2, padding=1),
    nn.AvgPool2d(3, stride=1, padding=1),
    nn.ReLU(),
    nn.ReLU6(),
    nn.LeakyReLU(0.3),
    nn.ELU(0.7),
    nn.GELU(),
    nn.GELU(approximate="tanh"),
    nn.SiLU(),
    nn.Sigmoid(),
    nn.Tanh(),
    nn.Softmax(1),
    nn.LogSoftmax(1),
]


MORE = [  # kinds without a formula, which torch alone runs again
    nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
    nn.PReLU(4),
    nn.PReLU(),
    nn.SELU(),
    nn.CELU(0.7),
    nn.Mish(),
    nn.Hardswish(),
    nn.Hardsigmoid(),
    nn.Softplus(),
    nn.LogSigmoid(),
    nn.AdaptiveAvgPool2d(1),
    nn.AdaptiveMaxPool2d(1),
    nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
    nn.ConvTranspose2d(4, 6, 3, groups=2),
    nn.InstanceNorm2d(4, affine=True),
]
both_ways = pytest.mark.parametrize("by", [by_formula, rerun])


def config_of(layer: Any, kind: Kind | None = None, by: Rerun = by_formula) -> Config:
    """A torch layer as a hypothesis is tried on it."""
    kind = kind_of(layer, "torch") if kind is None else kind
    tensors = {name: getattr(layer, name, None) for name, _, _ in kind.weights}
    weights = {name: tensor.detach().numpy() for name, tensor in tensors.items() if tensor is not None}
    return Config(kind, weights, {setting.name: setting.torch(layer) for setting in kind.settings}, by)


@pytest.mark.parametrize(
    ("layer", "by"),
    [*product(LAYERS, (by_formula, rerun)), *((layer, rerun) for layer in MORE)],
    ids=lambda value: value.__name__ if value in (by_formula, rerun) else repr(value),
)
def test_one_call(layer: Any, by: Rerun) -> None:
    rank = layer.weight.ndim - 2 if type(layer).__name__.startswith("Conv") else 2
    shape = (2, 4, *(6, 7, 8)[:rank])
    x = 3 * torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    layer = layer.double().eval()
    if getattr(layer, "running_mean", None) is not None:
        layer.running_mean.normal_()
        layer.running_var.uniform_(0.5, 2)
    made = run(config_of(layer, by=by), (x.numpy(),))
    assert made is not None
    wanted = layer(x).detach().numpy()
    np.testing.assert_allclose(made.reshape(wanted.shape), wanted, rtol=1e-12, atol=1e-12)


LOOPS = [nn.LSTM(4, 3, batch_first=True), nn.GRU(4, 3, batch_first=True), nn.RNN(4, 3, batch_first=True, bias=False)]
CELLS = [nn.LSTMCell(4, 3), nn.GRUCell(4, 3), nn.RNNCell(4, 3, nonlinearity="relu")]


@both_ways
@pytest.mark.parametrize("module", LOOPS, ids=repr)
def test_over_time(module: Any, by: Rerun) -> None:
    """Forwards and backwards; all outputs in the order of time."""
    x = torch.randn((2, 5, 4), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    both = type(module)(4, 3, batch_first=True, bias=module.bias, bidirectional=True).double()
    made = [
        run(config_of(entry.layer, entry.kind, by), (x.numpy(),))
        for entry in directions(Found("", kind_of(both, "torch"), both))
    ]
    np.testing.assert_allclose(np.concatenate(made, -1), both(x)[0].detach().numpy(), rtol=1e-12, atol=1e-12)


@both_ways
@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_one_step(cell: Any, by: Rerun) -> None:
    draw = torch.Generator().manual_seed(0)
    x, *states = (torch.randn(shape, dtype=torch.float64, generator=draw) for shape in ((2, 4), (2, 3), (2, 3)))
    states = states[: kind_of(cell, "torch").states]
    out = cell.double()(x, tuple(states) if len(states) > 1 else states[0])
    made = run(config_of(cell, by=by), (x.numpy(), *(state.numpy() for state in states)))
    wanted = out[0] if isinstance(out, tuple) else out
    np.testing.assert_allclose(made, wanted.detach().numpy(), rtol=1e-12, atol=1e-12)


def test_rows_of_a_table() -> None:
    layer = nn.Embedding(5, 3).double()
    found = run(config_of(layer, by=rerun), (np.array([[0, 4], [2, 2]]),))
    np.testing.assert_array_equal(found, layer(torch.tensor([[0, 4], [2, 2]])).detach().numpy())


def test_every_formula_has_a_case() -> None:
    tried = {kind_of(layer, "torch").name for layer in (*LAYERS, *LOOPS, *CELLS)}
    assert {kind.name for kind in KINDS if kind.formula} == tried
    more = {kind_of(layer, "torch").name for layer in MORE} | {"embedding"}
    assert {kind.name for kind in KINDS if kind.rerun} <= tried | more
