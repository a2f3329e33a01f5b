"""A torch model whose weights are computed from others -> the same with the weights that come out, and what was done.

Weight norm, spectral norm, orthogonal weights and pruning hold other tensors than the layer multiplies by, and in
evaluation a layer is what it multiplies by. torch itself can put that in their place (`remove_parametrizations`,
`remove_weight_norm`, `prune.remove`): here in a copy, so that the user's model keeps its own.
"""

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from parity.errors import ParityError

# Classes, in torch.nn.utils, of hooks that compute a weight before a module runs; the ends of what they hold for it.
HOOKS = frozenset({"WeightNorm", "SpectralNorm", "BasePruningMethod"})
PARAMETERS = ("_g", "_v", "_orig")
BUFFERS = ("_u", "_v", "_mask")


def effective(model: nn.Module) -> tuple[nn.Module, tuple[str, ...]]:
    """The model itself where all weights are its own; else a copy that has them, and "what: path" of each.

    Raises ParityError for a weight that cannot be put in its place.
    """
    found = list(_computed(model))
    if not found:
        return model, ()
    with _without_results(model, found):
        made = copy.deepcopy(model)
    for path, name, how in found:
        _settle(made.get_submodule(path), path, name, how)
    return made, tuple(f"{name} is what {how} makes of others, in evaluation: {path}" for path, name, how in found)


def _computed(model: nn.Module) -> Iterator[tuple[str, str, str]]:
    """(path, tensor, what computes it) for every tensor that is made of others before a layer runs."""
    for path, module in model.named_modules():
        if parametrize.is_parametrized(module):
            made: Any = module.parametrizations
            for name, each in made.items():
                yield path, name, _called(each[-1])
        for hook in module._forward_pre_hooks.values():
            kinds = {cls.__name__ for cls in type(hook).__mro__} & HOOKS
            if kinds and type(hook).__module__.startswith("torch.nn.utils"):
                yield path, _tensor(hook), _called(hook)


def _tensor(hook: Any) -> str:
    """The name of the tensor that a hook computes."""
    return str(getattr(hook, "name", None) or getattr(hook, "_tensor_name", None))


def _called(maker: Any) -> str:
    return type(maker).__name__.lstrip("_")


@contextmanager
def _without_results(model: nn.Module, found: list[tuple[str, str, str]]) -> Iterator[None]:
    """What a hook has computed is no leaf, which cannot be copied; it is computed anew before it is read."""
    with ExitStack() as stack:
        for path, name, _ in found:
            held = vars(model.get_submodule(path))
            if name in held:
                stack.callback(held.__setitem__, name, held.pop(name))
        yield


def _settle(module: nn.Module, path: str, name: str, how: str) -> None:
    """Put what comes out in a tensor's place."""
    mode, module.training = module.training, False  # training mode moves spectral norm's vectors
    try:
        if parametrize.is_parametrized(module, name):
            module.__class__ = _own_class(type(module))
            parametrize.remove_parametrizations(module, name, leave_parametrized=True)
            return
        for number, hook in list(module._forward_pre_hooks.items()):
            if _tensor(hook) == name and _called(hook) == how:
                _unhook(module, number, name)
    except Exception as error:
        raise ParityError(
            f"{path}.{name} is computed from other tensors ({how}), and what comes out cannot be put in its place: "
            f"{error}; do that in the model first"
        ) from error
    finally:
        module.training = mode


def _own_class(cls: Any) -> Any:
    """A class like that of a parametrized module: torch takes the tensor's property from it, which is of all copies."""
    own = {name: value for name, value in vars(cls).items() if name not in ("__dict__", "__weakref__")}
    return type(cls)(cls.__name__, cls.__bases__, own)


def _unhook(module: Any, number: int, name: str) -> None:
    """Let a hook compute its tensor once more, and take that for a parameter, and the hook and what it holds away."""
    with torch.no_grad():
        module._forward_pre_hooks.pop(number)(module, ())
        value = getattr(module, name).detach().clone()
    vars(module).pop(name, None)
    for rest in PARAMETERS:
        module._parameters.pop(f"{name}{rest}", None)
    for rest in BUFFERS:
        module._buffers.pop(f"{name}{rest}", None)
    module._parameters[name] = nn.Parameter(value)
