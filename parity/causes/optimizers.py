"""torch's update rules once more, in NumPy: a third opinion, by which one side of two that differ is told to be wrong.

Sources: torch.optim's documentation; Kingma and Ba 2015 (Adam), Loshchilov and Hutter 2019 (AdamW), Tieleman and Hinton
2012 (RMSprop), Duchi et al. 2011 (Adagrad), Zeiler 2012 (Adadelta), Sutskever et al. 2013 (Nesterov).
"""

from dataclasses import dataclass

import numpy as np

from parity.models.arrays import Array
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


def update(recipe: Recipe, before: Before) -> tuple[Array, State]:
    """(weight, state) after the step."""
    weight, gradient, rate = before.weight, before.gradient, before.rate
    if before.decays and recipe.decay == "coupled":
        gradient = gradient + recipe.weight_decay * weight
    elif before.decays:
        weight = weight * (1 - rate * recipe.weight_decay)
    rule = {"sgd": _sgd, "rmsprop": _rmsprop, "adagrad": _adagrad, "adadelta": _adadelta}.get(recipe.optimizer, _adam)
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
    return m / c1 / (np.sqrt(v / c2) + epsilon), {"exp_avg": m, "exp_avg_sq": v}


def _rmsprop(recipe: Recipe, g: Array, before: Before) -> tuple[Array, State]:
    v = recipe.rho * before.state["square_avg"] + (1 - recipe.rho) * g * g
    step = g / _root(v, recipe, before)
    if not recipe.momentum:
        return step, {"square_avg": v}
    m = recipe.momentum * before.state["momentum_buffer"] + step
    return m, {"square_avg": v, "momentum_buffer": m}


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
