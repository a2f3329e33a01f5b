"""A training run's parameters, with the gradients of a pass -> their update: summed, clipped, stepped, averaged."""

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from parity.models.arrays import Array
from parity.models.clipping import Applied
from parity.models.recipe import Recipe

from .optimizers import Schedule, make_optimizer
from .wide import default_dtype


class Updates:
    """The optimizer and schedule of a run, and what is done around them."""

    def __init__(self, recipe: Recipe, parameters: dict[str, nn.Parameter], dtype: torch.dtype) -> None:
        self.recipe, self.parameters, self.dtype = recipe, parameters, dtype
        self.trained = {name: parameter for name, parameter in parameters.items() if parameter.requires_grad}
        self.optimizer = make_optimizer(recipe, parameters.values())
        self.schedule = Schedule(recipe, self.optimizer)
        self.means = Means(recipe, list(self.trained.values())) if recipe.ema else None
        self.applied = Applied(recipe)
        self.sums: dict[str, torch.Tensor] = {}  # of gradients that wait for the update
        self.gradients: dict[str, torch.Tensor] = {}  # of the latest pass, before they are clipped

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    def penalty(self) -> torch.Tensor | float:
        """What Keras's `regularizers.L1L2` of every parameter that decays adds to the loss."""
        recipe = self.recipe
        found = [p for p in self.trained.values() if recipe.penalises(tuple(p.shape))]
        return sum(recipe.l1 * p.abs().sum() + recipe.l2 * p.square().sum() for p in found)

    def step(self, number: int, loss: float) -> None:
        """After a backward pass, the first being 1."""
        self._update(number)
        self.schedule.step(loss)
        if self.means is not None:
            self.means.step(number)

    def _update(self, number: int) -> None:
        """Clip and step, with the mean gradient of all batches that are accumulated, after the last of them."""
        if self.applied.changes:
            self.gradients = {name: p.grad.clone() for name, p in self.trained.items() if p.grad is not None}
            self.applied.add(number, {name: _array(gradient) for name, gradient in self.gradients.items()})
            for name, gradient in self.gradients.items():
                self.sums[name] = self.sums[name] + gradient if name in self.sums else gradient
            if number % self.recipe.accumulate:
                return
            for name, total in self.sums.items():
                self.trained[name].grad = total / self.recipe.accumulate
            self.sums = {}
            clip(self.recipe, list(self.trained.values()))
        with default_dtype(self.dtype):  # NAdam's product has no parameter's shape
            self.optimizer.step()

    def gradient(self, name: str) -> torch.Tensor:
        """Of the latest pass, as it was made."""
        parameter = self.parameters[name]
        found = self.gradients.get(name) if self.applied.changes else parameter.grad
        return torch.zeros_like(parameter) if found is None else found

    def applied_to(self, name: str) -> Array:
        """The gradient that the optimizer's rule got."""
        if not self.applied.changes:
            return _array(self.gradient(name))
        found = self.applied.gradients.get(name)
        return np.zeros(self.parameters[name].shape) if found is None else found

    def mean(self, parameter: torch.Tensor) -> torch.Tensor:
        """The running mean of a parameter; of a frozen one, itself."""
        found = {} if self.means is None else self.means.means
        return found.get(id(parameter), parameter.detach())


def _array(tensor: torch.Tensor) -> Array:
    return np.asarray(tensor.detach().double().numpy())


def clip(recipe: Recipe, parameters: list[nn.Parameter]) -> None:
    """Clip the gradients in place, by torch's own functions."""
    trained = [parameter for parameter in parameters if parameter.grad is not None]
    if recipe.clip_value:
        nn.utils.clip_grad_value_(trained, recipe.clip_value)
    elif recipe.clip_global:
        nn.utils.clip_grad_norm_(trained, recipe.clip_global)
    elif recipe.clip_norm:
        for parameter in trained:
            nn.utils.clip_grad_norm_([parameter], recipe.clip_norm)


class Means:
    """The weights' running mean, as `swa_utils.AveragedModel` keeps it with `get_ema_multi_avg_fn`."""

    def __init__(self, recipe: Recipe, parameters: list[nn.Parameter]) -> None:
        self.recipe, self.parameters = recipe, parameters
        self.average = get_ema_multi_avg_fn(recipe.ema)  # type: ignore[no-untyped-call]
        self.means: dict[int, torch.Tensor] = {}

    def step(self, number: int) -> None:
        """After a step, the first being 1. Up to the first update there is nothing to average."""
        now = {id(p): p.detach() for p in self.parameters}
        if not self.means or number <= self.recipe.accumulate:
            self.means = {key: x.clone() for key, x in now.items()}
        else:
            self.average(list(self.means.values()), list(now.values()), number)
