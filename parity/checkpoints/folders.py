"""A network -> the folder that transformers and timm read as a pretrained model: weights beside a config.json."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from parity.errors import CheckpointError

from .recognize import Architecture
from .schemes import Scheme
from .statements import timm_words, transformers_words
from .tensors import Tensor

WEIGHTS, CONFIG = "model.safetensors", "config.json"
INDEX = f"{WEIGHTS}.index.json"
UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 1 << 10, "MI": 1 << 20, "GI": 1 << 30}
FREE = ("num_classes", "in_channels", "input_size", "init", "momentum", "zero_init_residual", "classifier_activation")


def in_parts(tensors: Sequence[Tensor], most: str, scheme: Scheme) -> dict[str, list[Tensor]]:
    """The tensors of each file, of at most `most` bytes ("100MB") unless one has more; without a size all in one.

    Raises CheckpointError for what is no size, and where several files are needed and the library reads one.
    """
    match = re.fullmatch(r"(\d+)\s*([KMG]I?|)B?", most.upper())
    if most and (match is None or not int(match[1])):
        raise CheckpointError(f"--max-shard-size must be a size, such as 100MB or 5GB, and is {most!r}; give one")
    parts: list[list[Tensor]] = [[]]
    for tensor in tensors:
        filled = sum(each.nbytes for each in parts[-1])
        if match and filled and filled + tensor.nbytes > int(match[1]) * UNITS[match[2]]:
            parts.append([])
        parts[-1].append(tensor)
    if len(parts) == 1:
        return {WEIGHTS: parts[0]}
    if scheme.name == "timm":
        raise CheckpointError("timm reads a folder's weights from one file; leave --max-shard-size out")
    stem = WEIGHTS.removesuffix(".safetensors")
    return {f"{stem}-{i:05}-of-{len(parts):05}.safetensors": part for i, part in enumerate(parts, 1)}


def index_of_parts(parts: dict[str, list[Tensor]]) -> dict[str, Any]:
    """What the index of files says: which file each tensor is in."""
    total = sum(tensor.nbytes for held in parts.values() for tensor in held)
    return {
        "metadata": {"total_size": total},
        "weight_map": {tensor.name: name for name, held in parts.items() for tensor in held},
    }


def configuration(architecture: Architecture, scheme: Scheme) -> dict[str, Any]:
    """What config.json says of a network. Raises CheckpointError where the library has none like it."""
    config = architecture.config
    found = _timm(architecture) if scheme.name == "timm" else _transformers(config, scheme)
    if found is None:
        raise CheckpointError(
            f"--naming {scheme.name} must have a network like {architecture}, and has none; write a file instead"
        )
    return found


def _timm(architecture: Architecture) -> dict[str, Any] | None:
    name = timm_words(architecture.config)["architecture"]
    if not name.startswith(("resnet", "resnext", "wide_resnet")) or name.endswith(("_v1", "_keras", "_d2l")):
        return None
    config = architecture.config
    features = config.widths[-1] * config.expansion
    size = [config.in_channels, *config.image_size]
    said = {"input_size": size, "num_classes": config.num_classes, "first_conv": "conv1", "classifier": "fc"}
    return {
        "architecture": name,
        "num_classes": config.num_classes,
        "num_features": features,
        "pretrained_cfg": said,
        **({"model_args": {"in_chans": config.in_channels}} if config.in_channels != 3 else {}),
    }


def _transformers(config: Any, scheme: Scheme) -> dict[str, Any] | None:
    row = type(config)(config.block, config.depths, config.widths, stride_in_1x1=config.stride_in_1x1)
    plain = replace(config, **{name: getattr(row, name) for name in FREE})
    if plain != row or config.block not in ("basic", "bottleneck"):
        return None
    words = {key: value for key, value in transformers_words(config).items() if key != "eps"}
    headless = scheme.name == "transformers-backbone"
    labels = {str(number): f"LABEL_{number}" for number in range(config.num_classes)}
    named = {} if headless else {"id2label": labels, "label2id": {text: int(key) for key, text in labels.items()}}
    kind = "ResNetModel" if headless else "ResNetForImageClassification"
    return {"model_type": "resnet", "architectures": [kind], **words, **named}
