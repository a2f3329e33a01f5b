"""What settings beside the tensors say against the usual network: dilation, strides, activations of scripts.

Arguments, hyperparameters and configurations are anybody's words. So each row is a setting that many scripts call so
and that no tensor shows; whoever knows better names the variant with --model.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from parity.errors import CheckpointError, short

from .called import parsed

MOST_DEPTH = 4  # of dictionaries in dictionaries
MOST_TEXT = 1 << 20  # characters of a configuration as text
ACTIVATIONS = re.compile(r"gelu|silu|swish|mish|c?elu|selu|p?relu6|prelu|leaky_?relu|hard_?swish", re.IGNORECASE)


class Hint(NamedTuple):
    """A setting: its names, whether a value is another network's, and what that does."""

    keys: frozenset[str]
    other: Callable[[Any], bool]
    what: str


def _on(value: Any) -> bool:
    """Whether a switch is on, for the network or for one of its stages."""
    return value is True or (isinstance(value, list | tuple) and any(each is True for each in value))


DILATES = "dilates its last stages"
HINTS = (
    Hint(frozenset({"dilation", "dilated", "dilate", "replace_stride_with_dilation"}), _on, DILATES),
    Hint(
        frozenset({"output_stride", "out_stride", "encoder_output_stride", "backbone_stride"}),
        lambda value: value in (4, 8, 16),
        DILATES,
    ),
    Hint(frozenset({"last_stride"}), lambda value: value == 1, "does not stride in its last stage"),
    Hint(
        frozenset({"activation", "act", "act_layer", "activation_layer", "nonlinearity", "hidden_act"}),
        lambda value: isinstance(value, str) and bool(ACTIVATIONS.fullmatch(value.rpartition(".")[2])),
        "has another activation",
    ),
)
TEXTS = (  # of OpenMMLab's configurations, which are programs
    (re.compile(r"\bdilations\s*=\s*\((?:\d+, *)*[2-9]"), DILATES),
    (re.compile(r"\bstrides\s*=\s*\(1, *2, *(?:1, *\d|\d, *1)\)"), DILATES),
)
CAFFE = re.compile(r"\bstyle\s*=\s*['\"]caffe['\"]")
FOR_CIFAR = re.compile(r"\bResNet_CIFAR\b")


def refuse_hints(beside: Mapping[str, Any], subject: str) -> None:
    """Raise CheckpointError for a setting that makes another network of the tensors of one of ours."""
    for key, value in settings(beside):
        found = next((hint for hint in HINTS if key in hint.keys and hint.other(value)), None)
        what = found.what if found else next((w for p, w in TEXTS if isinstance(value, str) and p.search(value)), "")
        if what:
            said = f"{key} = {value!r}" if found else f"{key}, a configuration"
            raise CheckpointError(
                f"{subject} must hold a network that can be written, and says beside its tensors that it {what} "
                f"({short(said, 60)}), which no tensor shows; nothing was written: use it in its own library, or name "
                "the variant with --model if it is ours"
            )


def told_by_text(beside: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether a configuration says that strides stand in the 1x1, and that no pool follows a 3x3 stem."""
    texts = [value for _, value in settings(beside) if isinstance(value, str)]
    return any(map(CAFFE.search, texts)), any(map(FOR_CIFAR.search, texts))


def settings(values: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """(name, value) of everything in dictionaries in dictionaries, and in JSON that is held as text."""
    for key, value in values.items():
        inner = parsed(value) if isinstance(value, str) and value.lstrip()[:1] == "{" else value
        if isinstance(inner, Mapping):
            if depth < MOST_DEPTH:
                yield from settings(inner, depth + 1)
        elif not isinstance(value, str) or len(value) <= MOST_TEXT:
            yield str(key), value
