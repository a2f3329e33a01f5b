"""A recurrent module of torch's -> its layers and directions, each a step of its own, as other frameworks have them."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import _VF, nn
from torch.nn import functional

from parity.models.inputs import Inputs
from parity.models.layers import Found

WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
Layer = Callable[..., Any]  # (found, run, args) -> the step's output
Swap = Callable[[torch.Tensor, str], torch.Tensor]  # time and batch exchanged, and which layout that is


@dataclass(frozen=True)
class Direction:
    """One layer of a module, in one direction. It has its weights without its number, and else what the module has."""

    owner: Any
    path: str  # the module's
    level: int
    reverse: bool
    states: int

    def __getattr__(self, name: str) -> Any:
        if name in WEIGHTS:
            return getattr(self.owner, f"{name}_l{self.level}{'_reverse' if self.reverse else ''}", None)
        return getattr(self.owner, name)

    def run(self, x: torch.Tensor, *first: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(N, T, in) and the states (N, H) to begin with -> all outputs in the order of time, and last cell states."""
        module, weights = self.owner, [w for name in WEIGHTS if (w := getattr(self, name)) is not None]
        states = [state[None] for state in first] or list(self._zeros(x))
        given = x.flip(1) if self.reverse else x
        settings = module.bias, 1, 0.0, torch.is_grad_enabled(), False, True
        function = getattr(_VF, module.mode.lower())
        made = function(given, states if len(states) > 1 else states[0], weights, *settings)
        out, cells = made[0], made[2:]
        return (out.flip(1) if self.reverse else out, *(cell[0] for cell in cells))

    def _zeros(self, x: torch.Tensor) -> Iterator[torch.Tensor]:
        size = self.owner.proj_size or self.owner.hidden_size
        yield x.new_zeros(1, len(x), size)
        if self.states > 1:
            yield x.new_zeros(1, len(x), self.owner.hidden_size)


def directions(found: Found) -> Iterator[Found]:
    """A recurrent module as its layers and directions; its own path if it has but one."""
    module: Any = found.layer
    both = (False, True) if module.bidirectional else (False,)
    for level in range(module.num_layers):
        for reverse in both:
            name = f".l{level}{'_reverse' if reverse else ''}" if module.num_layers * len(both) > 1 else ""
            yield Found(found.path + name, found.kind, Direction(module, found.path, level, reverse, found.kind.states))


def on(model: nn.Module, found: Found) -> Found:
    """The same layer of a copy of the model."""
    if isinstance(found.layer, Direction):
        return found._replace(layer=replace(found.layer, owner=model.get_submodule(found.layer.path)))
    return found._replace(layer=model.get_submodule(found.path))


def owner_of(layer: Any) -> Any:
    """The module that a layer is a part of, or the layer itself."""
    return layer.owner if isinstance(layer, Direction) else layer


def takes(module: Any, x: Any, states: Any) -> bool:
    """Whether what a module is called on can be given to its layers one after another: a batch of whole sequences."""
    plain = isinstance(x, torch.Tensor) and x.dim() == 3
    given = states if isinstance(states, tuple) else () if states is None else (states,)
    return plain and type(module).forward in OWN and all(isinstance(state, torch.Tensor) for state in given)


OWN = {cls.forward for cls in (nn.LSTM, nn.GRU, nn.RNN)}


def time_first(x: Inputs, layers: list[Found], run: Callable[[Inputs], Any]) -> frozenset[str]:
    """The inputs whose first two axes a module that takes time first gets as they are.

    They are told apart by their lengths: where these are the same, one is cut by one.
    """
    modules = {
        id(owner_of(entry.layer)): owner_of(entry.layer) for entry in layers if owner_of(entry.layer) is not entry.layer
    }
    taking = [module for module in modules.values() if not module.batch_first]
    if not taking:
        return frozenset()
    square = any(array.ndim > 1 and array.shape[0] == array.shape[1] > 1 for array in x.arrays.values())
    x = x.part(slice(1, None)) if square else x
    seen: set[tuple[int, ...]] = set()

    def note(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = args[0] if args else kwargs.get("input")
        if isinstance(given, torch.Tensor) and given.dim() == 3:
            seen.add(tuple(given.shape[:2]))

    handles = [module.register_forward_pre_hook(note, with_kwargs=True) for module in taking]
    try:
        with suppress(Exception):  # that a model does not run is said by the run that is compared
            run(x)
    finally:
        for handle in handles:
            handle.remove()
    fits = (name for name, array in x.arrays.items() if array.ndim > 1 and tuple(array.shape[:2]) in seen)
    return frozenset(name for name in fits if x.arrays[name].shape[0] != x.arrays[name].shape[1])


def run_through(
    layers: list[Found], x: torch.Tensor, states: Any, layer: Layer, swap: Swap
) -> tuple[torch.Tensor, Any]:
    """What the module gives, (sequence, last states), with `layer` to run each of its parts."""
    module: Any = owner_of(layers[0].layer)
    given = states if isinstance(states, tuple) else () if states is None else (states,)
    lasts: list[torch.Tensor] = []
    cells: list[torch.Tensor] = []
    x = x if module.batch_first else swap(x, "equal")
    width = 2 if module.bidirectional else 1
    for at in range(0, len(layers), width):
        if at and module.dropout:  # heard, and drawn, as what the program itself would call
            x = functional.dropout(x, module.dropout, module.training)
        outs = []
        for number, found in enumerate(layers[at : at + width], at):
            out, *cell = layer(found, found.layer.run, (x, *(state[number] for state in given)))
            lasts.append(out[:, 0 if found.layer.reverse else -1])
            cells += cell
            outs.append(out)
        x = outs[0] if width == 1 else torch.cat(outs, -1)
    last = torch.stack(lasts)
    end = (last, torch.stack(cells)) if cells else last
    return x if module.batch_first else swap(x, "time"), end


def in_levels(layers: list[Found], forward: Callable[..., Any]) -> Callable[..., Any]:
    """A module's `forward` that runs one level after another, so that what is dropped between them can be given."""

    def run(input: torch.Tensor, hx: Any = None) -> Any:
        if not takes(owner_of(layers[0].layer), input, hx):
            return forward(input, hx)
        return run_through(layers, input, hx, lambda _, run, args: run(*args), lambda x, _: x.transpose(0, 1))

    return run
