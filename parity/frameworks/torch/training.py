"""torch's half of a lock-step run: `torch.optim`, `lr_scheduler` and autograd, as anyone uses them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.errors import ParityError
from parity.frameworks.adapter import Trained
from parity.models.arrays import Array
from parity.models.keys import Key, is_statistic, role_of, slots
from parity.models.kinds import Kind
from parity.models.layers import Found
from parity.models.losses import Truths
from parity.models.recipe import Recipe
from parity.verdict.training import LINE

from .drawing import Replaying, is_replayed
from .losses import loss_of, outputs_of
from .optimizers import state_of
from .own_step import OwnStep
from .recurrent import on
from .rounding import batch_moments, channel_shape, takes_mean
from .updates import Updates
from .walk import torch_tensors
from .wrappers import training_copy

UNITS = {"float64": 2.0**-52, "float32": 2.0**-23, "mixed_bfloat16": 2.0**-7}  # in the last place of 1


class TorchTrainer:
    """Trains copies of `side`'s model in `dtype`, which stays as it was."""

    def __init__(self, side: Any, dtype: str) -> None:
        self.side, self.dtype = side, dtype

    def train(
        self, recipe: Recipe, x: Array, y: Truths, visit: Callable[[Trained], None], units: Sequence[float] = ()
    ) -> None:
        """See `Trainer`."""
        if not any(parameter.requires_grad for parameter in self.side.model.parameters()):
            raise ParityError(
                "the torch model must have something to train, and requires_grad is False for all of its "
                f"{sum(1 for _ in self.side.model.parameters())} parameters; unfreeze what is to be trained"
            )
        runs = [TorchRun(self.side, self.dtype, recipe)]
        runs += [TorchRun(self.side, self.dtype, recipe, 1 + i, unit) for i, unit in enumerate(units)]
        for step in range(recipe.steps):
            start = step % recipe.epoch_steps * recipe.batch_size
            batch = slice(start, start + recipe.batch_size)
            for run in runs:
                run.step(x[batch], {key: truth.of(batch) for key, truth in y.items()})
            visit(Shown(runs))

    def draws(self, recipe: Recipe, x: Array, y: Truths) -> list[Array]:
        """The losses of two passes in training mode: from the same weights, they differ where numbers are drawn."""
        return [TorchRun(self.side, self.dtype, recipe).forward(x, y)[0] for _ in range(2)]


class TorchRun:
    """One model in training. nudges: 0 for none, else the seed of which way each weight is nudged by `units`."""

    def __init__(self, side: Any, dtype: str, recipe: Recipe, nudges: int = 0, units: float = 1.0) -> None:
        self.dtype, self.recipe, self.units = dtype, recipe, units
        self.real = torch.float64 if dtype == "float64" else torch.float32
        self.model = training_copy(side.model).to(self.real)
        found = [on(self.model, entry) for entry in side.found]
        self.tensors = dict(torch_tensors(side.found_in(self.model)))
        self.parameters = {name: tensor for name, tensor in self.tensors.items() if isinstance(tensor, nn.Parameter)}
        _without_draws(found)
        self.replaying = Replaying(found, side.drawn)
        self.sizes: dict[str, float] = {}
        self._watch_biases(found)
        self.start = {name: tensor.clone() for name, tensor in self.tensors.items() if is_statistic(name)}
        self.updates = Updates(recipe, self.parameters, self.real)
        self.own = OwnStep(recipe.torch_step, self.model, self.parameters, self.real) if recipe.own_step else None
        self.draw = torch.Generator().manual_seed(nudges) if nudges else None
        if nudges and dtype != "mixed_bfloat16":
            self._nudge_outputs(found)
        self.rate = self.loss = 0.0
        self.outputs: dict[str, torch.Tensor] = {}  # of the latest pass, by key
        self.steps = 0
        self.kept: dict[Key, torch.Tensor] = {}

    def _watch_biases(self, found: list[Found]) -> None:
        """Keep the size of the terms that a bias's gradient sums: before a batch norm they cancel to their rounding."""

        def hook(name: str, kind: Kind) -> Any:
            def keep(gradient: torch.Tensor) -> None:
                last = gradient.ndim - 1 if kind.layout == "equal" else 1
                axes = tuple(axis for axis in range(gradient.ndim) if axis != last)
                self.sizes[name] = float(gradient.abs().sum(axes).max())

            def forward(module: Any, args: Any, output: torch.Tensor) -> None:
                if output.requires_grad:  # a frozen layer before all that is trained has no gradient
                    output.register_hook(keep)  # type: ignore[no-untyped-call]

            return forward

        for path, kind, layer in found:
            if kind.sums and getattr(layer, "bias", None) is not None:
                layer.register_forward_hook(hook(f"{path}.bias", kind))

    def _nudge_outputs(self, found: list[Found]) -> None:
        """Round every sum otherwise: a layer's output, the gradient that arrives there, and the mean that a norm takes.

        A norm takes the mean off numbers near it, and with it all that nudged weights have done to them together. What
        is left, and magnified by mean / deviation, is the rounding of each number and of the mean itself, a sum too.
        In mixed precision the weights' nudge is as coarse as all that is rounded.
        """

        def nudged(module: Any, args: Any, output: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                nudge = self._units(output)
            output = output + nudge
            if output.requires_grad:
                output.register_hook(lambda gradient: gradient + self._units(gradient))  # type: ignore[no-untyped-call]
            return output

        def shifted(kind: Kind, module: Any, args: Any, output: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                mean, deviation = batch_moments(kind, module, args[0])
                shift = (self._units(mean) / deviation).expand_as(output)
            return output + (shift if module.weight is None else shift * channel_shape(kind, module.weight, output))

        for _, kind, layer in found:
            if takes_mean(kind, layer):
                layer.register_forward_hook(partial(shifted, kind))
            if kind.weights:
                layer.register_forward_hook(nudged)

    def _input(self, x: Array) -> torch.Tensor:
        inputs = torch.from_numpy(np.ascontiguousarray(x))
        return inputs.to(self.real) if inputs.is_floating_point() else inputs

    def forward(self, x: Array, y: Truths) -> tuple[Array, torch.Tensor]:
        """The loss, as an array and with its graph."""
        inputs = self._input(x)
        mixed = torch.autocast("cpu", torch.bfloat16) if self.dtype == "mixed_bfloat16" else nullcontext()
        with mixed, self.replaying.running(self.steps):
            outputs = self.model(inputs)
        self.outputs = {place.key: x.detach() for place, x in outputs_of(outputs).items()}
        loss = loss_of(self.recipe, outputs, y, lambda y: y if self.dtype == "float64" else y.float())
        loss = loss + self.updates.penalty()
        return loss.detach().double().numpy().reshape(1), loss

    def _own_step(self, own: OwnStep, x: Array, y: Truths) -> None:
        with self._nudged(), self.replaying.running(self.steps):
            self.loss = own.step(self._input(x), y)
        self.steps += 1

    def step(self, x: Array, y: Truths) -> None:
        """One training step."""
        self.kept = {} if self.draw is not None else self._state()
        if self.own is not None:
            self._own_step(self.own, x, y)
            return
        self.rate = self.updates.rate
        self.updates.optimizer.zero_grad()
        with self._nudged():
            loss, graph = self.forward(x, y)
            graph.backward()  # type: ignore[no-untyped-call]
        self.loss = float(loss[0])
        self.steps += 1
        self.updates.step(self.steps, self.loss)

    def _state(self) -> dict[Key, torch.Tensor]:
        kept: dict[Key, torch.Tensor] = {}
        for name, tensor in self.tensors.items():
            kept[role_of(name), name] = tensor.detach().clone()
        for slot in slots(self.recipe) if self.own is None else ():
            for name, parameter in self.parameters.items():
                kept[slot, name] = state_of(self.updates.optimizer, parameter, slot).clone()
        return kept

    @contextmanager
    def _nudged(self) -> Iterator[None]:
        """Every weight and running statistic `units` units in the last place up or down, by chance.

        In float32 and float64 they stay so: it is what their own rounding in the update does. In mixed precision they
        are kept in float32 and rounded where they are used, so the nudge, a unit of bfloat16, lasts for the pass.
        """
        if self.draw is None:
            yield
            return
        before = [parameter.detach().clone() for parameter in self.parameters.values()]
        with torch.no_grad():
            for parameter in self.parameters.values():
                parameter.add_(self._units(parameter))
        yield
        with torch.no_grad():
            if self.dtype == "mixed_bfloat16":
                for parameter, value in zip(self.parameters.values(), before, strict=True):
                    parameter.copy_(value)
                return
            for statistic in (tensor for name, tensor in self.tensors.items() if is_statistic(name)):
                statistic.add_(self._units(statistic))

    def _units(self, parameter: torch.Tensor) -> torch.Tensor:
        """The nudge of each weight, with a random sign."""
        signs = torch.randint(0, 2, parameter.shape, generator=self.draw).to(parameter.dtype) * 2 - 1
        _, exponent = torch.frexp(parameter)
        unit = torch.ldexp(torch.tensor(self.units * UNITS[self.dtype], dtype=parameter.dtype), exponent - 1)
        return signs * unit * (parameter != 0)

    def read(self, key: Key) -> Array:
        """What a key names, after the step, as float64."""
        what, name = key
        if what in ("rate", "loss", "iterations"):
            return np.array(
                [{"rate": self.rate, "loss": self.loss, "iterations": self.steps // self.recipe.accumulate}[what]],
                np.float64,
            )
        if what == "added":
            return np.zeros(1)  # torch's modules add nothing to a loss
        if what == "applied":
            return self.updates.applied_to(name)
        if what == "size":
            return np.array([self._added(name) if is_statistic(name) else self.sizes.get(name, 0.0)])
        return _array(self.tensor(key))

    def _added(self, name: str) -> float:
        """The scale of a running statistic: what all steps have added to it, which starts at anything.

        After k steps s = (1 - m)^k s0 + added. Each step rounds s a few times on either side, and forgets a part m of
        that: where s0 is so much greater than what is added that float64 loses this, the scale is what makes it LINE.
        """
        layer: Any = self.model.get_submodule(name.rpartition(".")[0])
        momentum = 1 / self.steps if layer.momentum is None else float(layer.momentum)
        left = 0.0 if layer.momentum is None else (1 - momentum) ** self.steps
        now = self.tensors[name].double()
        added = (now - left * self.start[name].double()).abs().max()
        lost = 8 * 2.0**-53 * min(self.steps, 1 / momentum if momentum else self.steps) * now.abs().max()
        return max(float(added), float(lost) / LINE)

    def tensor(self, key: Key) -> torch.Tensor:
        """The tensor that a key names."""
        what, name = key
        if what == "output":
            return self.outputs[name]
        tensor: torch.Tensor = self.tensors[name]
        if what == "ema":
            return self.updates.mean(tensor)
        if what == "gradient":
            return self.updates.gradient(name) if self.own is None else self.own.gradient(name)
        if what == "weight" or is_statistic(name):
            return tensor.detach()
        return state_of(self.updates.optimizer, self.parameters[name], what)

    def before(self, key: Key) -> Array:
        """A weight, statistic or state before the step."""
        return _array(self.kept[key])


class Shown:
    """What a step has made, of the run that is compared and of those that are nudged."""

    def __init__(self, runs: list[TorchRun]) -> None:
        self.runs = runs

    def read(self, key: Key) -> Array:
        return self.runs[0].read(key)

    def before(self, key: Key) -> Array:
        return self.runs[0].before(key)

    def write(self, key: Key, array: Array) -> None:
        raise NotImplementedError("Keras goes on with torch's numbers, not the reverse")

    def distances(self, keys: list[Key]) -> list[dict[str, tuple[float, float]]]:
        """For each nudged run and each kind of number: (squared distance, squared length) over all tensors."""
        return [self._distances(run, keys) for run in self.runs[1:]]

    def _distances(self, run: TorchRun, keys: list[Key]) -> dict[str, tuple[float, float]]:
        found: dict[str, tuple[float, float]] = {}
        for key in keys:
            ours, theirs = self.read(key), run.read(key)
            square, length = found.get(key[0], (0.0, 0.0))
            found[key[0]] = square + float(np.square(theirs - ours).sum()), length + float(np.square(ours).sum())
        return found


def _array(tensor: torch.Tensor) -> Array:
    return np.asarray(tensor.detach().double().numpy())


def _without_draws(found: list[Found]) -> None:
    """Two frameworks cannot draw the same numbers, but those that are drawn for them."""
    for entry in found:
        _, kind, layer = entry
        for name in kind.draws if not is_replayed(entry) else ():
            if hasattr(layer, name):
                setattr(layer, name, 0.0)
