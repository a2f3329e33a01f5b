"""A torch model's training step: free in float64, which teaches the other side, and forced in any dtype."""

import copy
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from parity.frameworks.forcing import Lesson, SideGradients, cotangent, loss_of
from parity.frameworks.side import Codec
from parity.models.arrays import Array
from parity.models.steps import Look, Step
from parity.verdict.difference import terms
from parity.verdict.measured import STATISTICS, Measured, Name, Teach, is_output

from .walk import torch_tensors


class TorchGradients(SideGradients):
    """Keeps, after `free`, what the other side is taught: outputs and gradients of every step, until `forget`."""

    def __init__(self, side: Any) -> None:
        super().__init__(side)
        self._kept: dict[Name, Callable[[], Array]] = {}
        self._steps: dict[str, Step] = {}

    def free(self, emit: Callable[[tuple[str, Array]], None], x: Array, seed: int, look: Look) -> None:
        """Run forward and backward in float64; emit loss, input gradient, every tensor's gradient or statistic."""
        self.forget()
        self._keep_array(("output", "input"), x)
        tape = _Teacher(self.side, self._kept)
        with _exact_backward():
            self.side.trace(x, "float64", self._keep, look, tape)
        outputs = [self._kept["output", key]() for key in tape.outputs]
        loss, size = loss_of(outputs, seed)
        self._keep_array(("size tensor", "loss"), size)
        tape.backward(seed)
        emit(("loss", loss))
        if ("gradient", "input") in self._kept:
            emit(("input", self._kept["gradient", "input"]()))
        for name, array in _tensors(self.side, tape.model):
            self._keep_array(("tensor", name), array)
            emit((name, array))
        tape.release()

    def _keep(self, step: Step) -> None:
        self._steps[step.key] = Step(step.path, step.kind, np.empty(0), step.sources, step.feeds)
        self._keep_array(("output", step.key), step.output)

    def _keep_array(self, name: Name, array: Array) -> None:
        self._kept[name] = lambda: array

    def kept(self, what: str, key: str) -> Array | None:
        """What the other side asks for; None is nothing of that name."""
        if what == "greatest":
            gradients = (make() for (kind, _), make in self._kept.items() if kind == "gradient")
            return np.array([max((float(np.abs(array).max(initial=0)) for array in gradients), default=0.0)])
        if what.startswith("size ") and (what, key) not in self._kept:
            return self._size(what.removeprefix("size "), key)
        what, key = ("output", self._source(key)) if what == "source" else (what, key)
        make = self._kept.get((what, key))
        return None if make is None else make()

    def _source(self, key: str) -> str:
        """The step that a step's first input was made by."""
        return f"{key}<0" if f"{key}<0" in self._steps else self._steps[key].sources[0]

    def _size(self, what: str, key: str) -> Array | None:
        """The sizes of the terms of a sum which may cancel: see `forcing.terms`."""
        if what == "gradient":  # the sum of what a step's users send back
            users = [user for user, step in self._steps.items() if key == f"{user}<0" or key in step.sources[:1]]
            return self._sum("input", users)
        path, _, name = key.rpartition(".") if what == "tensor" else key.partition("<")
        name = {"tensor": name, "into": "input", "output": "output"}[what]
        whole = what == "tensor"  # of all calls of the layer
        calls = [step for step in self._steps if step == path or (whole and step.partition("#")[0] == path)]
        if name in STATISTICS or (what == "into" and not key.endswith("<0")):
            return None
        return self._sum(name, calls)

    def _sum(self, name: str, calls: list[str]) -> Array | None:
        found = [sizes[name] for sizes in map(self._terms, calls) if name in sizes]
        return np.sum(found, axis=0) if found else None

    def _terms(self, key: str) -> dict[str, Array]:
        step, gradient = self._steps[key], self.kept("gradient", key)
        if gradient is None or step.kind not in ("conv", "dense", "batch_norm"):
            return {}
        if step.kind != "batch_norm":
            return terms(gradient)
        layer = self.side.model.get_submodule(key.partition("#")[0])
        gamma = None if layer.weight is None else layer.weight.detach().cpu().double().numpy()
        return terms(gradient, self.kept("source", key), gamma, layer.eps)

    def forced_by_itself(self, x: Array, dtype: str, look: Look) -> dict[Name, Measured]:
        """The forced run of this very side: its rounding. Its numbers are kept as "low ..." for the other side."""
        lesson = _Remembering(self.kept, dtype)
        self.run_forced(lesson, x, dtype, look)
        for name, array in lesson.low.items():
            self._keep_array((f"low {name[0]}", name[1]), array)
        return lesson.found

    def run_forced(self, lesson: Lesson, x: Array, dtype: str, look: Look) -> None:
        tape = _Pupil(self.side, dtype)
        self.side.trace(x, dtype, lesson.visit, look, tape)
        lesson.add_gradients(tape.gradients(lesson))
        tensors = _tensors(self.side, tape.model)
        lesson.add_statistics((name, array) for name, array in tensors if name.rpartition(".")[2] in STATISTICS)

    def forget(self) -> None:
        """Free the memory of what was kept."""
        self._kept.clear()
        self._steps.clear()


class _Remembering(Lesson):
    """A Lesson that also keeps the numbers themselves."""

    def __init__(self, teach: Teach, dtype: str) -> None:
        super().__init__(teach, dtype)
        self.low: dict[Name, Array] = {}

    def add(self, name: Name, array: Array | None, theirs: Array) -> None:
        if array is not None and name[0] != "gradient":
            self.low[name] = array
        super().add(name, array, theirs)


@contextmanager
def _exact_backward() -> Iterator[None]:
    """torch's own backward of hardsigmoid takes a sixth in float32, also in float64; relu6(x + 3) / 6 is exact.

    It is what every way to it calls in the end.
    """
    native: Any = torch._C._nn
    own = native.hardsigmoid
    native.hardsigmoid = lambda x: functional.relu6(x + 3) / 6
    try:
        yield
    finally:
        native.hardsigmoid = own


def training_copy(side: Any, dtype: str) -> nn.Module:
    """The model in `dtype` and in training mode; one that is already keeps what in it is frozen by `eval()`.

    Dropout drops nothing: two frameworks cannot draw the same numbers.
    """
    model: nn.Module = copy.deepcopy(side.model).to(side.device, getattr(torch, dtype))
    if not model.training:
        model.train()
    model.zero_grad(set_to_none=True)
    for path, kind, _ in side.found:
        if kind.name == "dropout":
            model.get_submodule(path).eval()
    return model


def _tensors(side: Any, model: nn.Module) -> Iterator[tuple[str, Array]]:
    """Every parameter's gradient (zeros for none) and every running statistic of the copy, by name, in float64."""
    found = [entry._replace(layer=model.get_submodule(entry.path)) for entry in side.found]
    for name, tensor in torch_tensors(found):
        if not isinstance(tensor, nn.Parameter):
            yield name, tensor.detach().cpu().double().numpy().copy()
        else:
            gradient = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
            yield name, gradient.detach().cpu().double().numpy()


class _Teacher:
    """The Tape of the free run: hooks that keep the gradient at every output and into every input."""

    def __init__(self, side: Any, kept: dict[Name, Callable[[], Array]]) -> None:
        self.model = training_copy(side, "float64")
        self.kept = kept
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
        elif x.is_floating_point():
            leaf = x if x.requires_grad else x.detach().requires_grad_()  # what is behind a cut has a gradient too
            shape = codec.array(x).shape
            self.kept["gradient", key] = lambda: np.zeros(shape)  # until the backward pass comes by, if it does
            self._watch(("gradient", key), leaf, codec)
            return x if leaf is x else leaf.clone()  # a leaf cannot be changed in place, and the model may do that
        return x

    def fed(self, feeds: str, x: torch.Tensor, codec: Codec) -> torch.Tensor:
        """The gradient into one user of a tensor, seen on a view. A user that works in place leaves it unseen."""
        if not x.is_floating_point():
            return x
        x = x.view_as(x) if x.requires_grad else x.detach().requires_grad_().clone()
        self._watch(("into", feeds), x, codec)
        return x

    def _watch(self, name: Name, x: torch.Tensor, codec: Codec) -> None:
        def hook(gradient: torch.Tensor) -> None:
            self.kept[name] = lambda: codec.array(gradient)

        self.hooks.append(x.register_hook(hook))  # type: ignore[no-untyped-call]

    def release(self) -> None:
        """Take the hooks off: a graph holds them and they hold the graph, in C++, where no garbage collector looks."""
        for hook in self.hooks:
            hook.remove()
        self.hooks.clear()
        self.outputs.clear()

    def backward(self, seed: int) -> None:
        """From the loss back to everything."""
        for key, (x, codec) in self.outputs.items():
            start = cotangent(codec.array(x).shape, seed)
            self.kept["gradient", key] = lambda start=start: start  # type: ignore[misc]
        found = [(x, codec.like(self.kept["gradient", key](), x)) for key, (x, codec) in self.outputs.items()]
        flowing = [(x, start) for x, start in found if x.requires_grad]
        if flowing:
            torch.autograd.backward([x for x, _ in flowing], [start for _, start in flowing])


class _Pupil:
    """The Tape of a forced run: every step starts from leaves that hold the teacher's numbers."""

    def __init__(self, side: Any, dtype: str) -> None:
        self.model = training_copy(side, dtype)
        self.targets: dict[str, tuple[torch.Tensor, Codec]] = {}
        self.sources: dict[Name, tuple[torch.Tensor, Codec]] = {}
        layers = [entry._replace(layer=self.model.get_submodule(entry.path)) for entry in side.found]
        self.parameters = {name: p for name, p in torch_tensors(layers) if isinstance(p, nn.Parameter)}

    def made(self, key: str, x: torch.Tensor, taught: torch.Tensor | None, codec: Codec) -> torch.Tensor:
        if key != "input" and x.requires_grad:
            self.targets[key] = x, codec
        if not x.is_floating_point() or is_output(key) or (taught is None and key != "input"):
            return x
        leaf = (x if taught is None else taught).detach().requires_grad_()
        self.sources["gradient", key] = leaf, codec
        return leaf.clone()

    def fed(self, feeds: str, x: torch.Tensor, codec: Codec) -> torch.Tensor:
        if not x.requires_grad:
            return x
        x = x.view_as(x)
        self.sources["into", feeds] = x, codec
        return x

    def gradients(self, lesson: Lesson) -> Iterator[tuple[Name, Array | None]]:
        """One backward pass from every step's output, each with the teacher's gradient, to all that was taught."""
        starts = [(lesson.upstream(key), x, codec) for key, (x, codec) in self.targets.items()]
        known = [(x, codec.like(start, x)) for start, x, codec in starts if start is not None]
        trained = {name: p for name, p in self.parameters.items() if p.requires_grad}
        wanted = [*(x for x, _ in self.sources.values()), *trained.values()]
        made = torch.autograd.grad([x for x, _ in known], wanted, [start for _, start in known], allow_unused=True)
        for (name, (_, codec)), gradient in zip(self.sources.items(), made, strict=False):
            yield name, None if gradient is None else codec.array(gradient)
        tensors = dict(zip(trained, made[len(self.sources) :], strict=True))
        for parameter in self.parameters:
            found = tensors.get(parameter)
            yield ("tensor", parameter), None if found is None else found.cpu().double().numpy()
