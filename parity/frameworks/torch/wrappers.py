"""What people put around a torch model, and what of it is compared: the module inside, whose layers can be seen."""

import copy
import inspect
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FunctionType
from typing import Any

import torch
from torch import fx, nn
from torch.nn.parameter import is_lazy

from parity.errors import ParityError, few
from parity.frameworks.patch import patch
from parity.models.kinds import kind_of

# What is around a module, the attribute that it is in, and what it is called.
WRAPPERS = (
    ("OptimizedModule", "_orig_mod", "torch.compile"),
    ("DataParallel", "module", "DataParallel"),
    ("DistributedDataParallel", "module", "DistributedDataParallel"),
)
COMPILED = "_compiled_call_impl"  # where `module.compile()` keeps what it has made, beside the module's own forward


def unwrapped(model: nn.Module) -> tuple[nn.Module, tuple[str, ...]]:
    """The module inside all wrappers, and what these are. Raises ParityError for one that has no Python layers."""
    names: list[str] = []
    while (found := _wrapper(model)) is not None:
        attribute, name = found
        names.append(name)
        model = getattr(model, attribute)
    if any(vars(module).get(COMPILED) is not None or _wrapper(module) for module in model.modules()):
        names.append("torch.compile")
    _raise_without_layers(model)
    _raise_on_lazy(model)
    _raise_on_meta(model)
    return model, tuple(dict.fromkeys(names))


def seated(model: nn.Module) -> nn.Module:
    """The module, or, where it is itself one layer, a module that has it: a layer is named in what it is a part of."""
    kind = kind_of(model, "torch")
    if not kind.known:
        return model

    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        return getattr(self, kind.name)(*args, **kwargs)

    own = inspect.signature(model.forward).parameters.values()
    self_parameter = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    forward.__signature__ = inspect.Signature([self_parameter, *own])  # type: ignore[attr-defined]
    seat: nn.Module = type("Seat", (nn.Module,), {"forward": forward})()
    setattr(seat, kind.name, model)
    seat.training = model.training
    return seat


def _wrapper(model: nn.Module) -> tuple[str, str] | None:
    """By the class's name: torch.compile's own is not imported for a model that is not compiled."""
    classes = {cls.__name__ for cls in type(model).__mro__ if cls.__module__.startswith("torch.")}
    return next(((attribute, name) for cls, attribute, name in WRAPPERS if cls in classes), None)


def _raise_without_layers(model: nn.Module) -> None:
    if isinstance(model, torch.jit.ScriptModule):
        raise ParityError(
            "the torch model must be a module whose forward is Python, and is a TorchScript one, made by "
            "torch.jit.trace or torch.jit.script, whose layers cannot be seen as they run; pass the module that it was "
            "made from, with its weights"
        )
    if isinstance(model, fx.GraphModule) and not _calls_layers(model):
        raise ParityError(
            "the torch model must be made of layers, and is an exported graph of operations (torch.export), in which "
            "there are none; pass the module that it was made from, with its weights"
        )


def _raise_on_meta(model: nn.Module) -> None:
    held = (*model.named_parameters(), *model.named_buffers())
    if meta := [name for name, tensor in held if tensor.is_meta]:
        raise ParityError(
            f"the torch model must hold numbers, and the meta device, which has none, is where {few(meta)} lie; "
            "make it with `model.to_empty(device='cpu')` and load its weights"
        )


def _raise_on_lazy(model: nn.Module) -> None:
    lazy = [name for name, x in (*model.named_parameters(), *model.named_buffers()) if is_lazy(x)]
    if lazy:
        raise ParityError(
            f"the torch model must have its weights, and those of {few(lazy)} are made in its first run (Lazy layers); "
            "run it once on its input first"
        )


def _calls_layers(model: fx.GraphModule) -> bool:
    """Whether a graph calls modules that hold its parameters; one that was exported reads them itself."""
    called = (model.get_submodule(str(node.target)) for node in model.graph.nodes if node.op == "call_module")
    return any(any(True for _ in module.parameters()) for module in called)


@contextmanager
def uncompiled(model: nn.Module) -> Iterator[None]:
    """Let every module in the model run its own forward, which can be seen; then what it had is put back."""
    with ExitStack() as stack:
        for module in list(model.modules()):
            if vars(module).get(COMPILED) is not None:
                stack.callback(patch(module, COMPILED, None))
            inside: Any = vars(module).get("_modules", {}).get("_orig_mod")
            if inside is not None and _wrapper(module) is not None:
                stack.callback(patch(module, "forward", inside.__call__))
        yield


def training_copy(model: nn.Module) -> nn.Module:
    """A copy in training mode: a model that is in it already keeps what its user has frozen.

    Norms are frozen by `eval()` on them alone, in a constructor or a `train` of one's own, which is called where the
    whole model is in evaluation mode. Raises ParityError for a model that cannot be copied.
    """
    for path, module in model.named_modules():
        own = vars(module).get("forward")
        if isinstance(own, FunctionType) and own.__closure__ and _wrapper(module) is None:
            raise ParityError(
                f"{path or 'the torch model'} must be copied to be trained, and has a forward of its own, set on it, "
                "whose variables the copy would share; set a method of a class, or a bound one (types.MethodType)"
            )
    made = copy.deepcopy(model)
    return made if made.training else made.train()
