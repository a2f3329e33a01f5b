"""What recurrent kinds compute, in plain NumPy float64: a sequence (N, T, in) and weights -> all states (N, T, H).

They lie in the order of time, whichever way they were made. Weights are torch's: (gates * H, in) and (gates * H, H),
with the gates i f g o of an LSTM (Hochreiter and Schmidhuber 1997; Gers et al. 2000) and r z n of a GRU (Cho et al.
2014).
static: also "inputs", the states to begin with, zero where there are none.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from parity.models.arrays import Array

from . import formulas
from .kind import Formula, Static, Weights

ONE: dict[str, Callable[[Array], Any]] = {  # by the names that both frameworks' functions have
    "tanh": np.tanh,
    "sigmoid": formulas.sigmoid,
    "relu": lambda x: np.maximum(x, 0),
    "linear": lambda x: x,
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "softplus": lambda x: np.logaddexp(0, x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "silu": lambda x: x * formulas.sigmoid(x),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "gelu": lambda x: formulas.gelu(x, {}, {}),
}
Step = Callable[[Array, list[Array], Weights, Static], list[Array]]


def _linear(x: Array, weights: Weights, which: str) -> Array:
    out = x @ weights[f"weight_{which}"].T
    bias = weights.get(f"bias_{which}")
    return np.asarray(out if bias is None else out + bias)


def _lstm(x: Array, states: list[Array], weights: Weights, static: Static) -> list[Array]:
    act, gate = ONE[static["activation"]], ONE[static["recurrent_activation"]]
    h, c = states
    i, f, g, o = np.split(_linear(x, weights, "ih") + _linear(h, weights, "hh"), 4, -1)
    c = gate(f) * c + gate(i) * act(g)
    return [gate(o) * act(c), c]


def _gru(x: Array, states: list[Array], weights: Weights, static: Static) -> list[Array]:
    act, gate = ONE[static["activation"]], ONE[static["recurrent_activation"]]
    h = states[0]
    into, size = np.split(_linear(x, weights, "ih"), 3, -1), h.shape[-1]
    back = np.split(_linear(h, weights, "hh"), 3, -1)
    r, z = gate(into[0] + back[0]), gate(into[1] + back[1])
    last = r * back[2]
    if not static.get("reset_after", True):
        last = (r * h) @ weights["weight_hh"][2 * size :].T + weights.get("bias_hh", np.zeros(3 * size))[2 * size :]
    n = act(into[2] + last)
    return [(1 - z) * n + z * h]


def _rnn(x: Array, states: list[Array], weights: Weights, static: Static) -> list[Array]:
    return [ONE[static["activation"]](_linear(x, weights, "ih") + _linear(states[0], weights, "hh"))]


def _over_time(step: Step, count: int) -> Formula:
    """count: of its states."""

    def formula(x: Array, weights: Weights, static: Static) -> Array:
        first = _first(x, weights, static, count)
        times = range(x.shape[1])
        made: dict[int, Array] = {}
        for t in reversed(times) if static.get("reverse") else times:
            first = step(x[:, t], first, weights, static)
            made[t] = first[0]
        return np.stack([made[t] for t in times], 1)

    return formula


def _first(x: Array, weights: Weights, static: Static, count: int) -> list[Array]:
    given: tuple[Any, ...] = static.get("inputs", ())
    if given and len(given) != count:
        raise ValueError(f"{count} states are needed, and there are {len(given)}")
    shape = len(x), weights["weight_hh"].shape[1]
    return [np.asarray(state).reshape(shape) for state in given] or [np.zeros(shape) for _ in range(count)]


lstm, gru, rnn = _over_time(_lstm, 2), _over_time(_gru, 1), _over_time(_rnn, 1)


def once(formula: Formula) -> Formula:
    """Of a cell, which takes one step: (N, in) -> (N, H)."""

    def cell(x: Array, weights: Weights, static: Static) -> Array:
        return np.asarray(formula(x[:, None], weights, static)[:, 0])

    return cell
