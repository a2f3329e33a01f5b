"""Keras's optimizer and schedule of a Recipe: its own classes where a setting gives torch's rule, else the twin."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras.optimizers import schedules

from parity.models.recipe import WARM_START, Recipe

from . import twins


def uses_twin(recipe: Recipe) -> bool:
    """Whether SGD must be the twin: Keras's momentum holds the rate, which may change only without momentum."""
    if recipe.optimizer == "sgd":
        return bool(recipe.momentum) and (recipe.schedule != "constant" or recipe.warmup > 0)
    return recipe.optimizer != "adadelta"


def adds_decay(recipe: Recipe) -> bool:
    """Whether weight decay must be added to the gradient by a twin: not where both kinds are the same."""
    same = recipe.optimizer == "sgd" and not recipe.momentum  # w - lr (g + d w) either way
    return recipe.weight_decay > 0 and recipe.decay == "coupled" and not same


def make_optimizer(recipe: Recipe, decays: list[Any], others: list[Any]) -> Any:
    """The optimizer; `decays` are the variables that weight decay is for, `others` the rest.

    Keras casts some settings with `ops.cast`, which makes a float32 of a Python float first, whatever `floatx` is; a
    NumPy float64 it leaves one.
    """
    cls, options = _class(recipe)
    if adds_decay(recipe):
        cls = twins.coupled(cls, recipe.weight_decay, decays)
    elif recipe.weight_decay > 0:
        options["weight_decay"] = np.float64(recipe.weight_decay)
    elif recipe.optimizer == "adamw":
        options["weight_decay"] = 0.0  # its default is another
    optimizer = cls(learning_rate=rate(recipe), **options)
    if recipe.weight_decay > 0 and others:
        optimizer.exclude_from_weight_decay(var_list=others)
    return optimizer


def _class(recipe: Recipe) -> tuple[Any, dict[str, Any]]:
    name, twin = recipe.optimizer, uses_twin(recipe)
    if name == "sgd":
        momentum = recipe.momentum if twin else np.float64(recipe.momentum)
        options: dict[str, Any] = {"momentum": momentum, "nesterov": recipe.nesterov}
        return twins.TorchSGD if twin else keras.optimizers.SGD, options
    if name in ("adam", "adamw"):
        options = {"beta_1": recipe.beta1, "beta_2": recipe.beta2, "epsilon": recipe.epsilon}
        return twins.TorchAdam if name == "adam" else twins.TorchAdamW, options
    if name == "rmsprop":
        return twins.TorchRMSprop, {"rho": recipe.rho, "epsilon": recipe.epsilon, "momentum": recipe.momentum}
    if name == "adagrad":
        return twins.TorchAdagrad, {"initial_accumulator_value": 0.0, "epsilon": recipe.epsilon}
    return keras.optimizers.Adadelta, {"rho": recipe.rho, "epsilon": recipe.epsilon}


def rate(recipe: Recipe) -> Any:
    """The learning rate, or the schedule.

    A schedule computes in the dtype of its rate, float32 for a Python float whatever `floatx` is, so it gets a NumPy
    float64.
    """
    full = np.float64(recipe.lr)
    if recipe.schedule == "cosine" and recipe.warmup:
        options = {"alpha": 0.01, "warmup_target": full, "warmup_steps": recipe.warmup}
        return schedules.CosineDecay(np.float64(WARM_START) * full, recipe.cosine_steps, **options)
    after = _schedule(recipe, full)
    if recipe.warmup:
        return twins.WarmUp(WARM_START * full, full, recipe.warmup, after)
    return float(full) if after is None else after


def _schedule(recipe: Recipe, full: Any) -> Any:
    gamma = np.float64(recipe.gamma)
    if recipe.schedule == "step":
        return schedules.ExponentialDecay(full, recipe.every, gamma, staircase=True)
    if recipe.schedule == "exponential":
        return schedules.ExponentialDecay(full, 1, gamma)
    if recipe.schedule == "cosine":
        return schedules.CosineDecay(full, recipe.cosine_steps, alpha=0.01)
    if recipe.schedule == "cyclic":
        return twins.Cyclic(0.1 * full, full, recipe.every)
    return None  # a constant rate, which the plateau's callback lowers


def callbacks(recipe: Recipe) -> Iterator[Any]:
    """What lowers the rate from outside the optimizer."""
    if recipe.schedule == "plateau":
        yield keras.callbacks.ReduceLROnPlateau(
            monitor="loss",
            factor=recipe.gamma,
            patience=recipe.patience + 1,  # torch lowers after more than `patience` bad epochs, Keras after as many
            min_delta=recipe.threshold,
            mode="min",
        )


SLOTS: dict[str, str | dict[str, str]] = {
    "momentum_buffer": {"sgd": "momentums", "rmsprop": "_momentums"},
    "exp_avg": "_momentums",
    "exp_avg_sq": "_velocities",
    "square_avg": {"rmsprop": "_velocities", "adadelta": "_accumulated_grads"},
    "sum": "_accumulators",
    "acc_delta": "_accumulated_delta_vars",
}


def state_of(recipe: Recipe, optimizer: Any, variable: Any, slot: str) -> tuple[Any, float]:
    """(the state variable, what to multiply it by) for torch's slot of that name."""
    place = SLOTS[slot]
    name = place if isinstance(place, str) else place[recipe.optimizer]
    state = getattr(optimizer, name)[optimizer._get_variable_index(variable)]
    stock = recipe.optimizer == "sgd" and not uses_twin(recipe)
    return state, -1 / recipe.lr if stock else 1.0  # Keras's own momentum is -lr times torch's
