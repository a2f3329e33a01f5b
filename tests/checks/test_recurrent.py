"""Recurrent layers, stacked, both ways, time first, fed states: equal pairs match, planted faults are named."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras import layers
from torch import nn

import parity
from parity.errors import ParityError
from parity.reports.terminal.check import text

UNITS, STEPS, WIDTH = 5, 4, 3
KINDS = {
    "lstm": (nn.LSTM, layers.LSTM, (0, 1, 2, 3)),
    "gru": (nn.GRU, layers.GRU, (1, 0, 2)),
    "rnn": (nn.RNN, layers.SimpleRNN, (0,)),
}


class Taking(nn.Module):
    """A recurrent module, and what is taken of what it gives: "sequence", "last" or "state"."""

    def __init__(self, module: nn.Module, what: str) -> None:
        super().__init__()
        self.rnn, self.what = module, what

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out, state = self.rnn(x)
        states = state[0] if isinstance(state, tuple) else state
        found: torch.Tensor = {"sequence": out, "last": out[:, -1], "state": states[-1]}[self.what]
        return found


class Summed(nn.Module):
    """Both directions, added."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(WIDTH, UNITS, bidirectional=True, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.rnn(x)[0]
        return out[..., :UNITS] + out[..., UNITS:]  # type: ignore[no-any-return]


class TimeFirst(nn.Module):
    """The batch first but around the module."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(WIDTH, UNITS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rnn(x.transpose(0, 1))[0].transpose(0, 1)  # type: ignore[no-any-return]


class Fed(nn.Module):
    """A decoder that begins with the states that an encoder ends with."""

    def __init__(self, make: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.encoder, self.decoder = make(), make()

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.decoder(y, self.encoder(x)[1])[0]  # type: ignore[no-any-return]


def net(*own: Any, shape: tuple[int | None, ...] = (STEPS, WIDTH)) -> keras.Model:
    return keras.Sequential([keras.Input(shape), *own])


def fed(layer: Any) -> keras.Model:
    x, y = keras.Input((STEPS, WIDTH)), keras.Input((2, WIDTH))
    _, *states = layer(UNITS, return_state=True)(x)
    return keras.Model([x, y], layer(UNITS, return_sequences=True)(y, initial_state=states))


def drawn(*shape: int) -> Any:
    return np.random.default_rng(3).standard_normal(shape).astype(np.float32)


def both(layer: Any, **own: Any) -> Any:
    return layers.Bidirectional(layer(UNITS, return_sequences=True), **own)


def chain(what: str = "sequence", width: int = WIDTH, number: int = 1, **settings: Any) -> nn.Module:
    """A module of each kind, one behind another."""
    step = UNITS * (2 if settings.get("bidirectional") else 1)
    widths = (width, step, step)
    made = [kind[0](size, UNITS, number, **settings) for kind, size in zip(KINDS.values(), widths, strict=True)]
    return nn.Sequential(*(Taking(module, "sequence") for module in made[:-1]), Taking(made[-1], what))


def each(**settings: Any) -> list[Any]:
    return [kind[1](UNITS, return_sequences=True, **settings) for kind in KINDS.values()]


EQUAL: dict[str, Callable[[], tuple[nn.Module, keras.Model]]] = {
    "the last output": lambda: (chain("last", batch_first=True), net(*each()[:2], layers.SimpleRNN(UNITS))),
    "the last state, without bias": lambda: (
        chain("state", batch_first=True, bias=False),
        net(*each(use_bias=False)[:2], layers.SimpleRNN(UNITS, use_bias=False)),
    ),
    "two layers, both ways": lambda: (
        chain(number=2, bidirectional=True, batch_first=True),
        net(*(both(kind[1]) for kind in KINDS.values() for _ in range(2))),
    ),
    "time first": lambda: (chain(), net(*each(), shape=(None, WIDTH))),
    "directions summed": lambda: (Summed(), net(both(layers.GRU, merge_mode="sum"))),
    "time first inside": lambda: (TimeFirst(), net(layers.LSTM(UNITS, return_sequences=True))),
    "a module alone": lambda: (
        nn.LSTM(WIDTH, UNITS, batch_first=True),
        net(layers.LSTM(UNITS, return_sequences=True)),
    ),
}


@pytest.mark.parametrize("case", EQUAL)
def test_equal_ones_match(case: str) -> None:
    shape = (STEPS, STEPS, WIDTH) if case == "time first" else (2, STEPS, WIDTH)  # as many samples as steps
    report = parity.check(*EQUAL[case](), drawn(*shape), weights="copy", gradients=True)
    assert report.ok, text(report)


def test_states_that_are_given_are_begun_with() -> None:
    x = drawn(2, STEPS, WIDTH), drawn(2, 2, WIDTH)
    torch_model = Fed(lambda: nn.LSTM(WIDTH, UNITS, batch_first=True))
    report = parity.check(torch_model, fed(layers.LSTM), x, weights="copy")
    assert report.ok, text(report)


class Cells(nn.Module):
    """A step of each cell, all from one state."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.gru, self.rnn = (cell(WIDTH, UNITS) for cell in (nn.LSTMCell, nn.GRUCell, nn.RNNCell))

    def forward(self, x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.lstm(x, (state, state))[0], self.gru(x, state), self.rnn(x, state)


def cells(**settings: Any) -> keras.Model:
    x, state = keras.Input((WIDTH,)), keras.Input((UNITS,))
    own = layers.LSTMCell(UNITS), layers.GRUCell(UNITS, **settings), layers.SimpleRNNCell(UNITS)
    return keras.Model([x, state], [cell(x, [state] * (1 + (cell is own[0])))[0] for cell in own])


def test_cells() -> None:
    x = drawn(2, WIDTH), drawn(2, UNITS)
    report = parity.check(Cells(), cells(), x, weights="copy", gradients=True)
    assert report.ok, text(report)
    report = parity.check(Cells(), cells(reset_after=False), x, weights="copy")
    assert not report.ok
    assert (report.first, report.causes[0].name) == ("gru", "reset_after"), text(report)


# What is wrong in Keras's layer -> its cause.
SETTINGS: dict[str, tuple[str, dict[str, Any], str]] = {
    "the reset gate before the product": ("gru", {"reset_after": False}, "reset_after"),
    "hard gates": ("lstm", {"recurrent_activation": "hard_sigmoid"}, "recurrent activation"),
    "another function": ("rnn", {"activation": "relu"}, "recurrent activation"),
    "backwards": ("gru", {"go_backwards": True}, "direction of the sequence"),
}


@pytest.mark.parametrize("fault", SETTINGS)
def test_a_setting_is_named(fault: str) -> None:
    kind, settings, cause = SETTINGS[fault]
    ours, theirs, _ = KINDS[kind]
    torch_model = Taking(ours(WIDTH, UNITS, batch_first=True), "last")
    report = parity.check(torch_model, net(theirs(UNITS, **settings)), drawn(2, STEPS, WIDTH), weights="copy")
    assert not report.ok
    assert (report.first, report.causes[0].name) == ("rnn", cause), text(report)


def blocks(weight: Any, order: tuple[int, ...]) -> Any:
    parts = np.split(weight, len(order))
    return np.concatenate([parts[i] for i in order])


def converted(module: Any, layer: Any, order: tuple[int, ...], change: Callable[[list[Any]], list[Any]]) -> None:
    """Give a Keras layer torch's weights as a port does by hand, `change`d."""
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    own = change([getattr(module, name).detach().numpy().copy() for name in names])
    kernel, recurrent, first, second = (blocks(weight, order) for weight in own)
    layer.cell.kernel.assign(kernel.T)
    layer.cell.recurrent_kernel.assign(recurrent.T)
    layer.cell.bias.assign(np.stack([first, second]) if len(layer.cell.bias.shape) == 2 else first + second)


def ahead(w: list[Any]) -> list[Any]:
    gate = np.arange(w[2].size) // UNITS == 1
    return [w[0], w[1], w[2] + gate.astype(np.float32), w[3]]


def turned(w: list[Any]) -> list[Any]:
    return [w[0], np.concatenate([part.T for part in np.split(w[1], len(w[1]) // UNITS)]), w[2], w[3]]


BY_HAND: dict[str, tuple[str, Callable[[list[Any]], list[Any]], str]] = {
    "gates i f o g": ("lstm", lambda w: [blocks(x, (0, 1, 3, 2)) for x in w], "gate order"),
    "gates as torch has them": ("gru", lambda w: [blocks(x, (1, 0, 2)) for x in w], "gate order"),
    "one bias of two": ("lstm", lambda w: [*w[:3], 0 * w[3]], "recurrent bias"),
    "the bias twice": ("rnn", lambda w: [*w[:2], 2 * w[2], 2 * w[3]], "recurrent bias"),
    "no bias": ("gru", lambda w: [*w[:2], 0 * w[2], 0 * w[3]], "recurrent bias"),
    "one more in the forget gate": ("lstm", ahead, "forget bias"),
    "the state's kernel not transposed": ("gru", turned, "recurrent kernel transposed"),
}


def test_a_port_by_hand_matches() -> None:
    """Keras has the sum of two biases as float32 rounds it."""
    torch_model, own = chain(batch_first=True), each()
    model = net(*own)
    for taking, layer, (_, _, order) in zip(torch_model, own, KINDS.values(), strict=True):
        converted(taking.rnn, layer, order, lambda w: w)
    report = parity.check(torch_model, model, drawn(2, STEPS, WIDTH))
    assert report.ok, text(report)


@pytest.mark.parametrize("fault", BY_HAND)
def test_what_is_wrong_by_hand_is_named(fault: str) -> None:
    kind, change, cause = BY_HAND[fault]
    ours, theirs, order = KINDS[kind]
    torch_model = Taking(ours(WIDTH, UNITS, batch_first=True), "sequence")
    layer = theirs(UNITS, return_sequences=True)
    model = net(layer)
    converted(torch_model.rnn, layer, order, change)
    report = parity.check(torch_model, model, drawn(2, STEPS, WIDTH))
    assert not report.ok
    assert report.causes[0].name == cause, text(report)


def test_directions_joined_the_other_way() -> None:
    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.GRU(WIDTH, UNITS, bidirectional=True, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out = self.rnn(x)[0]
            return torch.cat([out[..., UNITS:], out[..., :UNITS]], -1)

    report = parity.check(Joined(), net(both(layers.GRU)), drawn(2, STEPS, WIDTH), weights="copy")
    assert not report.ok
    assert report.causes[0].name == "order of what is concatenated", text(report)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_a_projection_is_refused() -> None:
    torch_model = Taking(nn.LSTM(WIDTH, UNITS, proj_size=2, batch_first=True), "sequence")
    with pytest.raises(ParityError, match="weight_hr"):
        parity.check(torch_model, net(layers.LSTM(UNITS, return_sequences=True)), drawn(2, STEPS, WIDTH))


def test_weights_go_there_and_back() -> None:
    x = drawn(2, STEPS, WIDTH)
    torch_model, back = (chain(bidirectional=True, batch_first=True) for _ in range(2))
    keras_model, again = (net(*(both(kind[1]) for kind in KINDS.values())) for _ in range(2))
    parity.copy_weights(torch_model, keras_model, x)
    parity.copy_weights(keras_model, back, x)
    parity.copy_weights(back, again, x)
    for one, other in zip(keras_model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    with torch.no_grad():
        made = [model(torch.from_numpy(x)) for model in (torch_model, back)]
    torch.testing.assert_close(*made)


def test_a_layer_on_every_step() -> None:
    """As one call on all of them, with and without a time axis in torch."""

    class Framed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(2, 3, 3), nn.Linear(3, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            frames = self.conv(x.flatten(0, 1).permute(0, 3, 1, 2)).amax((2, 3))
            return self.fc(frames.unflatten(0, x.shape[:2]))  # type: ignore[no-any-return]

    def frames(last: str | None) -> keras.Model:
        each = (layers.Conv2D(3, 3), layers.GlobalMaxPooling2D(), layers.Dense(4, activation=last))
        return net(*(layers.TimeDistributed(one) for one in each), shape=(STEPS, 5, 6, 2))

    x = drawn(2, STEPS, 5, 6, 2)
    report = parity.check(Framed(), frames(None), x, weights="copy", gradients=True)
    assert report.ok, text(report)
    report = parity.check(Framed(), frames("relu"), x, weights="copy")
    assert not report.ok
    assert report.causes[0].name == "missing or extra activation", text(report)
