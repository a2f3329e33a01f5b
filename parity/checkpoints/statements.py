"""What a file says of its own network, beside its tensors, in the words of the library that wrote it.

Names and shapes leave out strides, pooling, activations and the order of a block: networks that differ in them have
the same tensors. keras_hub's archives and presets, and transformers' and timm's folders, hold a configuration that
states them.
Each table below says in a library's words what it would state of a row of ours; what is stated otherwise is another
network. The configuration is data: no class that it names is ever looked up.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from parity.errors import CheckpointError
from parity.models.targets import head_activations, variants

from .graph import graph_words, graphs, module_words, own_graph

IDLE: tuple[Any, ...] = (None, False, 0, [], {})  # of a setting that is not known: as if it were not there

MOST_SHOWN = 90  # characters of a value

MOST_LISTED = 3  # differences in a sentence

HEAD_NOTE = (
    "the head ends in {0}, which no weights hold: a file of weights gives logits; build the model with "
    "classifier_activation='{0}'"
)


@dataclass(frozen=True)
class Statement:
    """What `subject` states, by the names of its settings; `options` are the builder's that follow from it.

    `library` tells whose words these are, and `schemes` under which names of tensors they count.
    """

    subject: str
    library: str
    schemes: tuple[str, ...]
    stated: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def differences(self, config: Any) -> list[str]:
        """Each setting that is not the network's of that configuration, with what would be."""
        wanted = WORDS[self.library](config)
        odd = {key: value for key, value in self.stated.items() if key not in wanted and value not in IDLE}
        wrong = {key: value for key, value in self.stated.items() if key in wanted and value != wanted[key]}
        texts = [f"{key} is {_shown(value)} and not {_shown(wanted[key])}" for key, value in wrong.items()]
        return texts + [f"{key} is {_shown(value)}, which nothing here has" for key, value in odd.items()]


def refused(statement: Statement, name: str, config: Any) -> CheckpointError:
    """The error for a file whose tensors are those of a variant, and whose own statement is not."""
    found = statement.differences(config)
    more = f"; and {len(found) - MOST_LISTED} more" if len(found) > MOST_LISTED else ""
    return CheckpointError(
        f"{statement.subject} must state a network that can be written, and states another than the nearest, {name}: "
        f"{'; '.join(found[:MOST_LISTED])}{more}; nothing was written: use it in its own library"
    )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "..."


def _keras_hub_words(config: Any) -> dict[str, Any]:
    """What keras_hub 0.32's ResNetBackbone and ImageClassifier state of a network: strides in the 3x3, eps 1e-5."""
    blocks = {"basic": "basic_block", "bottleneck": "bottleneck_block"}
    return {
        "input_conv_filters": [config.widths[0]],
        "input_conv_kernel_sizes": [7] if config.stem == "imagenet" else "none like this",
        "stackwise_num_filters": list(config.widths),
        "stackwise_num_blocks": list(config.depths),
        "stackwise_num_strides": [1] + [2] * (len(config.depths) - 1),
        "block_type": blocks.get(config.block, "none like this"),
        "use_pre_activation": False,
        "groups": config.groups,
        "stride": "in the 1x1" if config.stride_in_1x1 else "in the 3x3",
        "epsilon": config.eps,
        "num_classes": config.num_classes,
        "pooling": "avg",
        "activation": config.classifier_activation,
    }


def transformers_words(config: Any) -> dict[str, Any]:
    """What transformers' ResNetConfig states of a network; its norms have torch's eps."""
    return {
        "num_channels": config.in_channels,
        "embedding_size": config.widths[0],
        "hidden_sizes": [width * config.expansion for width in config.widths],
        "depths": list(config.depths),
        "layer_type": config.block,
        "hidden_act": "relu",
        "downsample_in_first_stage": False,
        "downsample_in_bottleneck": config.stride_in_1x1,
        "eps": config.eps,
    }


def timm_words(config: Any) -> dict[str, Any]:
    """What timm's config.json states of a network: its name alone, and what was changed about it."""
    names = [name for name, row in variants().items() if replace(row, **_sizes(config)) == config]
    return {"architecture": names[0] if names else "none like this", "global_pool": "avg", "model_args": {}}


def _sizes(config: Any) -> dict[str, Any]:
    return {name: getattr(config, name) for name in ("num_classes", "in_channels", "input_size")}


def _own_words(config: Any) -> dict[str, Any]:
    """What a model around a network of ours states: that nothing is around it."""
    return {"output": "network(image)"}


WORDS = {
    "graph": graph_words,
    "module": module_words,
    "own": _own_words,
    "keras_hub": _keras_hub_words,
    "transformers": transformers_words,
    "timm": timm_words,
}

BACKBONE = {"stackwise_num_strides", "stackwise_num_blocks", "block_type"}  # what tells keras_hub's, whatever its class

BESIDE = {"name", "trainable", "dtype", "image_shape", "data_format", "head_dtype", "backbone", "preprocessor"}

TIMM = re.compile(r"(?:tv_|ssl_|swsl_|gluon_)?(\w+?)(?:_v1b)?(?:\..*)?")  # a name with where its weights are from

TRANSFORMERS = {  # the library's own values, for settings that a configuration leaves out
    "embedding_size": 64,
    "hidden_sizes": [256, 512, 1024, 2048],
    "depths": [3, 4, 6, 3],
    "layer_type": "bottleneck",
    "hidden_act": "relu",
    "downsample_in_first_stage": False,
    "downsample_in_bottleneck": False,
}


def statements(described: Any, subject: str) -> list[Statement]:
    """What a configuration, parsed from JSON, states of residual networks: nothing where no table knows its words.

    Raises CheckpointError for one that is nested too deep to be a network's.
    """
    try:
        found = [_keras_hub(config, task, subject) for config, task in _backbones(described, {})]
        found += [_graph(scheme, stated, subject) for scheme, stated in graphs(described)]
        found += _around_ours(described, subject)
    except RecursionError:
        raise CheckpointError(f"{subject} must describe a network, and is nested too deep for one; refused") from None
    if isinstance(described, dict) and described.get("model_type") == "resnet":
        stated = {key: described.get(key, value) for key, value in TRANSFORMERS.items()} | {"eps": 1e-5}
        found.append(Statement(subject, "transformers", ("transformers", "transformers-backbone"), stated))
    if isinstance(described, dict) and isinstance(described.get("architecture"), str) and "pretrained_cfg" in described:
        found.append(_timm(described, subject))
    return found


def _around_ours(described: Any, subject: str) -> list[Statement]:
    """What a model states in which a network of ours is a layer."""
    found = own_graph(described)
    if found is None:
        return []
    match = re.fullmatch(r"(\w+)\((network\(image\))\)", found[1])
    head = _heads().get(match[1]) if match else None
    output, options = (match[2], {"classifier_activation": head}) if match and head else (found[1], {})
    notes = (HEAD_NOTE.format(head),) if head else ()
    return [Statement(subject, "own", ("resnet_keras",), {"output": output}, options, notes)]


def _graph(scheme: str, stated: dict[str, Any], subject: str) -> Statement:
    """A graph's statement; the activation that it ends in is an option, and a map of features stands for its mean."""
    output = stated["output"]
    name, _, inner = output.partition("(")
    head = _heads().get(name) if inner == "fc)" else None
    if re.fullmatch(r"relu\(layer\d+\.\d+\)", output):
        stated = stated | {"output": f"average({output})"}
    notes = (HEAD_NOTE.format(head),) if head else ()
    return Statement(subject, "graph", (scheme,), stated, {"classifier_activation": head} if head else {}, notes)


def _timm(described: dict[str, Any], subject: str) -> Statement:
    match = TIMM.fullmatch(described["architecture"])
    stated = {"architecture": match[1] if match else described["architecture"]}
    stated |= {key: described[key] for key in ("global_pool", "model_args") if described.get(key)}
    return Statement(subject, "timm", ("torchvision", "timm"), stated)


def _backbones(value: Any, task: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every configuration of a keras_hub ResNet in it, with that of the task that it is the backbone of."""
    if isinstance(value, dict):
        if value.keys() >= BACKBONE:
            yield value, task
            return
        inner = value if "backbone" in value else task
        for each in value.values():
            yield from _backbones(each, inner)
    elif isinstance(value, list):
        for each in value:
            yield from _backbones(each, task)


def _keras_hub(backbone: dict[str, Any], task: dict[str, Any], subject: str) -> Statement:
    stated = {key: value for key, value in (backbone | task).items() if key not in BESIDE}
    notes, options = [], {}
    dropout = stated.pop("dropout", 0)
    if dropout:
        notes.append(f"dropout {_shown(dropout)} before the head, which acts in training alone, is not carried")
    if task.get("preprocessor"):
        notes.append("the preprocessor beside the network is not carried: give both models what it makes of an image")
    if "activation" in stated:
        stated["activation"] = _activation(stated["activation"])
        if stated["activation"] is not None and stated["activation"] in head_activations():
            options["classifier_activation"] = stated["activation"]
            notes.append(HEAD_NOTE.format(stated["activation"]))
    for key, each in (("dtype", backbone.get("dtype")), ("head_dtype", task.get("head_dtype"))):
        policy = each.get("config", {}) if isinstance(each, dict) else {"name": each}
        name = policy.get("name") if isinstance(policy, dict) else policy
        if name not in (None, "float32"):
            notes.append(f"computed in {_shown(name)} there ({key}), in the policy that is set here")
    stated |= {"stride": "in the 3x3", "epsilon": 1e-5}
    return Statement(subject, "keras_hub", ("keras-hub",), stated, options, tuple(notes))


def _heads() -> dict[str | None, str | None]:
    """What a network may end in, by Keras's words for it."""
    return {"linear": None} | {name: name for name in head_activations()}


def _activation(value: Any) -> Any:
    """An activation's name, of the forms that Keras writes: a name, or an object with one."""
    if isinstance(value, dict):
        inner = value.get("config")
        value = inner if isinstance(inner, str) else str(value.get("class_name", value)).lower()
    return _heads().get(value, value) if isinstance(value, str | None) else value
