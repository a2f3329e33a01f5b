"""torch's half of a run of a user's own steps: a batch goes in, the loss and the gradients that were seen come out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from parity.errors import ParityError
from parity.frameworks.own_step import stepping
from parity.models.losses import Truth

from .wide import default_dtype


class OwnStep:
    """A user's step of one model. gradients: what the latest step's optimizer saw, by parameter's name."""

    def __init__(self, spec: str, model: nn.Module, parameters: dict[str, nn.Parameter], dtype: torch.dtype) -> None:
        self.spec, self.parameters, self.dtype = spec, parameters, dtype
        self.gradients: dict[str, torch.Tensor] = {}
        self._names = {id(parameter): name for name, parameter in parameters.items()}
        self._run = stepping(spec, "torch-step", model)
        self._first = True

    def step(self, x: torch.Tensor, truths: Mapping[str, Truth]) -> float:
        """Take a step; the loss. Raises ParityError where nothing moves."""
        targets = [torch.from_numpy(np.ascontiguousarray(truth.array)) for truth in truths.values()]
        targets = [y.to(self.dtype) if y.is_floating_point() else y for y in targets]
        before = [parameter.detach().clone() for parameter in self.parameters.values()]
        self.gradients = {}
        handle = register_optimizer_step_pre_hook(self._see)
        try:
            with default_dtype(self.dtype):
                loss = self._run(x, targets[0] if len(targets) == 1 else tuple(targets))
        finally:
            handle.remove()
        now = zip(before, self.parameters.values(), strict=True)
        if self._first and all(torch.equal(one, other) for one, other in now):
            raise ParityError(
                f"--torch-step {self.spec} must change the model's weights, and none of {len(before)} has changed; "
                "call loss.backward() and optimizer.step() in it, with an optimizer of model.parameters()"
            )
        self._first = False
        return loss

    def _see(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if id(parameter) in self._names and parameter.grad is not None:
                    self.gradients[self._names[id(parameter)]] = parameter.grad.detach().clone()

    def gradient(self, name: str) -> torch.Tensor:
        """Of the latest step; NaN where none was seen."""
        return self.gradients.get(name, torch.full_like(self.parameters[name], torch.nan))
