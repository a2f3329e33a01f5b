"""Kinds that go over a sequence one step after another, and the cells that take one such step.

torch's modules have several layers and directions in one, each of which is one of these; Keras has a layer for each.
torch adds two biases where Keras has one: their sum is loaded into it. A GRU whose reset gate acts behind the product,
as torch's always does, has both in Keras, as two rows of one array.
"""

from collections.abc import Callable
from typing import Any

from parity.models.arrays import Axes, Layout

from . import folds, loops, reruns, settings as of
from .kind import Kind, Shape, Weight
from .layouts import as_torch, kernel

SEQUENCE, CELL = "sequence", "cell"
BIASES = ("bias_ih", "bias_hh")
# What is made of the steps: torch's and Keras's name of the layer, its gates, and which of torch's each of Keras's is.
FAMILIES = (
    ("lstm", "LSTM", "LSTM", (0, 1, 2, 3), loops.lstm),
    ("gru", "GRU", "GRU", (1, 0, 2), loops.gru),
    ("rnn", "RNN", "SimpleRNN", (0,), loops.rnn),
)


def _gates(order: tuple[int, ...]) -> Callable[[Shape], Axes]:
    """(gates * units, in) in torch, (in, gates * units) in Keras, whose gates come in another order."""

    def layout(shape: Shape) -> Axes:
        size, units = shape[0], shape[1] // len(order)
        return Layout((shape[1], size), (len(order), units, size), (2, 0, 1), shape, blocks=order)

    return layout


def _bias(order: tuple[int, ...], number: int) -> Callable[[Shape], Axes]:
    """The first of torch's two biases, or the second: a row each, or one for both."""

    def layout(shape: Shape) -> Axes:
        row = None if len(shape) == 1 else number
        own = (len(order), shape[-1] // len(order))
        return Layout(shape[-1:], own, (0, 1), shape[-1:], blocks=order, row=row)

    return layout


def _weights(order: tuple[int, ...], at: str, twice: bool) -> tuple[Weight, ...]:
    """at: of Keras's layer, where its weights are. twice: whether Keras may have both biases."""
    return (
        ("weight_ih", f"{at}kernel", _gates(order)),
        ("weight_hh", f"{at}recurrent_kernel", _gates(order)),
        ("bias_ih", f"{at}bias", _bias(order, 0)),
        ("bias_hh", f"{at}bias[1]" if twice else "", _bias(order, 1)),
        ("weight_hr", "", _gates((0,))),  # of a projection, which Keras has none of
    )


def _has_cell(name: str) -> Callable[[Any], bool]:
    """Whether a layer of Keras's goes over a sequence with a cell of that class, and not with one of the user's."""

    def test(layer: Any) -> bool:
        cell = getattr(layer, "cell", None)
        return cell is None or any(cls.__name__ == name for cls in type(cell).__mro__)

    return test


def _settings(name: str) -> tuple[Any, ...]:
    gate = (of.RECURRENT_ACTIVATION,) if name != "rnn" else ()
    return (of.LOOP_ACTIVATION, *gate, *((of.RESET_AFTER,) if name == "gru" else ()))


def runs_each_step(layer: Any) -> bool:
    """Whether a Keras layer runs the one inside it on every step of a sequence."""
    return any(cls.__name__ == "TimeDistributed" for cls in type(layer).__mro__)


RECURRENT = tuple(
    Kind(
        name if whole else f"{name}_cell",
        (torch if whole else f"{torch}Cell",),
        (keras, "RNN") if whole else (f"{keras}Cell",),
        _weights(order, "cell." if whole else "", name == "gru"),
        (*_settings(name), *((of.REVERSE,) if whole else ())),
        "equal",
        rerun=getattr(reruns, name if whole else f"{name}_cell"),
        formula=formula if whole else loops.once(formula),
        test=_has_cell(f"{keras}Cell") if whole else None,
        neutral=tuple((bias, 0.0) for bias in BIASES),
        fold=folds.second_bias,
        folded="the first bias",
        recurs=SEQUENCE if whole else CELL,
        family=name,
        gates=len(order),
        states=2 if name == "lstm" else 1,
        draws=("cell.dropout", "cell.recurrent_dropout") if whole else ("dropout", "recurrent_dropout"),
        noun=torch if whole else f"{torch} cell",
    )
    for name, torch, keras, order, formula in FAMILIES
    for whole in (True, False)
)

# Keras's alone: torch users write it of convolutions, which hold the same numbers in other pieces.
CONV_LSTM = Kind(
    "conv_lstm",
    keras=("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"),
    weights=(
        ("weight_ih", "cell.kernel", kernel),
        ("weight_hh", "cell.recurrent_kernel", kernel),
        ("bias_ih", "cell.bias", as_torch),
    ),
    layout="channels",
    neutral=(("bias_ih", 0.0),),
    gates=4,
    draws=("cell.dropout", "cell.recurrent_dropout"),
    noun="ConvLSTM",
)
