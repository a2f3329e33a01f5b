"""A loop over a torch cell against a Keras layer over the sequence, and Keras's loops over cells against torch."""

from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn

import parity
from parity.checks.report import Report
from parity.reports.terminal.check import text

X = np.random.default_rng(0).standard_normal((3, 6, 3))
layers = keras.layers
TORCH = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}
STACKED = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
KERAS = {"lstm": layers.LSTM, "gru": layers.GRU, "rnn": layers.SimpleRNN}
CELLS = {"lstm": layers.LSTMCell, "gru": layers.GRUCell, "rnn": layers.SimpleRNNCell}


class Loop(nn.Module):
    """One cell, called at every step. fault: "backwards", or "forgetful", which starts anew at each."""

    def __init__(self, kind: str, every: bool = False, fault: str = "") -> None:
        super().__init__()
        self.every, self.fault, self.states = every, fault, 2 if kind == "lstm" else 1
        self.cell, self.fc = TORCH[kind](3, 5), nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> Any:
        start = [x.new_zeros(len(x), 5)] * self.states
        state, made = start, []
        times = range(x.shape[1])
        for t in reversed(times) if self.fault == "backwards" else times:
            found = self.cell(x[:, t], tuple(state) if self.states == 2 else state[0])
            state = start if self.fault == "forgetful" else list(found) if self.states == 2 else [found]
            made.append(found[0] if self.states == 2 else found)
        return self.fc(torch.stack(made, 1) if self.every else made[-1])


class Stacked(nn.Module):
    def __init__(self, kind: str, count: int, **options: Any) -> None:
        super().__init__()
        self.rnn = STACKED[kind](3, 5, count, batch_first=True, **options)
        self.fc = nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> Any:
        return self.fc(self.rnn(x)[0][:, -1])


def port(layer: Any) -> keras.Model:
    return keras.Sequential([keras.Input((6, 3)), layer, layers.Dense(2)])


def checked(model: nn.Module, other: keras.Model, **given: Any) -> Report:
    return parity.check(model, other, X, weights="copy", **given)


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("kind", TORCH)
def test_a_loop_over_a_cell_is_a_layer_over_the_sequence(kind: str, every: bool) -> None:
    report = checked(Loop(kind, every), port(KERAS[kind](5, return_sequences=every)))
    assert report.ok, text(report)


@pytest.mark.parametrize("fault", ["backwards", "forgetful"])
def test_another_loop_is_caught(fault: str) -> None:
    report = checked(Loop("gru", fault=fault), port(KERAS["gru"](5)))
    assert not report.ok
    assert report.first is not None


def test_a_setting_of_the_loop_is_told() -> None:
    report = checked(Loop("gru"), port(layers.GRU(5, reset_after=False)))
    assert not report.ok
    assert ("cell", "reset_after", True, False) in [
        (entry.path, entry.field, entry.reference, entry.candidate) for entry in report.static
    ]


@pytest.mark.parametrize("kind", TORCH)
def test_keras_loops_over_cells(kind: str) -> None:
    one, two = CELLS[kind](5), [CELLS[kind](5), CELLS[kind](5)]
    assert checked(Loop(kind), port(layers.RNN(one))).ok
    report = checked(Stacked(kind, 2), port(layers.RNN(two)))
    assert report.ok, text(report)


def test_a_cell_of_another_activation_is_caught() -> None:
    report = checked(Stacked("rnn", 2), port(layers.RNN([layers.SimpleRNNCell(5), layers.SimpleRNNCell(5, "relu")])))
    assert not report.ok


def test_a_loop_trains_alike() -> None:
    report = checked(Loop("rnn"), port(KERAS["rnn"](5)), gradients=True)
    assert report.ok, text(report)
