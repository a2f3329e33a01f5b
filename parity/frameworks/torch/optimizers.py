"""torch's optimizer and schedule of a Recipe: its own classes, and a hook where decay is decoupled and not AdamW's."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import lr_scheduler

from parity.models.recipe import Recipe


def make_optimizer(recipe: Recipe, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer, with the parameters that decay in a group of their own."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    decays = [parameter for parameter in trained if recipe.decays(tuple(parameter.shape))]
    known = {id(parameter) for parameter in decays}
    rest = [parameter for parameter in trained if id(parameter) not in known]
    inside = recipe.decay == "coupled" or recipe.optimizer == "adamw"
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
    "adam": lambda groups, r: torch.optim.Adam(groups, lr=r.lr, betas=(r.beta1, r.beta2), eps=r.epsilon),
    "adamw": lambda groups, r: torch.optim.AdamW(groups, lr=r.lr, betas=(r.beta1, r.beta2), eps=r.epsilon),
    "rmsprop": lambda groups, r: torch.optim.RMSprop(groups, lr=r.lr, alpha=r.rho, eps=r.epsilon, momentum=r.momentum),
    "adagrad": lambda groups, r: torch.optim.Adagrad(groups, lr=r.lr, eps=r.epsilon),
    "adadelta": lambda groups, r: torch.optim.Adadelta(groups, lr=r.lr, rho=r.rho, eps=r.epsilon),
}


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
        # SequentialLR would go on from the last warm-up rate, a step short of the full one.
        return lr_scheduler.LambdaLR(optimizer, lambda step: recipe.rate(step) / recipe.lr)
    if recipe.schedule == "step":
        return lr_scheduler.StepLR(optimizer, recipe.every, recipe.gamma)
    if recipe.schedule == "exponential":
        return lr_scheduler.ExponentialLR(optimizer, recipe.gamma)
    if recipe.schedule == "cosine":
        return lr_scheduler.CosineAnnealingLR(optimizer, recipe.cosine_steps, eta_min=0.01 * recipe.lr)
    if recipe.schedule == "cyclic":
        low = 0.1 * recipe.lr
        return lr_scheduler.CyclicLR(optimizer, low, recipe.lr, recipe.every, cycle_momentum=False)
    if recipe.schedule == "plateau":
        return lr_scheduler.ReduceLROnPlateau(
            optimizer,
            factor=recipe.gamma,
            patience=recipe.patience,
            threshold=recipe.threshold,
            threshold_mode="abs",
            eps=0.0,
        )
    return None
