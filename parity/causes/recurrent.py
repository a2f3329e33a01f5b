"""What people get wrong in a recurrent layer, a row a cause: gates, biases, functions -> the changes to try."""

from itertools import permutations, product

import numpy as np

from parity.models.arrays import Array
from parity.models.kinds.kind import Weights
from parity.models.kinds.loops import ONE

from .evidence import Changes, Config, Evidence, Row

NEAR = 1e-6  # of sums that float32 has rounded
PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def _held(evidence: Evidence, config: Config) -> list[Weights]:
    """The layer's weights, and, where the other side has one bias for both, their sum as that side's float32 has it."""
    weights = {name: config.weights[name] for name in PARTS if name in config.weights}
    lone = any(PARTS[3] not in other.weights for other in evidence.configs)
    if not lone or not weights.keys() >= set(PARTS):
        return [weights]
    one = (weights[PARTS[2]] + weights[PARTS[3]]).astype(np.float32).astype(np.float64)
    return [weights, weights | {PARTS[2]: one, PARTS[3]: np.zeros_like(one)}]


def _blocks(config: Config) -> int:
    return config.kind.gates


def _reordered(evidence: Evidence, config: Config) -> Changes:
    count = _blocks(config)
    for order, weights in product(list(permutations(range(count)))[1:], _held(evidence, config)):
        changed = {name: _taken(weight, order) for name, weight in weights.items()}
        yield changed, f"takes the gates in the order {', '.join(map(str, order))}"


def _taken(weight: Array, order: tuple[int, ...]) -> Array:
    blocks = weight.reshape(len(order), -1, *weight.shape[1:])
    return np.asarray(blocks[list(order)].reshape(weight.shape))


def _bias_counted(evidence: Evidence, config: Config) -> Changes:
    for weights in _held(evidence, config):
        yield from _counted({name: bias for name, bias in weights.items() if name in PARTS[2:]})


def _counted(biases: Weights) -> Changes:
    gone: dict[str, Array | None] = dict.fromkeys(biases)
    if biases:
        yield gone, "leaves the bias out"
        yield {name: 2 * bias for name, bias in biases.items()}, "adds the bias twice"
    for name in biases if len(biases) > 1 else ():
        yield gone | {name: biases[name]}, f"adds {name} alone of the two biases"
        yield biases | {name: 2 * biases[name]}, f"adds {name} twice"


def _forget_bias(evidence: Evidence, config: Config) -> Changes:
    """Jozefowicz et al. 2015 begin with a bias of one there, as Keras's `unit_forget_bias` does."""
    for weights in _held(evidence, config):
        bias = weights[PARTS[2]]
        gate = np.arange(bias.size) // (bias.size // 4) == 1
        for text, changed in (("more", bias + gate), ("less", bias - gate)):
            held = (other.weights.get(PARTS[2]) for other in evidence.configs if other is not config)
            for new in (changed, *(b for b in held if b is not None and np.abs(b - changed).max() < NEAR)):
                yield weights | {PARTS[2]: new}, f"has one {text} in the forget gate's bias"
    yield {PARTS[2]: np.where(gate, 1.0, 0.0), PARTS[3]: None}, "has no bias but one in the forget gate"


def _transposed(evidence: Evidence, config: Config) -> Changes:
    for name, weights in product(("weight_hh", "weight_ih"), _held(evidence, config)):
        weight = weights[name]
        blocks = weight.reshape(_blocks(config), -1, weight.shape[1])
        if blocks.shape[1] == blocks.shape[2]:
            turned = blocks.swapaxes(1, 2).reshape(weight.shape)
            yield weights | {name: turned}, f"transposes every gate's block of {name}"


def _exchanged(evidence: Evidence, config: Config) -> Changes:
    for weights in _held(evidence, config):
        one, other = (weights[name] for name in PARTS[:2])
        if one.shape == other.shape:
            yield (
                weights | {PARTS[0]: other, PARTS[1]: one},
                "takes the kernel of its state for that of its input, and back",
            )


def _other_function(evidence: Evidence, config: Config) -> Changes:
    for setting in ("recurrent_activation", "activation"):
        for name in ONE if setting in config.static else ():
            if name != config.static[setting]:
                yield {setting: name}, f"computes {name} as its {setting}"


def _other_way(evidence: Evidence, config: Config) -> Changes:
    backwards = not config.static["reverse"]
    yield {"reverse": backwards}, f"goes over the sequence {'backwards' if backwards else 'forwards'}"


def _reset_otherwise(evidence: Evidence, config: Config) -> Changes:
    after = not config.static["reset_after"]
    yield {"reset_after": after}, f"applies the reset gate {'behind' if after else 'before'} the product with the state"


def _states(evidence: Evidence, config: Config) -> Changes:
    yield {"inputs": ()}, "begins with states of zero"


def _looped(config: Config) -> bool:
    return "weight_hh" in config.weights


def _gated(config: Config) -> bool:
    return _looped(config) and _blocks(config) > 1


def _forgets(config: Config) -> bool:
    return _blocks(config) == 4 and "bias_ih" in config.weights


RECURRENT = (
    Row("reset_after", lambda config: "reset_after" in config.static, _reset_otherwise),
    Row("gate order", _gated, _reordered),
    Row("recurrent bias", _looped, _bias_counted),
    Row("forget bias", _forgets, _forget_bias),
    Row("recurrent activation", _looped, _other_function),
    Row("recurrent kernel transposed", _looped, _transposed),
    Row("input and recurrent kernel exchanged", _looped, _exchanged),
    Row("direction of the sequence", lambda config: "reverse" in config.static, _other_way),
    Row("initial state", _looped, _states),
)
