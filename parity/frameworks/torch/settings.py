"""A torch layer goes in; its settings, and what its weights were drawn from, come out."""

from typing import Any

from torch import nn

from parity.models.kinds.settings import ABSENT
from parity.models.layers import Found

FEWEST = 32  # numbers in a kernel of which a standard deviation says something


def torch_initial(found: Found) -> dict[str, Any] | None:
    """The standard deviation of a torch layer's kernel, and of how many numbers; None for small ones."""
    weight = getattr(found.layer, "weight", None)
    if weight is None or weight.ndim < 2 or weight.numel() < FEWEST:
        return None
    return {"std": float(weight.detach().double().std()), "count": weight.numel()}


def is_fresh(found: list[Found]) -> bool:
    """Whether a torch model's batch norms have seen no batch; without one, nobody can tell, and it is not."""
    norms = [layer for _, kind, layer in found if kind.normalises == "batch" and layer.running_mean is not None]
    return bool(norms) and not any(bool(norm.running_mean.any()) for norm in norms)


def torch_trained(found: Found) -> dict[str, Any]:
    """What a torch layer says of training: which of its tensors an optimizer may move."""
    tensors = ((name, getattr(found.layer, name, None)) for name, _, _ in found.kind.weights)
    trainable = {name: bool(x.requires_grad) for name, x in tensors if isinstance(x, nn.Parameter)}
    return {"trainable": trainable} if trainable else {}


def torch_static(found: Found) -> dict[str, Any]:
    """The settings named by the layer's kind, read off a torch layer; of a layer with weights, its dtype too."""
    stated = ((setting.name, setting.torch(found.layer)) for setting in found.kind.settings)
    settings = {name: value for name, value in stated if value is not ABSENT}
    tensors = (getattr(found.layer, name, None) for name, _, _ in found.kind.weights)
    dtype = next((str(x.dtype).removeprefix("torch.") for x in tensors if x is not None), None)
    return settings if dtype is None or found.kind.bare else settings | {"dtype": dtype}
