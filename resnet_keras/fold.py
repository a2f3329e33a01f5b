"""Fold batch norms into the convolutions before them, in Keras. Lay it beside `resnet_torch/fold.py`.

In inference a norm is a scale and a shift per channel, gamma (x - mean) / sqrt(variance + eps) + beta, and so can be
part of the convolution whose output it takes: the scale multiplies the kernel's outputs, the rest is the bias.
"""

from functools import reduce
from typing import Any

import keras
import numpy as np

from .base import Traced, named_layers
from .layers import BatchNormalization, Conv2D

CONVOLUTIONS = (Conv2D,)  # these classes alone: a subclass may compute something else
NORMS = (BatchNormalization, keras.layers.BatchNormalization)


def fold_batch_norm(model: Any) -> Any:
    """A new model for inference, with every norm folded into the convolution that it follows.

    model: a network or a block, built; it is not changed. Where a norm was is an identity, so all paths stay, and
    the output of the convolution is now the norm's. Folding is computed in float64 and stored in the model's dtype.
    A norm stays where it takes anything but the output of one convolution, or is not alone in taking it.
    Raises ValueError where nothing can be folded, and for a model without its weights.
    """
    _require_weights(model)
    pairs = norms_after_convolutions(model)
    if not pairs:
        raise ValueError(f"{type(model).__name__}: no batch norm follows a convolution, so there is nothing to fold")
    folded = type(model).from_config(model.get_config() | {"folded": (*model.folded, *pairs)})
    if not folded.built:
        folded.build_from_config(model.get_build_config())
    layers, destinations, norms = dict(named_layers(model)), dict(named_layers(folded)), dict(pairs)
    for path in layers.keys() - norms.values():
        tensors: dict[str, Any] = {}
        layers[path].save_own_variables(tensors)
        if path in norms:
            tensors["0"], tensors["1"] = folded_weights(layers[path], layers[norms[path]])
        destinations[path].load_own_variables(tensors)
    folded.trainable = False
    return folded


def folded_weights(conv: Any, norm: Any) -> tuple[np.ndarray, np.ndarray]:
    """The kernel (kH, kW, in / groups, out) and bias (out,) that do the work of both, in float64."""
    kernel, mean, variance = map(_double, (conv.kernel, norm.moving_mean, norm.moving_variance))
    scale = 1 / np.sqrt(variance + norm.epsilon)
    if norm.gamma is not None:
        scale = scale * _double(norm.gamma)
    bias = -mean if conv.bias is None else _double(conv.bias) - mean
    shift = 0.0 if norm.beta is None else _double(norm.beta)
    return kernel * scale, bias * scale + shift


def _double(variable: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable).astype("float64")


def norms_after_convolutions(model: Traced) -> list[tuple[str, str]]:
    """The paths of each convolution and its norm: the norm takes nothing but its output, and nothing else takes that.

    Told by the flow of tensors, not by names: by the nodes that Keras recorded when the model was built.
    """
    layers = dict(named_layers(model))
    paths = {layer: path for path, layer in layers.items() if reduce(_attribute, path.split("."), model) is layer}
    returned = {id(operation) for layer in layers.values() for operation in _makers(vars(layer).get("returned", ()))}
    pairs = []
    for conv, path in paths.items():
        takers = {node.operation for node in conv._outbound_nodes}
        norm = takers.pop() if len(takers) == 1 else None
        if norm in paths and id(conv) not in returned and _foldable(conv, norm):
            pairs.append((path, paths[norm]))
    return pairs


def _attribute(layer: Any, name: str) -> Any:
    return getattr(layer, name, None)


def _makers(tensors: Any) -> list[Any]:
    """The layers and operations that gave these symbolic tensors."""
    return [tensor._keras_history.operation for tensor in tensors]


def _foldable(conv: Any, norm: Any) -> bool:
    if type(conv) not in CONVOLUTIONS or type(norm) not in NORMS or conv.activation is not keras.activations.linear:
        return False
    calls = [node.arguments for node in norm._inbound_nodes]
    fed_by_conv = all(_makers(call.keras_tensors) == [conv] and not call.kwargs.get("training") for call in calls)
    return fed_by_conv and norm.axis in (-1, 3)


def _require_weights(model: Any) -> None:
    if not isinstance(model, Traced):
        raise TypeError(f"fold_batch_norm takes a network or a block of {__package__}, got {type(model).__name__}")
    if not model.built:
        raise ValueError(f"{type(model).__name__} has layers without weights; call it on an input first")
