"""Optimizers that torch has not, or not in a parameter's own dtype, as `torch.optim` classes of ours."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.optim import Optimizer

from parity.models.optimizers import NS_COEFFICIENTS, NS_EPSILON, NS_STEPS, is_matrix, muon_ratio

T = torch.Tensor


class _Ours(Optimizer):
    """Calls `rule` on every parameter that has a gradient; weight decay is decoupled (Loshchilov and Hutter 2019)."""

    def __init__(self, params: Iterable[Any], lr: float, **options: Any) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": 0.0, **options})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    self.rule(parameter, parameter.grad, self.state[parameter], group)
        return loss

    def rule(self, w: T, g: T, state: dict[str, Any], group: dict[str, Any]) -> None:
        raise NotImplementedError


class Lion(_Ours):
    """Chen et al. 2023, algorithm 2. lr: a tenth of Adam's; betas: of the step, and of the mean that is kept."""

    def rule(self, w: T, g: T, state: dict[str, Any], group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        m = state.setdefault("exp_avg", torch.zeros_like(w))
        w.sub_(group["lr"] * torch.sign(beta1 * m + (1 - beta1) * g))
        m.lerp_(g, 1 - beta2)


class Muon(_Ours):
    """`torch.optim.Muon` in the parameter's own dtype (torch's iterates in bfloat16), with Adam for what is no matrix.

    Jordan et al. 2024; momentum, betas and eps: of the two.
    """

    def rule(self, w: T, g: T, state: dict[str, Any], group: dict[str, Any]) -> None:
        m = state.setdefault("exp_avg", torch.zeros_like(w))
        if not is_matrix(tuple(w.shape)):
            self._adam(w, g, m, state, group)
            return
        m.lerp_(g, 1 - group["momentum"])
        w.sub_(group["lr"] * muon_ratio(tuple(w.shape)) * orthogonal(g.lerp(m, group["momentum"])))

    def _adam(self, w: T, g: T, m: T, state: dict[str, Any], group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        v = state.setdefault("exp_avg_sq", torch.zeros_like(w))
        step = state["step"] = state.get("step", 0) + 1
        m.lerp_(g, 1 - beta1)
        v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        root = (v / (1 - beta2**step)).sqrt() + group["eps"]
        w.sub_(group["lr"] / (1 - beta1**step) * m / root)


def orthogonal(x: T) -> T:
    """The nearest matrix with equal singular values, nearly: Newton and Schulz's iteration."""
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / x.norm().clamp(min=NS_EPSILON)
    a, b, c = NS_COEFFICIENTS
    for _ in range(NS_STEPS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x
