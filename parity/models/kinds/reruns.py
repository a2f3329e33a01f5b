"""What kinds of layers compute, by torch's own operations in float64: its inputs, weights and settings -> the output.

Each is called with `torch` itself: nothing is imported for it. Tensors are (N, C, ...) in torch's layout, settings
torch's terms (settings.py). ValueError, KeyError, IndexError or RuntimeError where data does not fit.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from .formulas import mode_of, same_pads
from .kind import Kind, Rerun, Static

T = Any  # a torch tensor
Tensors = dict[str, T]
MODES = {"constant", "reflect", "replicate", "circular"}


ARGUMENTS = {"slope": "negative_slope", "alpha": "alpha"}  # of torch's functions, by the setting


def of_one(kind: Kind) -> Rerun | None:
    """An activation that torch has as a function of one tensor, by the name that it gives it."""
    if not kind.activation or kind.weights:
        return None

    def run(torch: Any, inputs: tuple[T, ...], weights: Tensors, static: Static) -> T:
        function = next(
            getattr(home, name)
            for home in (torch.nn.functional, torch)
            for name in kind.functions
            if hasattr(home, name)
        )
        given = {ARGUMENTS[each.name]: static[each.name] for each in kind.settings if each.name in ARGUMENTS}
        if any(each.name == "approximate" for each in kind.settings):
            given["approximate"] = "tanh" if static.get("approximate") else "none"
        return function(inputs[0], **given)

    return run


def _spatial(x: T) -> int:
    return int(x.ndim) - 2


def _ranked(torch: Any, name: str, x: T) -> Callable[..., T]:
    """The function of as many spatial axes as x has."""
    found: Callable[..., T] = getattr(torch.nn.functional, f"{name}{_spatial(x)}d")
    return found


def padded(torch: Any, x: T, pads: Sequence[Any], value: float = 0.0, mode: str = "constant") -> T:
    """x with (before, after) pixels more on its spatial axes; a negative number cuts."""
    flat = [int(pixels) for pair in reversed(list(pads)) for pixels in pair]
    if mode not in MODES:
        raise ValueError(f"torch has no padding mode {mode}")
    if not any(flat):
        return x
    return (
        torch.nn.functional.pad(x, flat, value=value)
        if mode == "constant"
        else torch.nn.functional.pad(x, flat, mode=mode)
    )


def _pads(x: T, static: Static) -> list[tuple[int, int]]:
    if static["padding"] == "same":
        dilation = static.get("dilation", [1] * _spatial(x))
        return [*same_pads(x.shape[2:], static["kernel_size"], static["stride"], dilation)]
    return [(p[0], p[1]) if isinstance(p, tuple | list) else (p, p) for p in static["padding"]]


def _plus_bias(out: T, bias: T | None, axis: int = 1) -> T:
    return out if bias is None else out + bias.reshape([-1 if i == axis % out.ndim else 1 for i in range(out.ndim)])


def conv(torch: Any, inputs: tuple[T, ...], weights: Tensors, static: Static) -> T:
    """static: also "padding_mode", torch's; "bias_axis", along which the bias is added."""
    x, kernel = inputs[0], weights["weight"]
    x = padded(torch, x, _pads(x, static), mode=mode_of(static))
    groups = x.shape[1] // kernel.shape[1]
    out = _ranked(torch, "conv", x)(x, kernel, None, static["stride"], 0, static["dilation"], groups)
    return _plus_bias(out, weights.get("bias"), static.get("bias_axis", 1))


def conv_transpose(torch: Any, inputs: tuple[T, ...], weights: Tensors, static: Static) -> T:
    x, kernel = inputs[0], weights["weight"]
    if kernel.shape[0] != x.shape[1]:
        raise ValueError(f"a kernel for {kernel.shape[0]} channels and an input of {x.shape[1]}")
    groups = static.get("groups", 1)
    out = _ranked(torch, "conv_transpose", x)(x, kernel, None, static["stride"], 0, 0, groups, static["dilation"])
    out = padded(torch, out, [(-before, -after) for before, after in static["transposed_padding"]])
    return _plus_bias(out, weights.get("bias"), static.get("bias_axis", 1))


def dense(torch: Any, inputs: tuple[T, ...], weights: Tensors, static: Static) -> T:
    return torch.nn.functional.linear(inputs[0], weights["weight"], weights.get("bias"))


def embedding(torch: Any, inputs: tuple[T, ...], weights: Tensors, static: Static) -> T:
    return torch.nn.functional.embedding(inputs[0].long(), weights["weight"])


def batch_norm(torch: Any, inputs: tuple[T, ...], weights: Tensors, static: Static) -> T:
    """static: also "training", to normalise with the batch's own statistics."""
    mean, variance = weights.get("running_mean"), weights.get("running_var")
    own = mean is None or variance is None or bool(static.get("training"))
    given = (None, None) if own else (mean, variance)
    return torch.nn.functional.batch_norm(
        inputs[0], *given, weights.get("weight"), weights.get("bias"), own, 0.0, static["eps"]
    )


def _standard(torch: Any, x: T, axes: tuple[int, ...], static: Static) -> T:
    """static: also "unbiased", to divide by the variance of n - 1."""
    variance = x.var(axes, correction=int(bool(static.get("unbiased"))), keepdim=True)
    return (x - x.mean(axes, keepdim=True)) / torch.sqrt(variance + static["eps"])


def group_norm(torch: Any, inputs: tuple[T, ...], weights: Tensors, static: Static) -> T:
    x = inputs[0]
    out = _standard(torch, x.reshape(len(x), int(static["norm_groups"]), -1), (2,), static).reshape(x.shape)
    gamma = weights.get("weight")
    scaled = out if gamma is None else out * gamma.reshape(-1, *[1] * _spatial(x))
    return _plus_bias(scaled, weights.get("bias"))


def layer_norm(torch: Any, inputs: tuple[T, ...], weights: Tensors, static: Static) -> T:
    gamma = weights["weight"]
    out = _standard(torch, inputs[0], tuple(range(-gamma.ndim, 0)), static) * gamma
    return out + weights["bias"] if "bias" in weights else out


def rms_norm(torch: Any, inputs: tuple[T, ...], weights: Tensors, static: Static) -> T:
    x = inputs[0]
    gamma = weights.get("weight", x.new_ones(x.shape[-1]))
    square = x.square().mean(tuple(range(-gamma.ndim, 0)), keepdim=True)
    return x / torch.sqrt(square + static["eps"]) * gamma


def max_pool(torch: Any, inputs: tuple[T, ...], weights: Tensors, static: Static) -> T:
    x = inputs[0]
    x = padded(torch, x, _pads(x, static), static.get("pad_value", -math.inf))
    return _ranked(torch, "max_pool", x)(x, static["kernel_size"], static["stride"], ceil_mode=_ceils(static))


def avg_pool(torch: Any, inputs: tuple[T, ...], weights: Tensors, static: Static) -> T:
    """static: also "count_include_pad": whether the padding counts in the mean."""
    x = inputs[0]
    pads = _pads(x, static)
    counts = static.get("count_include_pad", True)

    def mean(y: T) -> T:
        return _ranked(torch, "avg_pool", y)(
            padded(torch, y, pads), static["kernel_size"], static["stride"], ceil_mode=_ceils(static)
        )

    return mean(x) if counts else mean(x) / mean(torch.ones_like(x))


def _ceils(static: Static) -> bool:
    return bool(static.get("ceil_mode"))


def to_one(reduce: str) -> Rerun:
    """Of all places of a channel one number."""
    return lambda torch, inputs, weights, static: getattr(torch, reduce)(inputs[0], tuple(range(2, inputs[0].ndim)))


def along(function: str) -> Rerun:
    """A function along the channels, or "axis"; over all numbers where there is one a sample, or one in all."""

    def run(torch: Any, inputs: tuple[T, ...], weights: Tensors, static: Static) -> T:
        x, computed = inputs[0], getattr(torch, function)
        return computed(x.reshape(-1), 0).reshape(x.shape) if x.ndim < 2 else computed(x, static.get("axis", 1))

    return run


def prelu(torch: Any, inputs: tuple[T, ...], weights: Tensors, static: Static) -> T:
    """static: also "axis", along which its slopes lie."""
    x, slope = inputs[0], weights["weight"]
    if slope.ndim == 1 and slope.numel() > 1:
        slope = slope.reshape([-1 if i == static.get("axis", 1) % x.ndim else 1 for i in range(x.ndim)])
    return torch.where(x > 0, x, slope * x)


def upsample(torch: Any, inputs: tuple[T, ...], weights: Tensors, static: Static) -> T:
    """static: also "size", of the output."""
    x, mode = inputs[0], static["interpolation"]
    name, corners = mode.partition(",")[0], "aligned" in mode
    linear = {1: "linear", 2: "bilinear", 3: "trilinear"}[_spatial(x)]
    name = linear if name == "linear" else name
    aligned = {} if "nearest" in name else {"align_corners": corners}
    scale = [*static["scale"], *static["scale"][-1:] * _spatial(x)][: _spatial(x)] if "size" not in static else None
    return torch.nn.functional.interpolate(x, static.get("size"), scale, name, **aligned)


# By the names that both frameworks' functions have, those whose torch name is another.
ONE = {"hard_sigmoid": "hardsigmoid", "hard_tanh": "hardtanh"}


def _one(torch: Any, name: str) -> Callable[[T], T]:
    if name == "linear":
        return lambda x: x
    found: Callable[[T], T] = getattr(torch.nn.functional, ONE.get(name, name))
    return found


def _sum(torch: Any, x: T, weights: Tensors, which: str) -> T:
    return torch.nn.functional.linear(x, weights[f"weight_{which}"], weights.get(f"bias_{which}"))


def _lstm(torch: Any, x: T, states: list[T], weights: Tensors, static: Static) -> list[T]:
    act, gate = _one(torch, static["activation"]), _one(torch, static["recurrent_activation"])
    i, f, g, o = (_sum(torch, x, weights, "ih") + _sum(torch, states[0], weights, "hh")).chunk(4, -1)
    cell = gate(f) * states[1] + gate(i) * act(g)
    return [gate(o) * act(cell), cell]


def _gru(torch: Any, x: T, states: list[T], weights: Tensors, static: Static) -> list[T]:
    act, gate, h = _one(torch, static["activation"]), _one(torch, static["recurrent_activation"]), states[0]
    into, back = _sum(torch, x, weights, "ih").chunk(3, -1), _sum(torch, h, weights, "hh").chunk(3, -1)
    r, z = gate(into[0] + back[0]), gate(into[1] + back[1])
    last = r * back[2]
    if not static.get("reset_after", True):
        bias = weights["bias_hh"].chunk(3)[2] if "bias_hh" in weights else None
        last = torch.nn.functional.linear(r * h, weights["weight_hh"].chunk(3)[2], bias)
    return [(1 - z) * act(into[2] + last) + z * h]


def _rnn(torch: Any, x: T, states: list[T], weights: Tensors, static: Static) -> list[T]:
    return [_one(torch, static["activation"])(_sum(torch, x, weights, "ih") + _sum(torch, states[0], weights, "hh"))]


def _over_time(step: Callable[..., list[T]], count: int, whole: bool) -> Rerun:
    """All states of a sequence (N, T, in) in the order of time, or a cell's next of (N, in). count: its states."""

    def run(torch: Any, inputs: tuple[T, ...], weights: Tensors, static: Static) -> T:
        x, first = inputs[0] if whole else inputs[0][:, None], list(inputs[1:])
        if first and len(first) != count:
            raise ValueError(f"{count} states are needed, and there are {len(first)}")
        shape = len(x), weights["weight_hh"].shape[1]
        states = [state.reshape(shape) for state in first] or [x.new_zeros(shape) for _ in range(count)]
        made: dict[int, T] = {}
        for t in range(x.shape[1])[:: -1 if static.get("reverse") else 1]:
            states = step(torch, x[:, t], states, weights, static)
            made[t] = states[0]
        out = torch.stack([made[t] for t in range(x.shape[1])], 1)
        return out if whole else out[:, 0]

    return run


lstm, gru, rnn = _over_time(_lstm, 2, True), _over_time(_gru, 1, True), _over_time(_rnn, 1, True)
lstm_cell, gru_cell, rnn_cell = _over_time(_lstm, 2, False), _over_time(_gru, 1, False), _over_time(_rnn, 1, False)
