"""What a whole module that was pickled states of its network: the settings that its parts would have had.

Strides, padding, dilation, groups and eps are attributes of torch's layers, and lie in the file beside the tensors; a
layer without tensors is a name of a class. What the module computes with them, its class alone would tell.
"""

from collections.abc import Mapping
from typing import Any

from .schemes import SCHEMES
from .statements import Statement

Modules = Mapping[str, Mapping[str, Any]]

OTHERS = frozenset(  # classes without tensors that a network of the family has nowhere
    [
        "GELU",
        "SiLU",
        "Mish",
        "ELU",
        "CELU",
        "SELU",
        "LeakyReLU",
        "RReLU",
        "Hardswish",
        "Hardsigmoid",
        "Hardtanh",
        "ReLU6",
        "Softplus",
        "Tanh",
        "Sigmoid",
        "Softmax",
        "LogSoftmax",
        "BlurPool2d",
        "BlurPool",
        "AdaptiveMaxPool2d",
        "Normalize",
    ]
)

POOLED = {"size": "kernel_size", "strides": "stride", "padding": "padding"}

IN_BLOCKS = OTHERS | {"AvgPool2d"}  # which ends a network, too


def module_statement(modules: Modules, paths: Mapping[str, str], subject: str) -> Statement | None:
    """What is stated. paths: of the file's layers, canonical ones by stored ones. None where nothing is."""
    if "layer2.0.bn3" not in paths.values() and "layer2.0.conv3" in paths.values():
        return None  # Dive into Deep Learning's block has no table of settings
    stated: dict[str, Any] = {}
    for stored, path in paths.items():
        stated |= _settings(path, modules.get(stored, {}))
    if not stated:
        return None
    blocks = {stored.rpartition(".")[0] for stored, path in paths.items() if path.startswith("layer")}
    for stored, settings in modules.items():
        name = str(settings.get("class"))
        odd = settings.get("odd") or name in (IN_BLOCKS if stored.rpartition(".")[0] in blocks else OTHERS)
        if odd:
            stated[f"{name} at {stored}"] = True
        if name == "MaxPool2d":
            stated |= {f"max pool {key}": _one(settings.get(theirs)) for key, theirs in POOLED.items()}
    return Statement(subject, "module", tuple(scheme.name for scheme in SCHEMES), stated)


def _settings(path: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    if "eps" in settings:
        return {f"{path} epsilon": settings["eps"]}
    if "stride" not in settings or "kernel_size" not in settings:
        return {}
    keys = {"strides": "stride", "padding": "padding", "dilation": "dilation", "groups": "groups"}
    return {f"{path} {key}": _one(settings.get(theirs)) for key, theirs in keys.items()}


def _one(value: Any) -> Any:
    """(2, 2) as 2."""
    return value[0] if isinstance(value, tuple) and value and value.count(value[0]) == len(value) else value
