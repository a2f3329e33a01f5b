"""The frameworks' folders: each knows itself alone, and offers the same."""

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from parity.frameworks.adapter import Adapter, adapter, frameworks, model_of

FOLDER = Path(__file__).resolve().parents[2] / "parity" / "frameworks"
OTHERS = [(own, other) for own in frameworks() for other in frameworks() if own != other]


def imports_of(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize(("own", "other"), OTHERS)
def test_adapters_do_not_import_each_other(own: str, other: str) -> None:
    known = (f"parity.frameworks.{other}", f"..{other}")
    sources = {path: path.read_text() for path in (FOLDER / own).rglob("*.py")}
    assert sources
    assert [
        path for path, source in sources.items() if any(name.startswith(known) for name in imports_of(source))
    ] == []
    assert any(name.startswith(known) for name in imports_of(f"def late():\n    from ..{other}.side import x\n"))


def test_what_all_share_names_no_folder() -> None:
    for path in FOLDER.glob("*.py"):
        for framework in frameworks():
            assert not any(f"frameworks.{framework}" in name for name in imports_of(path.read_text())), path


@pytest.mark.parametrize("framework", frameworks())
def test_every_folder_offers_an_adapter(framework: str) -> None:
    found = adapter(framework)
    for name, method in inspect.getmembers(Adapter, inspect.isfunction):
        if not name.startswith("_"):
            wanted = list(inspect.signature(method).parameters)[1:]
            assert list(inspect.signature(getattr(found, name)).parameters) == wanted
    assert "cpu" in found.devices()


def test_a_model_is_recognised_without_its_framework() -> None:
    code = (
        "import sys; from parity.frameworks.adapter import framework_of, frameworks, model_of, title\n"
        "print(framework_of(3), [title(name) for name in frameworks()], {'torch', 'keras'} & {*sys.modules})"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "None ['Keras', 'torch'] set()\n"


def test_the_nearest_base_class_tells() -> None:
    """On its torch backend a Keras model is a torch module too."""
    from parity.frameworks.adapter import framework_of

    module = type("Module", (), {"__module__": "torch.nn.modules.module"})
    layer = type("Layer", (module,), {"__module__": "keras.src.layers.layer"})
    model = type("Model", (layer,), {"__module__": "keras.src.models.model"})
    assert framework_of(type("Mine", (model,), {})()) == "keras"
    assert framework_of(type("Mine", (module,), {})()) == "torch"
    assert framework_of(type("Mine", (), {})()) is None
    assert model_of("keras").title == "keras.Model"
