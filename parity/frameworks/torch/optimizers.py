"""torch's optimizer and schedule of a Recipe: its own classes, and a hook where decay is decoupled and not AdamW's."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import lr_scheduler

from parity.models.optimizers import NADAM_DECAY, ONE_CYCLE_END, ONE_CYCLE_RISE, ONE_CYCLE_START, OPTIMIZERS
from parity.models.recipe import WARM_START, Recipe

from . import twins


def make_optimizer(recipe: Recipe, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer, with the parameters that decay in a group of their own."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    decays = [parameter for parameter in trained if recipe.decays(tuple(parameter.shape))]
    known = {id(parameter) for parameter in decays}
    rest = [parameter for parameter in trained if id(parameter) not in known]
    inside = recipe.decay == "coupled" or OPTIMIZERS[recipe.optimizer].decay == "decoupled"
    groups = [
        {"params": decays, "weight_decay": recipe.weight_decay if inside else 0.0},
        {"params": rest, "weight_decay": 0.0},
    ]
    optimizer: torch.optim.Optimizer = MAKE[recipe.optimizer]([group for group in groups if group["params"]], recipe)
    if decays and not inside:
        optimizer.register_step_pre_hook(_decoupled(decays, recipe.weight_decay))
    return optimizer


MAKE: dict[str, Callable[[Any, Recipe], Any]] = {
    "sgd": lambda groups, r: torch.optim.SGD(groups, lr=r.lr, momentum=r.momentum, nesterov=r.nesterov),
    "adam": lambda groups, r: torch.optim.Adam(groups, amsgrad=r.amsgrad, **_adam(r)),
    "adamw": lambda groups, r: torch.optim.AdamW(groups, amsgrad=r.amsgrad, **_adam(r)),
    "adamax": lambda groups, r: torch.optim.Adamax(groups, **_adam(r)),
    "nadam": lambda groups, r: torch.optim.NAdam(groups, momentum_decay=NADAM_DECAY, **_adam(r)),
    "lion": lambda groups, r: twins.Lion(groups, lr=r.lr, betas=(r.beta1, r.beta2)),
    "muon": lambda groups, r: twins.Muon(groups, momentum=r.momentum, **_adam(r)),
    "rmsprop": lambda groups, r: torch.optim.RMSprop(
        groups, lr=r.lr, alpha=r.rho, eps=r.epsilon, momentum=r.momentum, centered=r.centered
    ),
    "adagrad": lambda groups, r: torch.optim.Adagrad(groups, lr=r.lr, eps=r.epsilon),
    "adadelta": lambda groups, r: torch.optim.Adadelta(groups, lr=r.lr, rho=r.rho, eps=r.epsilon),
}


def _adam(recipe: Recipe) -> dict[str, Any]:
    return {"lr": recipe.lr, "betas": (recipe.beta1, recipe.beta2), "eps": recipe.epsilon}


def _decoupled(parameters: list[nn.Parameter], weight_decay: float) -> Callable[..., None]:
    """Loshchilov and Hutter 2019, algorithm 1: w shrinks by lr * weight_decay, whatever the gradient is."""

    def hook(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        with torch.no_grad():
            for parameter in parameters:
                parameter.mul_(1 - optimizer.param_groups[0]["lr"] * weight_decay)

    return hook


def state_of(optimizer: torch.optim.Optimizer, parameter: nn.Parameter, slot: str) -> torch.Tensor:
    """A parameter's state; before the first step it is zero."""
    found = optimizer.state.get(parameter, {}).get(slot)
    return torch.zeros_like(parameter) if found is None else found


class Schedule:
    """torch's own scheduler of a Recipe, stepped after every step, or with an epoch's mean loss."""

    def __init__(self, recipe: Recipe, optimizer: torch.optim.Optimizer) -> None:
        self.recipe = recipe
        self.scheduler: Any = _scheduler(recipe, optimizer)
        self._losses: list[float] = []

    def step(self, loss: float) -> None:
        """After a training step."""
        if self.recipe.schedule != "plateau":
            if self.scheduler is not None:
                self.scheduler.step()
            return
        self._losses.append(loss)
        if len(self._losses) == self.recipe.epoch_steps:
            self.scheduler.step(sum(self._losses) / len(self._losses))
            self._losses.clear()


def _scheduler(recipe: Recipe, optimizer: torch.optim.Optimizer) -> Any:
    if recipe.warmup:
        first = lr_scheduler.LinearLR(optimizer, WARM_START, total_iters=recipe.warmup)
        after = SCHEDULES[recipe.schedule](recipe, optimizer) or lr_scheduler.ConstantLR(optimizer, 1.0, 1)
        return lr_scheduler.SequentialLR(optimizer, [first, after], [recipe.warmup])
    return SCHEDULES[recipe.schedule](recipe, optimizer)


def _plateau(recipe: Recipe, optimizer: torch.optim.Optimizer) -> Any:
    options: dict[str, Any] = {"threshold": recipe.threshold, "threshold_mode": "abs", "eps": 0.0}
    return lr_scheduler.ReduceLROnPlateau(optimizer, factor=recipe.gamma, patience=recipe.patience, **options)


SCHEDULES: dict[str, Callable[[Recipe, torch.optim.Optimizer], Any]] = {
    "constant": lambda r, o: None,
    "step": lambda r, o: lr_scheduler.StepLR(o, r.every, r.gamma),
    "multistep": lambda r, o: lr_scheduler.MultiStepLR(o, list(r.falls), r.gamma),
    "exponential": lambda r, o: lr_scheduler.ExponentialLR(o, r.gamma),
    "polynomial": lambda r, o: lr_scheduler.PolynomialLR(o, r.cosine_steps, r.power),
    "cosine": lambda r, o: lr_scheduler.CosineAnnealingLR(o, r.cosine_steps, eta_min=0.01 * r.lr),
    "restarts": lambda r, o: lr_scheduler.CosineAnnealingWarmRestarts(o, r.every, eta_min=0.01 * r.lr),
    "onecycle": lambda r, o: lr_scheduler.OneCycleLR(
        o,
        r.lr,
        r.cosine_steps,
        pct_start=ONE_CYCLE_RISE,
        div_factor=ONE_CYCLE_START,
        final_div_factor=ONE_CYCLE_END,
        cycle_momentum=False,
    ),
    "cyclic": lambda r, o: lr_scheduler.CyclicLR(o, 0.1 * r.lr, r.lr, r.every, cycle_momentum=False),
    "plateau": _plateau,
}
