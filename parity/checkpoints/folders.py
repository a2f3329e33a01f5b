"""A network -> the folder that transformers and timm read as a pretrained model: weights beside a config.json."""

from dataclasses import replace
from typing import Any

from parity.errors import CheckpointError

from .recognize import Architecture
from .schemes import Scheme
from .statements import timm_words, transformers_words

WEIGHTS, CONFIG = "model.safetensors", "config.json"
FREE = ("num_classes", "in_channels", "input_size", "init", "momentum", "zero_init_residual", "classifier_activation")


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
