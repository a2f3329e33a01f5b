"""Fold batch norms into the convolutions before them, in PyTorch. Lay it beside `resnet_keras/fold.py`.

In inference a norm is a scale and a shift per channel, gamma (x - mean) / sqrt(variance + eps) + beta, and so can be
part of the convolution whose output it takes: the scale multiplies the kernel's outputs, the rest is the bias.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, fx, nn

from .layers import Conv2d, Conv2dSame

CONVOLUTIONS = (nn.Conv2d, Conv2d, Conv2dSame)  # these classes alone: a subclass may compute something else
NORMS = (nn.BatchNorm2d,)


def fold_batch_norm(model: Any) -> Any:
    """A new model for inference, with every norm folded into the convolution that it follows; channels_last.

    model: any module in evaluation mode; it is not changed. Where a norm was is an identity, so all paths stay, and
    the output of the convolution is now the norm's. Folding is computed in float64 and stored in the model's dtype.
    A norm stays where it takes anything but the output of one convolution, or is not alone in taking it.
    Raises ValueError where nothing can be folded, and for a model in training mode or without its weights.
    """
    _require_inference(model)
    pairs = norms_after_convolutions(model)
    if not pairs:
        raise ValueError(f"{type(model).__name__}: no batch norm follows a convolution, so there is nothing to fold")
    folded = deepcopy(model).requires_grad_(False)
    for conv_path, norm_path in pairs:
        conv, norm = folded.get_submodule(conv_path), folded.get_submodule(norm_path)
        dtype = conv.weight.dtype
        for name, tensor in zip(("weight", "bias"), folded_weights(conv, norm), strict=True):
            setattr(conv, name, nn.Parameter(tensor.to(dtype), requires_grad=False))
        for path, module in list(folded.named_modules(remove_duplicate=False)):  # one norm may have several paths
            if module is norm:
                folded.set_submodule(path, nn.Identity().eval())
    return folded.to(memory_format=torch.channels_last)


def folded_weights(conv: Any, norm: Any) -> tuple[Tensor, Tensor]:
    """The kernel (out, in / groups, kH, kW) and bias (out,) that do the work of both, in float64."""
    kernel, mean, variance = conv.weight.double(), norm.running_mean.double(), norm.running_var.double()
    scale = 1 / torch.sqrt(variance + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    bias = -mean if conv.bias is None else conv.bias.double() - mean
    shift = 0.0 if norm.bias is None else norm.bias.double()
    return kernel * scale[:, None, None, None], bias * scale + shift


def norms_after_convolutions(model: nn.Module) -> list[tuple[str, str]]:
    """The paths of each convolution and its norm: the norm takes nothing but its output, and nothing else takes that.

    Told by the flow of tensors, not by names. Raises ValueError where torch.fx cannot follow the flow.
    """
    try:
        nodes = list(_Tracer().trace(model).nodes)
    except (fx.proxy.TraceError, TypeError) as error:
        raise ValueError(
            f"{type(model).__name__}: torch.fx cannot follow its forward ({error}); fold its parts"
        ) from None
    calls: dict[Any, list[fx.Node]] = {}
    for node in nodes:
        if node.op == "call_module":
            calls.setdefault(node.target, []).append(node)
    pairs = []
    for path, called in calls.items():
        takers = {user.target if user.op == "call_module" else user for node in called for user in node.users}
        norm = takers.pop() if len(takers) == 1 else None
        if isinstance(norm, str) and all(node.args and node.args[0] in called for node in calls[norm]):
            pairs.append((path, norm))
    return [pair for pair in pairs if _foldable(*map(model.get_submodule, pair))]


def _foldable(conv: Any, norm: Any) -> bool:
    if type(conv) not in CONVOLUTIONS or type(norm) not in NORMS:
        return False
    return norm.running_mean is not None and "weight" in conv._parameters  # hooks of torch.nn.utils may compute it


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return not list(m.children()) or super().is_leaf_module(m, module_qualified_name)


def _require_inference(model: Any) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"fold_batch_norm takes a torch.nn.Module, got {type(model).__name__}")
    name = type(model).__name__
    if any(module.training for module in model.modules()):
        raise ValueError(f"{name} is in training mode, and folded norms cannot train; call model.eval() first")
    if any(nn.parameter.is_lazy(parameter) for parameter in model.parameters()):
        raise ValueError(f"{name} has layers without weights; call it on an input first")
