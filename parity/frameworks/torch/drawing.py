"""A torch module or function that draws in training -> what it draws, in its input's axes; and a run that has it."""

import inspect
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch.overrides import TorchFunctionMode

from parity.frameworks.drawing import Draw
from parity.models.kinds import FUNCTIONS
from parity.models.kinds.idle import drawing_class, noise_of, rate_of
from parity.models.kinds.noise import Noise
from parity.models.layers import Found

from .recurrent import Direction, in_levels, owner_of


def noise_of_module(found: Found, tensors: list[Any]) -> Noise | None:
    """What a module draws for its input; None where it draws nothing, or by a program of its own."""
    name = drawing_class(found.layer, found.kind, "torch")
    if not name or not tensors or not found.kind.idle or getattr(found.layer, "scale_by_keep", True) is False:
        return None
    whole = getattr(found.layer, "mode", "") == "batch"
    shape = tuple(tensors[0].shape)
    wanted = (1,) * len(shape) if whole else None
    return noise_of(name, rate_of(found.layer, found.kind), shape, False, wanted)


def noise_of_function(function: Callable[..., Any], name: str, args: Any, kwargs: Any) -> Noise | None:
    """What a function of torch's draws when it is called in training."""
    try:
        given = inspect.signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError):  # a built-in, which is called from within one that has a signature
        return None
    given.apply_defaults()
    return noise_of(name, float(given.arguments.get("p", 0.0)), tuple(given.arguments["input"].shape), False)


def is_replayed(found: Found) -> bool:
    """Whether what a module draws can be drawn for it."""
    return bool(found.kind.draws and found.kind.idle and drawing_class(found.layer, found.kind, "torch"))


class Replaying:
    """A model's runs in training that draw what is given. found: its layers. draws: by their steps' names."""

    def __init__(self, found: list[Found], draws: dict[str, Draw]) -> None:
        self.draws, self.step, self.calls, self.inside = draws, 0, Counter[str](), 0
        paths = {entry.path for entry in found}
        self.functions = [raw for raw in draws if raw.partition("#")[0] not in paths]
        for levels in _dropping(found):
            owner = owner_of(levels[0].layer)
            owner.forward = in_levels(levels, owner.forward)
        for entry in found:
            if isinstance(entry.layer, Direction) and entry.layer.dropout:
                continue  # it calls what draws
            if is_replayed(entry):
                entry.layer.forward = partial(self._module, entry.path, entry.layer)
            elif self.functions:
                entry.layer.register_forward_pre_hook(partial(self._enter, 1))
                entry.layer.register_forward_hook(partial(self._enter, -1))

    @contextmanager
    def running(self, step: int) -> Iterator[None]:
        """The pass of a step, the first being 0."""
        self.step, self.calls, self.inside = step, Counter(), 0
        with _Ear(self):
            yield

    def _enter(self, by: int, *_: Any) -> None:
        self.inside += by

    def _module(self, path: str, module: Any, x: Any) -> Any:
        self.calls[path] += 1
        raw = path if self.calls[path] == 1 else f"{path}#{self.calls[path]}"
        drawn = module.training and raw in self.draws
        return self.draws[raw].applied(x, step=self.step) if drawn else x

    def function(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """What a function gives: one that draws, of those that the model calls itself, draws what is given."""
        name = getattr(function, "__name__", "").strip("_")
        kind = FUNCTIONS.get(name)
        if kind is None or not (kind.draws and kind.idle) or self.inside:
            return function(*args, **kwargs)
        noise = noise_of_function(function, name, args, kwargs)
        given = inspect.signature(function).bind(*args, **kwargs).arguments if noise else {}
        if noise is None or given.get("training") is False or self.calls[""] >= len(self.functions):
            return function(*args, **kwargs)
        self.calls[""] += 1
        return self.draws[self.functions[self.calls[""] - 1]].applied(given["input"], step=self.step)


def _dropping(found: list[Found]) -> list[list[Found]]:
    """The levels of every recurrent module that drops numbers between them."""
    owners: dict[int, list[Found]] = {}
    for entry in found:
        if isinstance(entry.layer, Direction):
            owners.setdefault(id(owner_of(entry.layer)), []).append(entry)
    return [levels for levels in owners.values() if owner_of(levels[0].layer).dropout]


class _Ear(TorchFunctionMode):
    def __init__(self, replaying: Replaying) -> None:
        super().__init__()
        self.replaying = replaying

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.replaying.function(func, args, kwargs or {})
