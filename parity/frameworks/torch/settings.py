"""The settings of a torch layer, and what its weights were drawn from."""

from typing import Any

from parity.models.layers import Found
from parity.models.settings import Getter, has_bias, listed, rank_of, same_padding

FEWEST = 32  # numbers in a kernel of which a standard deviation says something


def torch_initial(found: Found) -> dict[str, Any] | None:
    """The standard deviation of a torch layer's kernel, and of how many numbers; None for small ones."""
    weight = getattr(found.layer, "weight", None)
    if weight is None or weight.ndim < 2 or weight.numel() < FEWEST:
        return None
    return {"std": float(weight.detach().double().std()), "count": weight.numel()}


def is_fresh(found: list[Found]) -> bool:
    """Whether a torch model's batch norms have seen no batch; without one, nobody can tell, and it is not."""
    norms = [entry.layer for entry in found if entry.kind.name == "batch_norm" and entry.layer.running_mean is not None]
    return bool(norms) and not any(bool(norm.running_mean.any()) for norm in norms)


def torch_static(found: Found) -> dict[str, Any]:
    """The settings named by the layer's kind, read off a torch layer; of a layer with weights, its dtype too."""
    settings = {name: TORCH[name](found.layer) for name in found.kind.static}
    tensors = (getattr(found.layer, name, None) for name, _, _ in found.kind.weights)
    dtype = next((str(x.dtype).removeprefix("torch.") for x in tensors if x is not None), None)
    return settings if dtype is None else settings | {"dtype": dtype}


def _torch_list(name: str, default: Any = None) -> Getter:
    return lambda layer: listed(
        getattr(layer, name) if default is None else getattr(layer, name, default), rank_of(layer)
    )


def _torch_padding(layer: Any) -> Any:
    kernel, stride = listed(layer.kernel_size, rank_of(layer)), listed(layer.stride, rank_of(layer))
    if "Same" in type(layer).__name__ or layer.padding == "same":
        return same_padding(kernel, stride, listed(getattr(layer, "dilation", 1), len(kernel)))
    return [0] * len(kernel) if layer.padding == "valid" else listed(layer.padding, len(kernel))


def _torch_transposed_padding(layer: Any) -> Any:
    """(cut before, cut after) on every axis of a transposed convolution's full output."""
    return [[p, p - extra] for p, extra in zip(layer.padding, layer.output_padding, strict=True)]


def _torch_interpolation(layer: Any) -> str:
    mode = {"bilinear": "linear", "trilinear": "linear"}.get(layer.mode, layer.mode)
    return f"{mode}, corners aligned" if layer.align_corners else str(mode)


def _torch_margins(layer: Any) -> list[list[int]]:
    """(before, after) for every spatial axis; torch counts from the last."""
    padding = list(layer.padding)
    return [padding[i : i + 2] for i in range(len(padding) - 2, -1, -2)]


def _torch_groups_normed(layer: Any) -> int:
    return int(layer.num_groups if hasattr(layer, "num_groups") else layer.num_features)


TORCH: dict[str, Getter] = {
    "kernel_size": _torch_list("kernel_size"),
    "stride": _torch_list("stride"),
    "padding": _torch_padding,
    "transposed_padding": _torch_transposed_padding,
    "margins": _torch_margins,
    "dilation": _torch_list("dilation"),
    "groups": lambda layer: layer.groups,
    "norm_groups": _torch_groups_normed,
    "bias": has_bias,
    "eps": lambda layer: layer.eps,
    "momentum": lambda layer: layer.momentum,
    "interpolation": _torch_interpolation,
    "slope": lambda layer: layer.negative_slope,
    "alpha": lambda layer: float(layer.alpha),
    "approximate": lambda layer: layer.approximate == "tanh",
}
