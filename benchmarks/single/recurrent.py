"""Recurrent layers and cells: the rows of `benchmarks.layers`."""

# ruff: noqa: E501 - one row a line

from typing import Any

import keras
import torch
from keras import layers, ops
from torch import nn
from torch.nn.utils import rnn

from .rows import Keras, Row, Torch, drawn, net, several

B, T, F, U = 3, 5, 4, 6
X = drawn(B, T, F)
SHAPE = (T, F)


def taken(what: Any, make: Any, **own: Any) -> Any:
    return lambda: Torch(lambda self, x: what(self.rnn(x)), rnn=make(F, U, batch_first=True, **own))


def seq(out: Any) -> Any:
    return out[0]


def last(out: Any) -> Any:
    return out[0][:, -1]


def both_states(out: Any) -> Any:
    return out[0], out[1][0][-1], out[1][1][-1]


def k(layer: Any, *own: Any, **settings: Any) -> Any:
    return lambda: net(SHAPE, layer(U, *own, **settings))


def bi(layer: Any, merge: str = "concat", **settings: Any) -> Any:
    return lambda: net(SHAPE, layers.Bidirectional(layer(U, **settings), merge_mode=merge))


def cell_loop(make: Any, backwards: bool = False) -> Any:
    """A cell stepped by hand from zeros."""

    def forward(self: Any, x: Any) -> Any:
        h = x.new_zeros(x.shape[0], U)
        c = h
        out = []
        steps = range(x.shape[1])
        for t in reversed(steps) if backwards else steps:
            if isinstance(self.cell, nn.LSTMCell):
                h, c = self.cell(x[:, t], (h, c))
            else:
                h = self.cell(x[:, t], h)
            out.append(h)
        return torch.stack(out, 1)

    return lambda: Torch(forward, cell=make(F, U))


def by_hand(wrong: str = "") -> Any:
    """An LSTM written with two Linears."""

    def forward(self: Any, x: Any) -> Any:
        h = x.new_zeros(x.shape[0], U)
        c = h
        for t in range(x.shape[1]):
            i, f, g, o = (self.ih(x[:, t]) + self.hh(h)).chunk(4, -1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * (c if wrong else c.tanh())
        return h

    return lambda: Torch(forward, ih=nn.Linear(F, 4 * U), hh=nn.Linear(U, 4 * U, bias=False))


def convolutional(wrong: str = "", every: bool = False) -> Any:
    """A ConvLSTM by hand: one convolution of input and state together, gates in the order i, f, o, g."""

    def forward(self: Any, x: Any) -> Any:
        b, steps, _, height, width = x.shape
        h = x.new_zeros(b, U, height, width)
        c = h
        out = []
        for t in range(steps):
            i, f, o, g = self.conv(torch.cat([x[:, t], h], 1)).chunk(4, 1)
            if wrong == "order":
                i, f = f, i
            c = f.sigmoid() * c + i.sigmoid() * (g.relu() if wrong == "relu" else g.tanh())
            h = o.sigmoid() * c.tanh()
            out.append(h)
        return torch.stack(out, 1) if every else h

    return lambda: Torch(forward, conv=nn.Conv2d(2 + U, 4 * U, 3, padding=1))


def two_convolutions(wrong: str = "") -> Any:
    """A ConvLSTM with a convolution of the input and one of the state, gates in Keras's order i, f, g, o."""

    def forward(self: Any, x: Any) -> Any:
        b, steps, _, height, width = x.shape
        h = x.new_zeros(b, U, height, width)
        c = h
        for t in range(steps):
            i, f, g, o = (self.wx(x[:, t]) + self.wh(h)).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * (c if wrong else c.tanh())
        return h

    parts = {"wx": (2, True), "wh": (U, False)}
    return lambda: Torch(forward, **{n: nn.Conv2d(w, 4 * U, 3, padding=1, bias=b) for n, (w, b) in parts.items()})


def conv_lstm(**settings: Any) -> Any:
    own = {"padding": "same"} | settings
    return lambda: net((T, 6, 5, 2), layers.ConvLSTM2D(U, 3, **own))


def packed() -> nn.Module:
    def forward(self: Any, x: Any) -> Any:
        lengths = torch.tensor([5, 3, 2])
        made, _ = self.rnn(rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
        return rnn.pad_packed_sequence(made, batch_first=True)[0]

    return Torch(forward, rnn=nn.GRU(F, U, batch_first=True))


def masked(lengths: tuple[int, ...] = (5, 3, 2)) -> Any:
    def call(self: Any, x: Any) -> Any:
        mask = ops.arange(T)[None, :] < ops.convert_to_tensor(lengths)[:, None]
        made = self.rnn(x, mask=mask)
        return made * ops.cast(mask, made.dtype)[..., None]

    return lambda: Keras(call, rnn=layers.GRU(U, return_sequences=True))


def stacked_cells(wrong: bool = False) -> Any:
    def make() -> Any:
        cells = [layers.LSTMCell(U), layers.LSTMCell(U, activation="relu" if wrong else "tanh")]
        return net(SHAPE, layers.RNN(layers.StackedRNNCells(cells), return_sequences=True))

    return make


def mixed_cells() -> nn.Module:
    def forward(self: Any, x: Any) -> Any:
        h = x.new_zeros(x.shape[0], U)
        g = h
        for t in range(x.shape[1]):
            h = self.first(x[:, t], h)
            g = self.second(h, g)
        return g

    return Torch(forward, first=nn.GRUCell(F, U), second=nn.RNNCell(U, U))


def mixed_in_keras(**settings: Any) -> Any:
    def make() -> Any:
        return net(SHAPE, layers.RNN([layers.GRUCell(U, **settings), layers.SimpleRNNCell(U)]))

    return make


def encoder_decoder() -> nn.Module:
    def forward(self: Any, x: Any, y: Any) -> Any:
        return self.decoder(y, self.encoder(x)[1])[0]

    return Torch(forward, encoder=nn.GRU(F, U, batch_first=True), decoder=nn.GRU(F, U, batch_first=True))


def keras_decoder(given: bool = True) -> Any:
    def make() -> Any:
        x, y = keras.Input(SHAPE), keras.Input((2, F))
        _, state = layers.GRU(U, return_state=True)(x)
        return keras.Model([x, y], layers.GRU(U, return_sequences=True)(y, initial_state=[state] if given else None))

    return make


def both_ends(out: Any) -> Any:
    """What Keras's Bidirectional gives without sequences: each direction's last state."""
    return torch.cat([out[1][0], out[1][1]], -1)


def dropped() -> nn.Module:
    return nn.LSTM(F, U, 2, batch_first=True, dropout=0.3)


def two_lstms(**second: Any) -> Any:
    return lambda: net(SHAPE, layers.LSTM(U, return_sequences=True), layers.LSTM(U, return_sequences=True, **second))


RELU = {"relu for tanh": ("keras", k(layers.LSTM, return_sequences=True, activation="relu"), "activation")}
ROWS = [
    Row("LSTM", taken(seq, nn.LSTM), k(layers.LSTM, return_sequences=True), X, RELU | {
        "backwards": ("keras", k(layers.LSTM, return_sequences=True, go_backwards=True), "direction"),
        "gates' function": ("keras", k(layers.LSTM, return_sequences=True, recurrent_activation="hard_sigmoid"), "recurrent activation"),
    }),
    Row("LSTM's last", taken(last, nn.LSTM), k(layers.LSTM), X, {
        "relu": ("keras", k(layers.LSTM, activation="relu"), "activation"),
        "first for last": ("torch", taken(lambda out: out[0][:, 0], nn.LSTM), ""),
    }),
    Row("LSTM without bias", taken(seq, nn.LSTM, bias=False), k(layers.LSTM, return_sequences=True, use_bias=False), X, {
        "backwards": ("keras", k(layers.LSTM, return_sequences=True, use_bias=False, go_backwards=True), "direction"),
    }),
    Row("LSTM's states", taken(both_states, nn.LSTM), k(layers.LSTM, return_sequences=True, return_state=True), X, {
        "relu": ("keras", k(layers.LSTM, return_sequences=True, return_state=True, activation="relu"), "activation"),
    }),
    Row("GRU", taken(seq, nn.GRU), k(layers.GRU, return_sequences=True), X, {
        "backwards": ("keras", k(layers.GRU, return_sequences=True, go_backwards=True), "direction"),
        "elu": ("keras", k(layers.GRU, return_sequences=True, activation="elu"), "activation"),
        "reset before": ("keras", k(layers.GRU, return_sequences=True, reset_after=False), "reset_after"),
    }),
    Row("GRU's last", taken(lambda out: out[1][-1], nn.GRU), k(layers.GRU), X, {
        "backwards": ("keras", k(layers.GRU, go_backwards=True), "direction"),
    }),
    Row("RNN", taken(seq, nn.RNN), k(layers.SimpleRNN, return_sequences=True), X, {
        "relu": ("torch", taken(seq, nn.RNN, nonlinearity="relu"), "activation"),
        "backwards": ("keras", k(layers.SimpleRNN, return_sequences=True, go_backwards=True), "direction"),
    }),
    Row("RNN of relu", taken(seq, nn.RNN, nonlinearity="relu"), k(layers.SimpleRNN, return_sequences=True, activation="relu"), X, {
        "tanh": ("keras", k(layers.SimpleRNN, return_sequences=True), "activation"),
    }),
    Row("backwards", cell_loop(nn.GRUCell, True), k(layers.GRU, return_sequences=True, go_backwards=True), X, {
        "forwards": ("keras", k(layers.GRU, return_sequences=True), "direction"),
    }),
    Row("Bidirectional LSTM", taken(seq, nn.LSTM, bidirectional=True), bi(layers.LSTM, return_sequences=True), X, {
        "relu": ("keras", bi(layers.LSTM, return_sequences=True, activation="relu"), "activation"),
    }),
    Row("Bidirectional GRU's last", taken(lambda out: torch.cat([out[1][0], out[1][1]], -1), nn.GRU, bidirectional=True), bi(layers.GRU), X, {
        "last of the sequence": ("torch", taken(last, nn.GRU, bidirectional=True), ""),
    }),
    Row("Bidirectional, summed", taken(lambda out: out[0][..., :U] + out[0][..., U:], nn.GRU, bidirectional=True), bi(layers.GRU, "sum", return_sequences=True), X, {
        "averaged": ("keras", bi(layers.GRU, "ave", return_sequences=True), ""),
    }),
    Row("stacked LSTM", lambda: nn.LSTM(F, U, 2, batch_first=True), two_lstms(), X, {
        "relu in the second": ("keras", two_lstms(activation="relu"), "activation"),
    }),
    Row("stacked LSTM with dropout between", dropped, lambda: net(SHAPE, layers.LSTM(U, return_sequences=True), layers.Dropout(0.3), layers.LSTM(U, return_sequences=True)), X, {
        "rate": ("keras", lambda: net(SHAPE, layers.LSTM(U, return_sequences=True), layers.Dropout(0.5), layers.LSTM(U, return_sequences=True)), "dropout|rate"),
    }),
    Row("stacked both ways", lambda: nn.GRU(F, U, 2, batch_first=True, bidirectional=True), lambda: net(SHAPE, *(layers.Bidirectional(layers.GRU(U, return_sequences=True)) for _ in range(2))), X, {
        "elu": ("keras", lambda: net(SHAPE, *(layers.Bidirectional(layers.GRU(U, return_sequences=True, activation=a)) for a in ("tanh", "elu"))), "activation"),
    }),
    Row("LSTMCell", cell_loop(nn.LSTMCell), lambda: net(SHAPE, layers.RNN(layers.LSTMCell(U), return_sequences=True)), X, {
        "relu": ("keras", lambda: net(SHAPE, layers.RNN(layers.LSTMCell(U, activation="relu"), return_sequences=True)), "activation"),
    }),
    Row("GRUCell against GRU", cell_loop(nn.GRUCell), k(layers.GRU, return_sequences=True), X, {
        "backwards": ("torch", cell_loop(nn.GRUCell, True), "direction"),
    }),
    Row("RNNCell", cell_loop(nn.RNNCell), lambda: net(SHAPE, layers.RNN(layers.SimpleRNNCell(U), return_sequences=True)), X, {
        "relu": ("keras", lambda: net(SHAPE, layers.RNN(layers.SimpleRNNCell(U, activation="relu"), return_sequences=True)), "activation"),
    }),
    Row("StackedRNNCells", lambda: nn.LSTM(F, U, 2, batch_first=True), stacked_cells(), X, {"relu": ("keras", stacked_cells(True), "activation")}),
    Row("StackedRNNCells of two kinds", mixed_cells, mixed_in_keras(), X, {"elu": ("keras", mixed_in_keras(activation="elu"), "activation")}),
    Row("LSTM by hand", by_hand(), k(layers.LSTM), X, {"no tanh": ("torch", by_hand("tanh"), ""), "relu": ("keras", k(layers.LSTM, activation="relu"), "")}),
    Row("projection", lambda: nn.LSTM(F, U, batch_first=True, proj_size=3), k(layers.LSTM, return_sequences=True), X, {}, refusal="weight_hr"),
    Row("packed sequences", packed, masked(), X, {"another length": ("keras", masked((5, 4, 2)), "")}),
    Row("encoder and decoder", encoder_decoder, keras_decoder(), several(X, drawn(B, 2, F)), {"begun with zeros": ("keras", keras_decoder(False), "")}),
    Row("Bidirectional, ends", taken(both_ends, nn.GRU, bidirectional=True), bi(layers.GRU), X, {"averaged": ("keras", bi(layers.GRU, activation="relu"), "activation")}),
    Row("ConvLSTM by hand", convolutional(), conv_lstm(), drawn(B, T, 2, 6, 5), {
        "relu": ("torch", convolutional("relu"), ""),
        "hard sigmoid": ("keras", conv_lstm(recurrent_activation="hard_sigmoid"), ""),
    }),
    Row("ConvLSTM's sequence", convolutional(every=True), conv_lstm(return_sequences=True), drawn(B, T, 2, 6, 5), {
        "backwards": ("keras", conv_lstm(return_sequences=True, go_backwards=True), ""),
    }),
    Row("ConvLSTM of two convolutions", two_convolutions(), conv_lstm(), drawn(B, T, 2, 6, 5), {
        "no tanh": ("torch", two_convolutions("tanh"), ""),
        "dilation": ("keras", conv_lstm(dilation_rate=2), ""),
    }),
    Row("TimeDistributed", lambda: nn.Linear(F, U), lambda: net(SHAPE, layers.TimeDistributed(layers.Dense(U))), X, {
        "relu": ("keras", lambda: net(SHAPE, layers.TimeDistributed(layers.Dense(U, activation="relu"))), "activation"),
    }),
    Row("TimeDistributed convolution", lambda: Torch(lambda self, x: self.conv(x.flatten(0, 1)).unflatten(0, x.shape[:2]), conv=nn.Conv2d(2, 3, 3, padding=1)),
        lambda: net((T, 6, 5, 2), layers.TimeDistributed(layers.Conv2D(3, 3, padding="same"))), drawn(B, T, 2, 6, 5), {
        "stride": ("keras", lambda: net((T, 6, 5, 2), layers.TimeDistributed(layers.Conv2D(3, 3, padding="same", dilation_rate=2))), "dilation"),
    }),
]  # fmt: skip
