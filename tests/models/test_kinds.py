"""The table of layer kinds: no other file of parity names one, and its rows hang together."""

import ast
import importlib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from parity.models.kinds import KINDS, Kind, named
from parity.models.settings import CHANGES

pytestmark = pytest.mark.quick

ROOT = Path(__file__).resolve().parents[2]
TABLE = "parity/models/kinds/"
SETTINGS = {setting.name for kind in KINDS for setting in kind.settings} | CHANGES.keys()  # a dropout is both
NAMES = {kind.name for kind in KINDS} - SETTINGS
CLASSES = {name for kind in KINDS for name in kind.torch + kind.keras}
# Words of files that other libraries write, which are spelt as a kind or a class of one is.
FOREIGN = {
    "parity/checkpoints/graph.py": {
        *("Conv2D", "BatchNormalization", "Dense", "Flatten", "ReLU"),
        *("ZeroPadding2D", "MaxPooling2D", "GlobalAveragePooling2D", "Add"),
    },  # Keras's configurations
    "parity/checkpoints/hdf5.py": {"dense"},  # Keras's groups
    "parity/checkpoints/statements.py": {"relu"},  # transformers' and keras_hub's configurations
    "parity/checkpoints/schemes.py": {"Linear", "BatchNorm2d", "Conv2d"},  # of what a residual network is made
    "parity/checkpoints/inside.py": {"Linear"},  # its head
    "parity/checkpoints/onnx_file.py": {  # ONNX's operators, and the modules that these were
        *("Add", "BatchNormalization", "Dropout", "Flatten", "Identity", "Reshape"),
        *("BatchNorm2d", "Conv2d", "MaxPool2d"),
    },
    "parity/checkpoints/refusals.py": {"Conv2d"},
    "parity/checkpoints/modules.py": {  # classes that a pickled module names, whose settings tell its network from ours
        *("AdaptiveMaxPool2d", "AvgPool2d", "MaxPool2d", "CELU", "ELU", "GELU", "Hardsigmoid", "Hardswish", "Hardtanh"),
        *("LeakyReLU", "LogSoftmax", "Mish", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softmax", "Softplus", "Tanh"),
    },
}


def words(source: str) -> Iterator[str]:
    """Every string in a file that is nothing but names, one or several."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = node.value.replace(",", " ").split()
            yield from found if set(found) <= NAMES | CLASSES else ()


def rows(source: str) -> Iterator[str]:
    """The rows of the table that a file imports."""
    for node in ast.walk(ast.parse(source)):
        module = getattr(node, "module", None) or ""
        if isinstance(node, ast.ImportFrom) and "kinds" in module.split("."):
            table = importlib.import_module(f"parity.models.{module.removeprefix('parity.models.')}")
            found = (getattr(table, alias.name) for alias in node.names)
            yield from (value.name for value in found if isinstance(value, Kind))


def naming(sources: dict[str, str]) -> dict[str, set[str]]:
    """The kinds and classes that each file names outside of the table."""
    found = {
        path: set(words(source)) & (NAMES | CLASSES) | set(rows(source))
        for path, source in sources.items()
        if not path.startswith(TABLE)
    }
    return {path: names for path, names in found.items() if names}


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    return {str(path.relative_to(ROOT)): path.read_text() for path in sorted((ROOT / "parity").rglob("*.py"))}


def test_no_other_file_names_a_kind(sources: dict[str, str]) -> None:
    assert naming(sources) == FOREIGN


@pytest.mark.parametrize(
    "line",
    [
        'KIND = "batch_norm"',
        'if "max_pool" == 1:\n    pass',
        'SUMS = ("conv", "dense")',
        "from parity.models.kinds.products import CONVOLUTION",
        'C = "Conv2d"',
    ],
)
def test_a_planted_name_is_seen(sources: dict[str, str], line: str) -> None:
    path = "parity/pairs/name_map.py"
    assert naming(sources | {path: f"{sources[path]}\n{line}\n"}) != FOREIGN


def test_rows_of_one_kind_differ_in_how_weights_lie_alone() -> None:
    apart = {"torch", "keras", "weights", "parts"}
    rest = [field.name for field in fields(Kind) if field.name not in apart]
    assert all(getattr(kind, name) == getattr(named(kind.name), name) for kind in KINDS for name in rest)


@pytest.mark.parametrize("kind", dict.fromkeys(KINDS), ids=lambda kind: kind.name)
def test_a_row_hangs_together(kind: Kind) -> None:
    assert {exact.operation for exact in kind.exact} <= set(kind.operations)
    assert not kind.to_one or named(kind.to_one).squeezed
    assert kind.layout in ("channels", "equal", "input")
    assert kind.normalises in ("", "batch", "groups", "features")
    assert kind.probe in ("", "rows", "statistics")
    assert (kind.probe == "statistics") == ("running_mean" in {name for name, _, _ in kind.weights})
    assert not kind.commutes or kind.merges
    assert not kind.flat or kind.sums
    assert {like for _, like, _ in kind.parts} <= CLASSES
    assert len({setting.name for setting in kind.settings}) == len(kind.settings)


def test_a_name_that_the_table_has_not() -> None:
    assert named("getitem") == Kind("getitem", known=False)
