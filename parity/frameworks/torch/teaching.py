"""A torch model in training mode and a board -> the free float64 run that leaves every output and gradient on it."""

import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.errors import ParityError
from parity.frameworks.forcing import Board, cotangent
from parity.frameworks.side import Codec
from parity.models.aims import Aim
from parity.models.arrays import Array
from parity.models.inputs import is_input
from parity.models.keys import is_statistic
from parity.models.steps import is_output
from parity.verdict.measured import Name

from .losses import one
from .recurrent import on
from .walk import torch_tensors
from .wrappers import training_copy


def trained_in(side: Any, dtype: str) -> nn.Module:
    """A copy of the model in `dtype` and in training mode.

    Nothing is drawn: two frameworks cannot draw the same numbers.
    """
    model = training_copy(side.model).to(side.device, getattr(torch, dtype))
    model.zero_grad(set_to_none=True)
    for entry in side.found:
        if entry.kind.draws:
            on(model, entry).layer.eval()
    return model


def tensors_of(side: Any, model: nn.Module) -> Iterator[tuple[str, Array]]:
    """Every tensor's gradient (zeros for none) and every running statistic of the copy, by name, in float64."""
    for name, tensor in torch_tensors(side.found_in(model)):
        if is_statistic(name):
            yield name, tensor.detach().cpu().double().numpy().copy()
        else:
            gradient = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
            yield name, gradient.detach().cpu().double().numpy()


def raise_without_gradients(model: nn.Module, aim: Aim | None) -> None:
    """A step in which nothing moves proves nothing."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained or any(p.grad is not None and bool(p.grad.any()) for p in trained):
        return
    loss = "the outputs' sum, weighted at random," if aim is None else f"--loss {aim.recipe.loss or 'of your own'}"
    raise ParityError(
        f"this loss gives no gradient: {loss} must depend on the weights, and the gradients of all {len(trained)} "
        "parameters of the torch model are zero on this input; pass another, such as --loss mse (or another input), or "
        "look for a detach and for outputs that are constant"
    )


class Teacher:
    """The Tape of the free run: hooks that leave the gradient at every output and into every input."""

    def __init__(self, side: Any, board: Board) -> None:
        self.model = trained_in(side, "float64")
        self.board = board
        self.unseen: dict[Name, tuple[int, ...]] = {}  # until the backward pass comes by, if it does
        self.outputs: dict[str, tuple[torch.Tensor, Codec]] = {}
        self.steps: dict[int, weakref.ref[torch.Tensor]] = {}
        self.hooks: list[Any] = []

    def made(self, key: str, x: torch.Tensor, taught: Any, codec: Codec) -> torch.Tensor:
        x = self._hooked(key, x, codec)
        self.steps[id(x)] = weakref.ref(x)
        return x

    def _hooked(self, key: str, x: torch.Tensor, codec: Codec) -> torch.Tensor:
        known = self.steps.get(id(x))
        if "<" in key and known is not None and known() is x:
            x = x.clone()  # what one user of a step sends back, not all of them
        if is_output(key):
            self.outputs[key] = x, codec
        elif x.is_floating_point() and not torch.is_grad_enabled():
            self.unseen["gradient", key] = codec.array(x).shape
        elif x.is_floating_point():
            leaf = x if x.requires_grad else x.detach().requires_grad_()  # what is behind a cut has a gradient too
            self.unseen["gradient", key] = codec.array(x).shape
            self._watch(("gradient", key), leaf, codec)
            return x if leaf is x else leaf.clone()  # a leaf cannot be changed in place, and the model may do that
        return x

    def fed(self, feeds: str, x: torch.Tensor, codec: Codec) -> torch.Tensor:
        """The gradient into one user of a tensor, seen on a view. A user that works in place leaves it unseen."""
        if not x.is_floating_point() or not torch.is_grad_enabled():  # as in a `torch.no_grad` of the model's
            return x
        x = x.view_as(x) if x.requires_grad else x.detach().requires_grad_().clone()
        self._watch(("into", feeds), x, codec)
        return x

    def _watch(self, name: Name, x: torch.Tensor, codec: Codec) -> None:
        def hook(gradient: torch.Tensor) -> None:
            self._leave(name, codec.array(gradient))

        self.hooks.append(x.register_hook(hook))  # type: ignore[no-untyped-call]

    def _leave(self, name: Name, gradient: Array) -> None:
        self.unseen.pop(name, None)
        self.board.put(name, gradient)
        if name[0] == "gradient":
            self.board.greatest = max(self.board.greatest, float(np.abs(gradient).max(initial=0.0)))
        if name[0] == "gradient" and is_input(name[1]):
            self.board.put(("tensor", name[1]), gradient)

    def release(self) -> None:
        """Take the hooks off: a graph holds them and they hold the graph, in C++, where no garbage collector looks."""
        for hook in self.hooks:
            hook.remove()
        self.hooks.clear()
        self.outputs.clear()

    def starts(self, seed: int) -> Iterator[Array]:
        """The model's outputs, at which the loss's gradient is left."""
        floating = {key: entry for key, entry in self.outputs.items() if entry[0].is_floating_point()}
        for key, (x, codec) in floating.items():
            output = codec.array(x)
            self._leave(("gradient", key), cotangent(output.shape, seed))
            yield output

    def aimed(self, aim: Aim) -> tuple[Array, Array]:
        """The loss and its size; its gradient is left at the outputs that it is of."""
        total = 0.0
        for key, truth in aim.truths.items():
            if key in self.outputs:
                x, codec = self.outputs[key]
                leaf = x.detach().requires_grad_()
                loss = one(aim.recipe, leaf, truth)
                (start,) = torch.autograd.grad(loss, leaf)
                self._leave(("gradient", key), codec.array(start))
                total += float(loss.detach())
        return np.array([total]), np.array([abs(total)])

    def backward(self) -> None:
        """From the loss back to everything; what is not reached has a gradient of zero."""
        found = [(x, codec, self.board.get(("gradient", key))) for key, (x, codec) in self.outputs.items()]
        flowing = [(x, codec.like(start, x)) for x, codec, start in found if x.requires_grad and start is not None]
        if flowing:
            torch.autograd.backward([x for x, _ in flowing], [start for _, start in flowing])
        for name, shape in list(self.unseen.items()):
            self._leave(name, np.zeros(shape))
