"""What rounding can do to each number of a torch model's training step: see verdict/rounding.py."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from parity.models.arrays import Array
from parity.models.keys import STATISTICS, is_statistic
from parity.models.kinds import Kind, named
from parity.models.steps import StepInfo
from parity.verdict import rounding
from parity.verdict.rounding import Norm

Sizes = dict[str, Array]


class TorchRounding:
    """Asked after the free run. steps: without their numbers, by key. kept: what the run has left, by (what, key)."""

    def __init__(self, side: Any, steps: dict[str, StepInfo], kept: Callable[[str, str], Array | None]) -> None:
        self.side, self.steps, self.kept = side, steps, kept
        self._latest: tuple[str, Sizes] = "", {}  # a step's tensors are asked for one after another

    def size(self, what: str, key: str) -> Array | None:
        """The sizes of the terms of a number that a sum is, which may cancel; of a statistic, of what a step adds."""
        return self._of(what, key, self._terms)

    def lost(self, what: str, key: str) -> Array | None:
        """How far off a right number may be."""
        if what == "tensor" and is_statistic(key):
            return self._statistic_lost(*key.rpartition(".")[::2])
        return self._of(what, key, self._losses)

    def lost_in_evaluation(self, key: str) -> Array | None:
        """How far off a step's right output may be in evaluation mode; None where more than the line's is not known.

        A norm subtracts a mean from numbers near it, and a linear layer's terms may cancel.
        """
        step = self.steps.get(key)
        if step is None or step.function:
            return None
        x = self._source(key)
        if self._kind(key).sums:
            return None if x is None else self._lost_in_sums(key, x)
        norm = self._norm(key)
        if norm is None:
            return None
        layer = self._layer(key)
        if getattr(layer, "running_mean", None) is None:
            return norm.lost()
        mean, variance = (tensor.detach().cpu().double().numpy() for tensor in (layer.running_mean, layer.running_var))
        return rounding.lost_to_given(norm.x, _gamma(layer), layer.eps, mean, variance)

    def _lost_in_sums(self, key: str, x: Array) -> Array | None:
        found = self._on_sizes(key, x)
        if found is None:
            return None
        output = found[1].detach().numpy()
        weight = self._layer(key).weight
        return np.asarray(rounding.share(max(weight[0].numel(), weight[:, 0].numel())) * output)

    def _of(self, what: str, key: str, of: Callable[[str], Sizes]) -> Array | None:
        if what == "gradient":  # the sum of what a step's users send back
            users = [user for user, step in self.steps.items() if key == f"{user}<0" or key in step.sources[:1]]
            return _sum("input", map(of, users))
        path, _, name = key.rpartition(".") if what == "tensor" else key.partition("<")
        if what == "into" and name != "0":
            return None
        calls = self._calls(path) if what == "tensor" else [path] if path in self.steps else []
        if name in STATISTICS:
            found = self._statistic(calls, name)
            return None if found is None else found[0]
        return _sum({"tensor": name, "into": "input", "output": "output"}[what], map(of, calls))

    def _calls(self, path: str) -> list[str]:
        return [step for step in self.steps if step.partition("#")[0] == path]

    def _layer(self, key: str) -> Any:
        return self.side.model.get_submodule(key.partition("#")[0])

    def _kind(self, key: str) -> Kind:
        return named(self.steps[key].kind)

    def _source(self, key: str) -> Array | None:
        """What a step's first input was made as."""
        made = f"{key}<0" if f"{key}<0" in self.steps else next(iter(self.steps[key].sources), "")
        return self.kept("output", made)

    def _terms(self, key: str) -> Sizes:
        if self._latest[0] != key:
            self._latest = key, self._made_terms(key)
        return self._latest[1]

    def _made_terms(self, key: str) -> Sizes:
        gradient, kind = self.kept("gradient", key), self._kind(key)
        if gradient is None or not (kind.sums or kind.normalises):
            return {}
        norm = self._norm(key)
        if norm is not None and norm.x.shape == gradient.shape:
            return norm.terms(gradient)
        last = gradient.ndim - 1 if kind.layout == "equal" else 1
        return {"bias": np.abs(gradient).sum(tuple(axis for axis in range(gradient.ndim) if axis != last))}

    def _norm(self, key: str) -> Norm | None:
        """What a norm has normalised; None where that was moved on its way, so that its axes are not the norm's."""
        kind, x = self._kind(key), self._source(key)
        if x is None or not kind.normalises:
            return None
        layer = self._layer(key)
        gamma = _gamma(layer)
        if kind.normalises == "features":
            rank = len(layer.normalized_shape)
            fits = x.shape[x.ndim - rank :] == tuple(layer.normalized_shape)
            return rounding.layer_norm(x, gamma, layer.eps, rank) if fits else None
        channels = next((getattr(layer, n) for n in ("num_features", "num_channels") if hasattr(layer, n)), None)
        channels = len(layer.weight) if channels is None else channels
        if x.ndim < 2 or x.shape[1] != channels:
            return None
        if kind.normalises == "batch":
            return rounding.batch_norm(x, gamma, layer.eps)
        return rounding.group_norm(x, gamma, layer.eps, getattr(layer, "num_groups", channels))

    def _losses(self, key: str) -> Sizes:
        gradient, kind = self.kept("gradient", key), self._kind(key)
        if gradient is None:
            return {}
        norm = self._norm(key)
        terms = self._terms(key) | (self._absolute(key, gradient) if kind.sums else {})
        count = max(gradient.size // (gradient.shape[1] if gradient.ndim > 1 else 1), 1 if norm is None else norm.count)
        return {name: rounding.share(count) * sizes for name, sizes in terms.items()}

    def _absolute(self, key: str, gradient: Array) -> Sizes:
        """The sums of a linear layer's terms' sizes: the layer itself, run on the sizes of everything it works on."""
        x = self._source(key)
        made = None if x is None else self._on_sizes(key, x)
        if made is None or made[1].shape != gradient.shape:
            return {}
        given, output, layer = made
        names, tensors = zip(*layer.named_parameters(), strict=True)
        sums = torch.autograd.grad(output, [given, *tensors], torch.from_numpy(np.abs(gradient)).double())
        found = {"output": output, **dict(zip(("input", *names), sums, strict=True))}
        return {name: value.detach().numpy() for name, value in found.items()}

    def _on_sizes(self, key: str, x: Array) -> tuple[Any, Any, Any] | None:
        """(sizes of x, what a linear layer makes of them with the sizes of its weights, that layer)."""
        layer = self._layer(key)
        grid = isinstance(getattr(layer, "kernel_size", None), tuple)
        inputs = layer.in_channels if grid else layer.in_features
        axis, rank = (1, len(layer.kernel_size) + 2) if grid else (-1, x.ndim)
        if x.ndim != rank or x.shape[axis] != inputs:
            return None
        layer = copy.deepcopy(layer).cpu().double().requires_grad_()
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.abs_()
        given = torch.from_numpy(np.abs(x)).double().requires_grad_()
        with torch.enable_grad():
            return given, layer(given.clone()), layer  # one that works in place may not on what has a gradient

    def _statistic(self, calls: list[str], name: str) -> tuple[Array, Array] | None:
        """(size, what it may lose) of what a batch norm's calls add to a running statistic, (C,)."""
        norms = [self._norm(key) for key in calls if _learns(self._kind(key), self._layer(key))]
        known = [norm for norm in norms if norm is not None]
        if not known or len(known) < len(calls):
            return None
        momentum = self._momentum(self._layer(calls[0]))
        sizes, losses = zip(*(norm.statistic(name) for norm in known), strict=True)
        return momentum * np.max(sizes, axis=0), momentum * np.sum(losses, axis=0)

    @staticmethod
    def _momentum(layer: Any) -> float:
        """torch's: the part that a step's statistic has; without one, statistics are averaged over all steps."""
        return float(1 / (int(layer.num_batches_tracked) + 1) if layer.momentum is None else layer.momentum)

    def _statistic_lost(self, path: str, name: str) -> Array | None:
        then = self.kept("tensor", f"{path}.{name}")
        found = self._statistic(self._calls(path), name)
        if then is None or found is None:
            return None
        before = getattr(self._layer(path), name).detach().cpu().double().numpy()
        return rounding.after(before, then, found[1])


def _learns(kind: Kind, layer: Any) -> bool:
    """Whether a layer has statistics of batches: a frozen norm has a momentum as little as a batch's mean."""
    return kind.normalises == "batch" and hasattr(layer, "momentum")


def takes_mean(kind: Kind, layer: Any) -> bool:
    """Whether a layer in training takes the mean of what it is given."""
    given = getattr(layer, "running_mean", None) is not None
    frozen = kind.normalises == "batch" and not _learns(kind, layer)
    return bool(kind.normalises) and not frozen and (layer.training or not given)


def batch_moments(kind: Kind, layer: Any, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The means that a norm takes of x, and the deviations that it divides by, in shapes that broadcast over x."""
    if kind.normalises == "features":
        axes = tuple(range(-len(layer.normalized_shape), 0))
    else:
        axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    view = x
    if kind.normalises == "groups":
        groups = getattr(layer, "num_groups", x.shape[1])
        view, axes = x.reshape(len(x), groups, -1), (2,)
    variance, mean = torch.var_mean(view, axes, correction=0, keepdim=True)
    found = mean, torch.sqrt(variance + layer.eps)
    if kind.normalises != "groups":
        return found
    repeated = (part.repeat_interleave(x.shape[1] // groups, 1) for part in found)
    mean, deviation = (part.reshape(len(x), x.shape[1], *[1] * (x.ndim - 2)) for part in repeated)
    return mean, deviation


def channel_shape(kind: Kind, weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """A norm's weight in a shape that broadcasts over x."""
    return weight if kind.normalises == "features" else weight.reshape(-1, *[1] * (x.ndim - 2))


def _gamma(layer: Any) -> Array | None:
    weight = getattr(layer, "weight", None)
    return None if weight is None else np.asarray(weight.detach().cpu().double().numpy())


def _sum(name: str, sizes: Any) -> Array | None:
    found = [each[name] for each in sizes if name in each]
    alike = bool(found) and all(each.shape == found[0].shape for each in found)
    return np.sum(found, axis=0) if alike else None
