"""Keras's optimizer and schedule of a Recipe: its own classes where a setting gives torch's rule, else the twin."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras.optimizers import schedules

from parity.models.clipping import clips
from parity.models.optimizers import OPTIMIZERS
from parity.models.recipe import WARM_START, Recipe

from . import rates, twins


def uses_twin(recipe: Recipe) -> bool:
    """Whether SGD must be the twin: Keras's momentum holds the rate, which may change only without momentum."""
    if recipe.optimizer == "sgd":
        return bool(recipe.momentum) and (recipe.schedule != "constant" or recipe.warmup > 0)
    return recipe.optimizer not in ("adadelta", "lion")


def adds_decay(recipe: Recipe) -> bool:
    """Whether weight decay must be added to the gradient by a twin: not where both kinds are the same."""
    same = recipe.optimizer == "sgd" and not recipe.momentum  # w - lr (g + d w) either way
    return recipe.weight_decay > 0 and recipe.decay == "coupled" and not same


Shapes = dict[int, tuple[int, ...]]  # of the variables in torch's layout, by id


def make_optimizer(recipe: Recipe, decays: list[Any], others: list[Any], shapes: Shapes) -> Any:
    """The optimizer; `decays` are the variables that weight decay is for, `others` the rest.

    Keras casts some settings with `ops.cast`, which makes a float32 of a Python float first, whatever `floatx` is; a
    NumPy float64 it leaves one.
    """
    cls, options = MAKE[recipe.optimizer](recipe)
    if clips(recipe):
        cls = twins.clipping(cls, recipe)
    if adds_decay(recipe):
        cls = twins.coupled(cls, recipe.weight_decay, decays)
    elif recipe.weight_decay > 0:
        options["weight_decay"] = np.float64(recipe.weight_decay)
    elif OPTIMIZERS[recipe.optimizer].decay == "decoupled":
        options["weight_decay"] = 0.0  # its default is another
    if recipe.ema:
        options |= {"use_ema": True, "ema_momentum": np.float64(recipe.ema)}
    if recipe.accumulate > 1:
        options["gradient_accumulation_steps"] = recipe.accumulate
    optimizer = cls(learning_rate=rate(recipe), **options)
    if recipe.optimizer == "muon":
        optimizer.adam_weight_decay, optimizer.shapes = optimizer.weight_decay, shapes
    if recipe.weight_decay > 0 and others:
        optimizer.exclude_from_weight_decay(var_list=others)
    return optimizer


Made = tuple[Any, dict[str, Any]]


def _sgd(recipe: Recipe) -> Made:
    twin = uses_twin(recipe)
    momentum = recipe.momentum if twin else np.float64(recipe.momentum)
    options: dict[str, Any] = {"momentum": momentum, "nesterov": recipe.nesterov}
    return twins.TorchSGD if twin else keras.optimizers.SGD, options


def _rmsprop(recipe: Recipe) -> Made:
    options = {"rho": recipe.rho, "epsilon": recipe.epsilon, "momentum": recipe.momentum, "centered": recipe.centered}
    return twins.TorchRMSprop, options


def _adam(recipe: Recipe) -> dict[str, Any]:
    return {"beta_1": recipe.beta1, "beta_2": recipe.beta2, "epsilon": recipe.epsilon}


def _muon(recipe: Recipe) -> Made:
    betas = {"adam_beta_1": recipe.beta1, "adam_beta_2": recipe.beta2, "epsilon": recipe.epsilon}
    return twins.TorchMuon, {"momentum": recipe.momentum, **betas}


MAKE: dict[str, Callable[[Recipe], Made]] = {
    "sgd": _sgd,
    "adam": lambda r: (twins.TorchAdam, {"amsgrad": r.amsgrad, **_adam(r)}),
    "adamw": lambda r: (twins.TorchAdamW, {"amsgrad": r.amsgrad, **_adam(r)}),
    "adamax": lambda r: (twins.TorchAdamax, _adam(r)),
    "nadam": lambda r: (twins.TorchNadam, _adam(r)),
    "rmsprop": _rmsprop,
    "adagrad": lambda r: (twins.TorchAdagrad, {"initial_accumulator_value": 0.0, "epsilon": r.epsilon}),
    "adadelta": lambda r: (keras.optimizers.Adadelta, {"rho": r.rho, "epsilon": r.epsilon}),
    "lion": lambda r: (keras.optimizers.Lion, {"beta_1": np.float64(r.beta1), "beta_2": np.float64(r.beta2)}),
    "muon": _muon,
}


def rate(recipe: Recipe) -> Any:
    """The learning rate, or the schedule.

    A schedule computes in the dtype of its rate, float32 for a Python float whatever `floatx` is, so it gets a NumPy
    float64.
    """
    full = np.float64(recipe.lr)
    if recipe.schedule == "cosine" and recipe.warmup:
        options = {"alpha": np.float64(0.01), "warmup_target": full, "warmup_steps": recipe.warmup}
        return schedules.CosineDecay(np.float64(WARM_START) * full, recipe.cosine_steps, **options)
    after = _schedule(recipe, full)
    if recipe.warmup:
        return rates.WarmUp(WARM_START * full, full, recipe.warmup, after)
    return float(full) if after is None else after


def _schedule(recipe: Recipe, full: Any) -> Any:
    gamma = np.float64(recipe.gamma)
    if recipe.schedule == "step":
        return schedules.ExponentialDecay(full, recipe.every, gamma, staircase=True)
    if recipe.schedule == "exponential":
        return schedules.ExponentialDecay(full, 1, gamma)
    if recipe.schedule == "cosine":
        return schedules.CosineDecay(full, recipe.cosine_steps, alpha=np.float64(0.01))
    if recipe.schedule == "multistep":  # Keras's boundary is the last step of the rate before it
        values = [full * gamma**n for n in range(len(recipe.falls) + 1)]
        return schedules.PiecewiseConstantDecay([step - 1 for step in recipe.falls], values)
    if recipe.schedule == "polynomial":
        return schedules.PolynomialDecay(full, recipe.cosine_steps, np.float64(0.0), np.float64(recipe.power))
    if recipe.schedule == "restarts":
        return schedules.CosineDecayRestarts(full, recipe.every, t_mul=1.0, alpha=np.float64(0.01))
    if recipe.schedule == "onecycle":
        return rates.OneCycle(full, recipe.cosine_steps)
    if recipe.schedule == "cyclic":
        return rates.Cyclic(0.1 * full, full, recipe.every)
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
    "exp_avg": {"adamax": "_m", "muon": "momentums", "": "_momentums"},
    "exp_avg_sq": {"muon": "adam_velocities", "": "_velocities"},
    "max_exp_avg_sq": "_velocity_hats",
    "exp_inf": "_u",
    "square_avg": {"rmsprop": "_velocities", "adadelta": "_accumulated_grads"},
    "grad_avg": "_average_gradients",
    "sum": "_accumulators",
    "acc_delta": "_accumulated_delta_vars",
    "ema": "_model_variables_moving_average",
}


def state_of(recipe: Recipe, optimizer: Any, variable: Any, slot: str) -> tuple[Any, float]:
    """(the state variable, or None where there is none yet; what to multiply it by) for torch's slot of that name."""
    place = SLOTS[slot]
    name = place if isinstance(place, str) else place.get(recipe.optimizer, place.get("", ""))
    state = getattr(optimizer, name)[optimizer._get_variable_index(variable)]
    stock = recipe.optimizer == "sgd" and not uses_twin(recipe)
    return state, -1 / recipe.lr if stock and slot != "ema" else 1.0  # Keras's own momentum is -lr times torch's
