"""What `parity.check --json` measured, beside the code: for each layer its shapes, its weights and its differences."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.errors import ParityError
from parity.models.arrays import Layout
from parity.models.kinds import named

from .forms import SHAPE

Document = dict[str, Any]


@dataclass(frozen=True)
class Example:
    """The layer that stands for a class: `path` in the model that `arguments` of parity.check name as `target`."""

    target: str
    path: str
    arguments: tuple[str, ...]


def _variant(name: str, path: str) -> Example:
    return Example(name, path, (name,))


def _form(letter: str, path: str) -> Example:
    factories = [f"parity.reports.sidebyside.forms:{side}_{letter}" for side in ("torch", "keras")]
    shape = ",".join(map(str, SHAPE))
    arguments = "--torch", factories[0], "--keras", factories[1], "--input-shape", shape
    return Example(" and ".join(factories), path, arguments)


EXAMPLES = {
    "Residual": _variant("resnet18_d2l", "layer2.0"),
    "BasicBlock": _variant("resnet18", "layer2.0"),
    "Bottleneck": _variant("resnet50", "layer2.0"),
    "Branch": _form("a", "0.branches.0"),
    "ResNeXtA": _form("a", "0"),
    "ResNeXtB": _form("b", "0"),
    "ResNet": _variant("resnet50", ""),
}


@dataclass(frozen=True)
class Weight:
    """Tensors of one shape: their names in both frameworks, the shape and order of axes in both ("" if one axis)."""

    torch: str
    keras: str
    torch_shape: tuple[int, ...]
    keras_shape: tuple[int, ...]
    torch_axes: str = ""
    keras_axes: str = ""


@dataclass(frozen=True)
class Facts:
    """One measured step. Shapes are without the batch. float64: max |difference| over the layer's scale, the layer
    alone; float32: root mean square of the difference over that of the values, through the whole network.
    """

    path: str
    kind: str
    torch_shape: tuple[int, ...]
    keras_shape: tuple[int, ...]
    weights: tuple[Weight, ...]
    float64: float | None
    dtype: str
    arithmetic: float | None
    ok: bool


def read(paths: list[str]) -> list[Document]:
    """The documents of files that `parity.check --json` wrote, one in each or, by `--all`, a list."""
    found: list[Document] = []
    for path in paths:
        try:
            value = json.loads(Path(path).read_text())
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else f"it is not JSON ({error})"
            raise ParityError(
                f"--measured {path} must be a file that `parity.check --json` wrote, and is none: {why}"
            ) from None
        documents = value if isinstance(value, list) else [value]
        for one in documents:
            if not isinstance(one, dict) or one.get("schema") != 1 or not isinstance(one.get("layers"), list):
                raise ParityError(
                    f"--measured {path} must hold reports of `parity.check --json` (schema 1), and holds something "
                    "else; write it again"
                )
        found += documents
    return found


def facts(documents: list[Document], section: str, layers: tuple[str, ...]) -> list[Facts]:
    """What was measured of a class's attributes (regular expressions); nothing where its example was not."""
    example = EXAMPLES.get(section.partition(".")[0])
    document = next((one for one in documents if example and one["target"] == example.target), None)
    if example is None or document is None:
        return []
    prefix = f"{re.escape(example.path)}\\." if example.path else ""
    found = [one for name in layers for one in _steps(document["layers"], prefix, name)]
    return [_facts(path, step, document["environment"]) for path, step in found]


def _steps(steps: list[Document], prefix: str, name: str) -> Iterator[tuple[str, Document]]:
    """The steps of one attribute, with those in a Sequential; of an attribute made in a loop, each one's last."""
    exact = re.compile(rf"{prefix}{name}(\.\d+)?(#\d+)?")
    found = [(step["path"], step) for step in steps if exact.fullmatch(step["path"])]
    if not found and "\\d" in name:
        inside = re.compile(rf"({prefix}{name})\.")
        matches = ((inside.match(step["path"]), step) for step in steps)
        found = list({match.group(1): step for match, step in matches if match}.items())
    yield from found


def _facts(path: str, step: Document, environment: Document) -> Facts:
    shape = tuple(step["shape"][1:])
    kind = step["kind"] if path == step["path"] else "stage"
    return Facts(
        path,
        kind,
        shape,
        (*shape[1:], shape[0]) if len(shape) > 1 else shape,
        tuple(_weights(kind, step["weights"])) if kind != "stage" else (),
        step["structure"]["added" if kind != "stage" else "inherited"],
        environment.get("dtype", "float32"),
        step["arithmetic"]["difference"],
        step["verdict"] == "match",
    )


def _weights(kind: str, shapes: dict[str, list[int]]) -> Iterator[Weight]:
    """Tensors of the same shape and order of axes stand together."""
    grouped: dict[tuple[Any, ...], list[tuple[str, str]]] = {}
    for name, shape in shapes.items():
        keras, axes = _keras_weight(kind, name, len(shape))
        moved = tuple(shape[axis] for axis in axes)
        letters = _letters(len(shape))
        key = tuple(shape), moved, letters, "".join(letters[axis] for axis in axes) if letters else ""
        grouped.setdefault(key, []).append((name, keras))
    for (shape, moved, letters, order), names in grouped.items():
        ours, theirs = (", ".join(pair[side] for pair in names) for side in (0, 1))
        yield Weight(ours, theirs, shape, moved, letters, order)


def _keras_weight(kind: str, name: str, rank: int) -> tuple[str, tuple[int, ...]]:
    every = tuple(range(rank))
    for torch, keras, layout in named(kind).weights:
        axes = layout((1,) * rank)
        if torch == name and not isinstance(axes, Layout):
            return keras, axes or every
    return name, every


def _letters(rank: int) -> str:
    """The axes of torch's tensor: out, in, then the image's."""
    return "OI" + "DHW"[5 - rank :] if rank > 1 else ""
