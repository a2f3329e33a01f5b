"""The graph that a functional or Sequential Keras model writes into its file, beside that of a row of ours.

Read as data: each layer with weights is named as our tables name it, and what stands between it and the ones before
becomes an expression, `max pool(relu(bn1))`. So strides, padding, epsilon, a Rescaling in front, another pooling, order
or activation all show as a setting that differs, and no class is ever looked up.
"""

from collections.abc import Iterator
from typing import Any

from parity.models.kinds import KINDS, named

from .naming import to_canonical
from .schemes import OWN, SCHEMES, Scheme

Node = tuple[str, int]  # a layer's name, and which of its calls

WEIGHTED = {"Conv2D", "BatchNormalization", "Dense"}

UNSEEN = {cls for kind in KINDS if kind.idle and kind.test is None for cls in kind.keras} | {"InputLayer"}

OURS = "resnet_keras>ResNet"  # as Keras registers it

OWN_SCHEME = next(scheme for scheme in SCHEMES if scheme.name == OWN["keras"])

FUNCTIONAL = [scheme for scheme in SCHEMES if scheme.containers]

MOST_TEXT = 200  # characters of an expression, which sharing could let grow without end

MOST_LAYERS = 5_000

MOST_DEPTH = 8  # of models in models


def graphs(described: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """For a model with layers that a table names: the scheme, and what the graph states. Else nothing."""
    names = list(_names(described))
    known = {scheme: sum(_canonical(scheme, name) is not None for name in names) for scheme in FUNCTIONAL}
    for scheme, count in known.items():
        if count and count == max(known.values()):
            yield scheme.name, _Graph(described, scheme).stated


def own_graph(described: Any) -> tuple[dict[str, Any], str] | None:
    """The network of ours that is a layer of a model, as it is described, and the model's output: "network(image)"."""
    found = [layer for layer in every_layer(described) if layer.get("registered_name") == OURS]
    return (found[0], _Graph(described, OWN_SCHEME).stated["output"]) if len(found) == 1 else None


def layers_of(described: Any) -> list[dict[str, Any]]:
    """The layers of a functional or Sequential model; none of anything else."""
    config = described.get("config") if isinstance(described, dict) else None
    layers = config.get("layers") if isinstance(config, dict) else None
    listed = layers if isinstance(layers, list) else []
    return [each for each in listed if isinstance(each, dict) and isinstance(each.get("config"), dict)]


def _names(described: Any) -> Iterator[str]:
    return map(name_of, every_layer(described))


def every_layer(described: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    """The layers of a model and of the models in it."""
    for layer in layers_of(described) if depth < MOST_DEPTH else ():
        yield layer
        yield from every_layer(layer, depth + 1)


def name_of(layer: dict[str, Any]) -> str:
    return str(layer["config"].get("name", layer.get("name", "")))


def _canonical(scheme: Scheme, name: str) -> str | None:
    place = to_canonical(scheme, "vars", f"{name}/vars/0")
    return place.name.rpartition(".")[0] if place else None


def _other_head(described: Any, scheme: Scheme) -> str | None:
    """The name of the only Dense of a model, where the scheme has another word for the head."""
    names = [name_of(layer) for layer in every_layer(described) if layer.get("class_name") == "Dense"]
    return names[0] if len(names) == 1 and _canonical(scheme, names[0]) is None else None


class _Graph:
    """The expressions of a model's tensors, in the order of its layers, and what they and the settings state."""

    def __init__(self, described: dict[str, Any], scheme: Scheme) -> None:
        self.scheme = scheme
        self.stated: dict[str, Any] = {}
        self.count = 0
        self.head = _other_head(described, scheme)
        self.stated["output"] = self._output(described, "image", 0)

    def _output(self, described: dict[str, Any], image: str, depth: int) -> str:
        """What a model makes of `image`; a model inside another is part of it."""
        made: dict[Node, str] = {}
        last: str | None = None
        for layer in layers_of(described):
            self.count += 1
            if self.count > MOST_LAYERS or depth > MOST_DEPTH:
                return "more layers than a network has"
            before = [[] if last is None else [(last, 0)]]  # in a Sequential
            calls = layer.get("inbound_nodes")
            for number, inputs in enumerate(list(_calls(calls)) or ([[]] if calls is not None else before)):
                texts = [_made(made, node) for node in inputs] or [image]
                inner = self._output(layer, ", ".join(texts), depth + 1) if layers_of(layer) else None
                made[name_of(layer), number] = _short(inner or self._expression(layer, texts))
            last = name_of(layer)
        outputs = _nodes(described["config"].get("output_layers") or [[last, 0, 0]])
        return _short(" and ".join(_made(made, node) for node in outputs))

    def _expression(self, layer: dict[str, Any], inputs: list[str]) -> str:
        kind, config, text = str(layer.get("class_name")), layer["config"], ", ".join(inputs)
        path = "fc" if name_of(layer) == self.head else _canonical(self.scheme, name_of(layer))
        if layer.get("registered_name") == OURS:
            return f"network({text})"
        if kind in WEIGHTED and path is not None:
            return self._weighted(kind, config, path, text)
        if kind in UNSEEN or kind.startswith("Random") or (kind == "Flatten" and text.startswith("average(")):
            return text
        if kind in ("Activation", "ReLU"):
            return _activated(_activation(kind, config), text)
        if kind == "ZeroPadding2D":
            return f"padded {_pads(config.get('padding'))}({text})"
        if kind == "MaxPooling2D":
            padding, text = _padding(config, config.get("pool_size"), text)
            sizes = _one(config.get("pool_size")), _one(config.get("strides") or config.get("pool_size"))
            self.stated |= {"max pool size": sizes[0], "max pool strides": sizes[1], "max pool padding": padding}
            return f"max pool({text})"
        if kind == "GlobalAveragePooling2D":
            return f"average({text})"
        if kind == "Add":
            return self._sum(inputs)
        if "stackwise_num_blocks" in config:  # keras_hub's, as one layer: its own statement says what is in it
            self.stated["input of conv1"] = text
            blocks: Any = config["stackwise_num_blocks"]
            return f"relu(layer{len(blocks)}.{blocks[-1] - 1})" if _whole(blocks) else kind
        return f"{kind}({text})"

    def _weighted(self, kind: str, config: dict[str, Any], path: str, text: str) -> str:
        if kind == "Conv2D":
            padding, text = _padding(config, config.get("kernel_size"), text)
            settings = {"strides": _one(config.get("strides", 1)), "padding": padding}
            settings |= {"dilation": _one(config.get("dilation_rate", 1)), "groups": config.get("groups", 1)}
            self.stated |= {f"{path} {key}": value for key, value in settings.items()}
        elif kind == "BatchNormalization":
            self.stated[f"{path} epsilon"] = config.get("epsilon", 1e-3)
        self.stated[f"input of {path}"] = text
        return path if kind == "BatchNormalization" else _activated(_activation("Activation", config), path)

    def _sum(self, inputs: list[str]) -> str:
        """A block's sum is named by its block: that of the last norm that goes into it as it is."""
        blocks = [path.rpartition(".bn")[0] for path in inputs if ".bn" in path and path.startswith("layer")]
        if len(blocks) != 1:
            return f"sum({', '.join(sorted(inputs))})"
        self.stated[f"sum of {blocks[0]}"] = " + ".join(sorted(inputs))
        return blocks[0]


def graph_words(config: Any) -> dict[str, Any]:
    """What the graph of a row states, in the same words: a post-activation residual network, padded evenly."""
    cifar = config.stem == "cifar"
    words: dict[str, Any] = {"input of conv1": "image", "input of bn1": "conv1", "bn1 epsilon": config.eps}
    words |= _settings("conv1", 1 if cifar else 2, 3 if cifar else 7)
    words |= {} if cifar else {"max pool size": 3, "max pool strides": 2, "max pool padding": 1}
    text = "relu(bn1)" if cifar else "max pool(relu(bn1))"
    channels = config.widths[0]
    for stage, (width, depth) in enumerate(zip(config.widths, config.depths, strict=True)):
        for number in range(depth):
            block, stride = f"layer{stage + 1}.{number}", 2 if stage and not number else 1
            projected = stride != 1 or channels != width * config.expansion
            words |= _block_words(config, block, stride, text, projected)
            text, channels = f"relu({block})", width * config.expansion
    words["input of fc"] = f"average({text})"
    head = config.classifier_activation
    words["output"] = (f"{head}(fc)" if head else "fc") if config.num_classes else f"average({text})"
    return words


def module_words(config: Any) -> dict[str, Any]:
    """What a saved module of a row states, in the same words: its layers' settings, and not what computes with them."""
    words = graph_words(config)
    return {key: value for key, value in words.items() if not key.startswith(("input of", "sum of", "output"))}


def _block_words(config: Any, block: str, stride: int, text: str, changes: bool) -> dict[str, Any]:
    kernels = (1, 3, 1) if config.block == "bottleneck" else (3, 3)
    strided = 2 if config.block == "bottleneck" and not config.stride_in_1x1 else 1
    words: dict[str, Any] = {}
    before = text
    for number, kernel in enumerate(kernels, 1):
        groups = config.groups if kernel == 3 else 1
        words |= _settings(f"{block}.conv{number}", stride if number == strided else 1, kernel, groups)
        words[f"input of {block}.conv{number}"] = before
        words[f"input of {block}.bn{number}"] = f"{block}.conv{number}"
        words[f"{block}.bn{number} epsilon"] = config.eps
        before = f"relu({block}.bn{number})"
    other = text
    if config.shortcut == "C" or (config.shortcut == "B" and changes):
        other = f"{block}.downsample.1"
        words |= _settings(f"{block}.downsample.0", stride, 1)
        words[f"input of {block}.downsample.0"] = text
        words[f"input of {other}"] = f"{block}.downsample.0"
        words[f"{other} epsilon"] = config.eps
    words[f"sum of {block}"] = " + ".join(sorted((f"{block}.bn{len(kernels)}", other)))
    return words


def _settings(path: str, stride: int, kernel: int, groups: int = 1) -> dict[str, Any]:
    settings = {"strides": stride, "padding": (kernel - 1) // 2, "dilation": 1, "groups": groups}
    return {f"{path} {key}": value for key, value in settings.items()}


def _made(made: dict[Node, str], node: Node) -> str:
    """A tensor's expression. The calls of a model inside another are counted on from its own making."""
    return made.get(node) or next((text for (name, _), text in reversed(made.items()) if name == node[0]), node[0])


def _calls(value: Any) -> Iterator[list[Node]]:
    for call in value if isinstance(value, list) else ():
        yield list(_nodes(call))


def _nodes(value: Any) -> Iterator[Node]:
    """The tensors that a call takes, of Keras 3's form (`keras_history`) or the older one: name, call, tensor."""
    if isinstance(value, dict):
        for each in value.values():
            yield from _nodes(each)
    elif isinstance(value, list):
        if len(value) >= 3 and isinstance(value[0], str) and isinstance(value[1], int):
            yield value[0], value[1]
        else:
            for each in value:
                yield from _nodes(each)


def _short(text: str) -> str:
    return text if len(text) <= MOST_TEXT else text[:MOST_TEXT] + "..."


def _activated(name: str, text: str) -> str:
    again = named(name).idempotent and text.startswith(f"{name}(")
    return text if name == "linear" or again else f"{name}({text})"


def _activation(kind: str, config: dict[str, Any]) -> str:
    """An activation's name; of a ReLU, with what makes it another."""
    if kind == "Activation":
        given = config.get("activation", "linear")
        inner = given.get("config") if isinstance(given, dict) else given
        return str(inner if isinstance(inner, str) else "linear" if given is None else given)
    changed = {key: config.get(key) for key in ("max_value", "negative_slope", "threshold") if config.get(key)}
    return f"{kind} with {changed} of" if changed else kind.lower()


def _padding(config: dict[str, Any], kernel: Any, text: str) -> tuple[Any, str]:
    """What is padded on each side, by the layer itself and by one before it; and what it is then applied to."""
    before, _, inner = text.partition("(")
    own: Any = 0
    size, strides = _one(kernel), _one(config.get("strides") or kernel)
    if config.get("padding") == "same" and size != 1:
        dilation = _one(config.get("dilation_rate", 1))
        even = strides == 1 and all(isinstance(each, int) for each in (size, dilation)) and size % 2
        own = (size - 1) * dilation // 2 if even else "same, which is uneven"
    if before.startswith("padded "):
        amount: Any = before.removeprefix("padded ")
        return (int(amount) if amount.isdecimal() and own == 0 else f"{amount} and {own}"), inner[:-1]
    return own, text


def _pads(value: Any) -> Any:
    """What ZeroPadding2D adds: one number where all four sides are the same."""
    pairs = value if isinstance(value, list) else [value]
    sides = [side for pair in pairs for side in (pair if isinstance(pair, list) else [pair])]
    return sides[0] if sides and sides.count(sides[0]) == len(sides) else str(value)


def _one(value: Any) -> Any:
    """[2, 2] as 2."""
    return value[0] if isinstance(value, list) and value and value.count(value[0]) == len(value) else value


def _whole(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[-1], int)
