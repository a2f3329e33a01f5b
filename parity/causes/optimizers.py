"""torch's update rules once more, in NumPy: a third opinion, by which one side of two that differ is told to be wrong.

Sources: torch.optim's documentation; Kingma and Ba 2015 (Adam), Loshchilov and Hutter 2019 (AdamW), Tieleman and Hinton
2012 (RMSprop), Duchi et al. 2011 (Adagrad), Zeiler 2012 (Adadelta), Sutskever et al. 2013 (Nesterov), Dozat 2016
(NAdam), Reddi et al. 2018 (AMSGrad), Chen et al. 2023 (Lion), Jordan et al. 2024 (Muon).
"""

from dataclasses import dataclass

import numpy as np

from parity.models.arrays import Array
from parity.models.optimizers import NADAM_DECAY, NS_COEFFICIENTS, NS_EPSILON, NS_STEPS, is_matrix, muon_ratio
from parity.models.recipe import Recipe

State = dict[str, Array]


@dataclass(frozen=True)
class Before:
    """One parameter before a step, its gradient, and what the step is given."""

    weight: Array
    gradient: Array
    state: State
    rate: float
    step: int
    decays: bool
    # "keras": as in Keras's own classes, Adam's before the bias correction (whose betas go through float32, also in
    # float64), the others' under the root
    epsilon_form: str = "torch"
    waits: bool = False  # gradients are summed up, and nothing moves


def update(recipe: Recipe, before: Before) -> tuple[Array, State]:
    """(weight, state) after the step."""
    weight, gradient, rate = before.weight, before.gradient, before.rate
    if before.waits:
        return weight, before.state
    if before.decays and recipe.decay == "coupled":
        gradient = gradient + recipe.weight_decay * weight
    elif before.decays:
        weight = weight * (1 - rate * recipe.weight_decay)
    rule = RULES.get(recipe.optimizer, _adam)
    with np.errstate(divide="ignore", invalid="ignore"):
        step, state = rule(recipe, gradient, before)
    return weight - rate * step, state


def _sgd(recipe: Recipe, g: Array, before: Before) -> tuple[Array, State]:
    if not recipe.momentum:
        return g, {}
    m = recipe.momentum * before.state["momentum_buffer"] + g
    return (g + recipe.momentum * m if recipe.nesterov else m), {"momentum_buffer": m}


def _adam(recipe: Recipe, g: Array, before: Before) -> tuple[Array, State]:
    m = recipe.beta1 * before.state["exp_avg"] + (1 - recipe.beta1) * g
    v = recipe.beta2 * before.state["exp_avg_sq"] + (1 - recipe.beta2) * g * g
    ours = before.epsilon_form == "torch"
    beta1, beta2 = (
        (recipe.beta1, recipe.beta2) if ours else (float(np.float32(b)) for b in (recipe.beta1, recipe.beta2))
    )
    c1, c2 = 1 - beta1**before.step, 1 - beta2**before.step
    epsilon = recipe.epsilon if ours else recipe.epsilon / c2**0.5
    state = {"exp_avg": m, "exp_avg_sq": v}
    if recipe.amsgrad:
        state["max_exp_avg_sq"] = v = np.maximum(before.state["max_exp_avg_sq"], v)
    return m / c1 / (np.sqrt(v / c2) + epsilon), state


def _adamax(recipe: Recipe, g: Array, before: Before) -> tuple[Array, State]:
    m = recipe.beta1 * before.state["exp_avg"] + (1 - recipe.beta1) * g
    ours = before.epsilon_form == "torch"
    u = np.maximum(recipe.beta2 * before.state["exp_inf"], np.abs(g) + (recipe.epsilon if ours else 0.0))
    size = u if ours else u + recipe.epsilon
    return m / (1 - recipe.beta1**before.step) / size, {"exp_avg": m, "exp_inf": u}


def _nadam(recipe: Recipe, g: Array, before: Before) -> tuple[Array, State]:
    m = recipe.beta1 * before.state["exp_avg"] + (1 - recipe.beta1) * g
    v = recipe.beta2 * before.state["exp_avg_sq"] + (1 - recipe.beta2) * g * g
    mus = [recipe.beta1 * (1 - 0.5 * 0.96 ** (step * NADAM_DECAY)) for step in range(1, before.step + 2)]
    product = float(np.prod(mus[:-1]))
    mean = mus[-1] * m / (1 - product * mus[-1]) + (1 - mus[-2]) * g / (1 - product)
    return mean / (np.sqrt(v / (1 - recipe.beta2**before.step)) + recipe.epsilon), {"exp_avg": m, "exp_avg_sq": v}


def _lion(recipe: Recipe, g: Array, before: Before) -> tuple[Array, State]:
    m = before.state["exp_avg"]
    step = np.sign(recipe.beta1 * m + (1 - recipe.beta1) * g)
    return step, {"exp_avg": recipe.beta2 * m + (1 - recipe.beta2) * g}


def _muon(recipe: Recipe, g: Array, before: Before) -> tuple[Array, State]:
    if not is_matrix(g.shape):
        return _adam(recipe, g, before)
    m = recipe.momentum * before.state["exp_avg"] + (1 - recipe.momentum) * g
    x = (1 - recipe.momentum) * g + recipe.momentum * m
    x = x.T if g.shape[0] > g.shape[1] else x
    x = x / max(float(np.linalg.norm(x)), NS_EPSILON)
    a, b, c = NS_COEFFICIENTS
    for _ in range(NS_STEPS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    x = x.T if g.shape[0] > g.shape[1] else x
    return muon_ratio(g.shape) * x, {"exp_avg": m, "exp_avg_sq": before.state["exp_avg_sq"]}


def _rmsprop(recipe: Recipe, g: Array, before: Before) -> tuple[Array, State]:
    v = recipe.rho * before.state["square_avg"] + (1 - recipe.rho) * g * g
    state, spread = {"square_avg": v}, v
    if recipe.centered:
        state["grad_avg"] = mean = recipe.rho * before.state["grad_avg"] + (1 - recipe.rho) * g
        spread = v - mean * mean
    step = g / _root(spread, recipe, before)
    if not recipe.momentum:
        return step, state
    m = recipe.momentum * before.state["momentum_buffer"] + step
    return m, state | {"momentum_buffer": m}


def _adagrad(recipe: Recipe, g: Array, before: Before) -> tuple[Array, State]:
    s = before.state["sum"] + g * g
    return g / _root(s, recipe, before), {"sum": s}


def _adadelta(recipe: Recipe, g: Array, before: Before) -> tuple[Array, State]:
    v = recipe.rho * before.state["square_avg"] + (1 - recipe.rho) * g * g
    delta = np.sqrt(before.state["acc_delta"] + recipe.epsilon) / np.sqrt(v + recipe.epsilon) * g
    a = recipe.rho * before.state["acc_delta"] + (1 - recipe.rho) * delta * delta
    return delta, {"square_avg": v, "acc_delta": a}


def _root(v: Array, recipe: Recipe, before: Before) -> Array:
    if before.epsilon_form == "torch":
        return np.asarray(np.sqrt(v) + recipe.epsilon)
    return np.asarray(np.sqrt(v + recipe.epsilon))


RULES = {
    "sgd": _sgd,
    "rmsprop": _rmsprop,
    "adagrad": _adagrad,
    "adadelta": _adadelta,
    "adamax": _adamax,
    "nadam": _nadam,
    "lion": _lion,
    "muon": _muon,
}
