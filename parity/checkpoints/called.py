"""What a file calls its network, in words beside its tensors or in its own name -> the variant, or what it is instead.

Some networks have every tensor of one of ours and compute something else; then a name is all that tells. A name of ours
chooses among variants that share all tensors, and nothing more: names are given freely, shapes are not.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from parity.errors import CheckpointError, short
from parity.models.targets import variants

KEYS = ("arch", "architecture", "model_name", "model", "backbone", "encoder", "network", "net", "name", "base_model")

INSIDE = (
    "args",
    "hyper_parameters",
    "hparams",
    "config",
    "opt",
    "cfg",
    "meta",
    "config.json",
)  # where training scripts keep them

MOST_TEXT = 200  # characters of a name

MOST_JSON = 1 << 20  # characters

FROM = re.compile(
    r"^(?:timm/|hf[-_]hub:|.*/)?(?:tv_|ssl_|swsl_|gluon_)?(.*?)(?:_v1b)?(?:\..*)?$"
)  # where weights are from

OTHERS: tuple[tuple[re.Pattern[str], str], ...] = (  # networks with exactly the tensors of ours
    (re.compile(r"res(?:net|next)aa\d"), "averages where ours strides (anti-aliased)"),
    (re.compile(r"res(?:net|next)blur\d|antialiased"), "blurs before it strides"),
    (
        re.compile(r"deeplab|(?<![a-z])fcn_?res|pspnet|(?<![a-z])drn\W|dilated|(?<![a-z0-9])dc5(?![a-z0-9])"),
        "dilates its last stages",
    ),
    (re.compile(r"(?<![a-z])caffe(?!2)"), "strides in its first 1x1 as Caffe's do, and may pool otherwise,"),
    (re.compile(r"res(?:net|next)\d+\w*[-_](?:gelu|silu|swish|mish|elu|leaky)"), "has another activation"),
)


class Name(NamedTuple):
    """A name and where it stands: "arch in x.pth"."""

    text: str
    where: str


def names(beside: Mapping[str, Any], subject: str) -> Iterator[Name]:
    """Every name of a network in what lies beside the tensors, whatever it holds: dictionaries, or JSON as text."""
    for key, value in beside.items():
        if isinstance(value, str) and value.lstrip().startswith("{"):
            value = parsed(value)
        if isinstance(value, Mapping) and key in INSIDE:
            yield from _plain(value, f"{key} of {subject}")
        yield from _plain({key: value}, subject)


def _plain(values: Mapping[Any, Any], subject: str) -> Iterator[Name]:
    for key, value in values.items():
        if key in KEYS and isinstance(value, str) and 0 < len(value) <= MOST_TEXT:
            yield Name(value, f"{key} in {subject}")


def parsed(text: str) -> Any:
    """JSON that is held as text; None for what is none."""
    try:
        return json.loads(text) if len(text) <= MOST_JSON else None
    except (ValueError, RecursionError):
        return None


def refuse_others(found: Iterable[Name]) -> None:
    """Raise CheckpointError for a name of a network that has the tensors of one of ours and is another."""
    for text, where in found:
        for pattern, what in OTHERS:
            if pattern.search(text.lower()):
                raise CheckpointError(
                    f"{where} must name a network that can be written, and is {short(text, 80)!r}, which {what} with "
                    "the very tensors of one of ours; nothing was written: use it in its own library, or name the "
                    "variant with --model if it is ours"
                )


def ours(found: Iterable[Name]) -> list[str]:
    """The variants that are named, in any spelling: ResNet-50, timm/resnet50.a1_in1k."""
    spelled = {_letters(name): name for name in variants()}
    stems = (FROM.match(text.lower()) for text, _ in found)
    return [spelled[key] for stem in stems if stem and (key := _letters(stem[1])) in spelled]


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
