"""The packages lie side by side: same files, same names on the same lines, each usable without the other."""

import ast
import inspect
from pathlib import Path
from typing import Any

import pytest

import resnet_keras
import resnet_torch

from .helpers import ROOT, VARIANTS, run_python

TORCH, KERAS = ROOT / "resnet_torch", ROOT / "resnet_keras"
ALIGNED = ["blocks.py", "resnet.py"]


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def definitions(path: Path) -> dict[str, int]:
    """Every class and function of a file, by its dotted name, with its line."""
    found: dict[str, int] = {}

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef):
                name = "call" if child.name == "forward" else child.name
                found[prefix + name] = child.lineno
                visit(child, f"{prefix}{name}.")

    visit(ast.parse(path.read_text()), "")
    return found


def test_the_same_files() -> None:
    kerass_own = {"grouped.py"}  # torch's own convolutions know groups on every processor
    assert {path.name for path in KERAS.glob("*.py")} == {path.name for path in TORCH.glob("*.py")} | kerass_own


@pytest.mark.parametrize("name", ["configs.py", "published.py", "triton_first.py"])
def test_what_belongs_to_no_framework_is_byte_identical(name: str) -> None:
    assert (TORCH / name).read_bytes() == (KERAS / name).read_bytes()


@pytest.mark.parametrize("name", ALIGNED)
def test_every_class_and_function_is_on_the_same_line(name: str) -> None:
    ours = definitions(TORCH / name)
    assert ours == definitions(KERAS / name)
    assert len(ours) > 5


@pytest.mark.parametrize("name", ALIGNED)
def test_most_lines_are_the_same(name: str) -> None:
    """At their own place, blank lines left out."""
    ours, theirs = lines(TORCH / name), lines(KERAS / name)
    assert len(ours) == len(theirs)
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a.strip() or b.strip()]
    share = sum(a == b for a, b in pairs) / len(pairs)
    print(f"{name}: {share:.1%} of {len(pairs)} lines are identical")
    assert share >= 0.6


@pytest.mark.parametrize("name", ["configs.py", *ALIGNED])
def test_a_file_is_a_few_screens(name: str) -> None:
    assert len(lines(TORCH / name)) <= 255


def test_the_same_public_names() -> None:
    assert resnet_torch.__all__ == resnet_keras.__all__
    assert set(VARIANTS) <= set(resnet_torch.__all__)
    for package in (resnet_torch, resnet_keras):
        assert all(hasattr(package, name) for name in package.__all__)


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    found = inspect.signature(function).parameters.values()
    return [(one.name, one.default, one.kind) for one in found if one.kind is not one.VAR_KEYWORD]


@pytest.mark.parametrize("name", sorted(set(resnet_torch.__all__) - {"VARIANTS", "WeightsError"}))
def test_the_same_parameters_and_defaults(name: str) -> None:
    assert parameters(getattr(resnet_torch, name)) == parameters(getattr(resnet_keras, name))


BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ImportError(f"{{name}} is blocked")

sys.meta_path.insert(0, Blocked())
"""
WITHOUT_KERAS = """
import torch, resnet_torch
model = resnet_torch.resnext50_32x4d(num_classes=3)
print(model(torch.zeros(2, 3, 33, 33)).shape == (2, 3))
"""
WITHOUT_TORCH = """
import numpy, resnet_keras
model = resnet_keras.resnext50_32x4d(num_classes=3, input_size=33)
print(model(numpy.zeros((2, 33, 33, 3))).shape == (2, 3))
"""
STRANGERS = {
    "resnet_torch": ({"keras", "tensorflow", "resnet_keras", "parity"}, WITHOUT_KERAS),
    "resnet_keras": ({"torch", "resnet_torch", "parity"}, WITHOUT_TORCH),
}


@pytest.mark.parametrize("package", STRANGERS)
def test_a_package_runs_without_the_other_framework(package: str) -> None:
    blocked, code = STRANGERS[package]
    assert run_python(BLOCKED.format(blocked=blocked) + code).strip() == "True"


@pytest.mark.parametrize("package", STRANGERS)
def test_a_package_can_be_copied_out(package: str, tmp_path: Path) -> None:
    """Inside another package, under another name."""
    target = tmp_path / "elsewhere" / "nets"
    target.mkdir(parents=True)
    for path in (ROOT / package).glob("*.py"):
        (target / path.name).write_text(path.read_text())
    blocked, code = STRANGERS[package]
    code = code.replace(package, "elsewhere.nets").replace("import elsewhere", "import elsewhere.nets, elsewhere")
    code = BLOCKED.format(blocked=blocked | {package}) + code
    assert run_python(code, PYTHONPATH=str(tmp_path)).strip() == "True"


@pytest.mark.parametrize("package", [resnet_torch, resnet_keras], ids=["torch", "keras"])
def test_a_builder_is_documented_and_named(package: Any) -> None:
    for name in VARIANTS:
        builder = getattr(package, name)
        assert builder.__name__ == name
        assert name in builder.__doc__
        assert "num_classes" in builder.__doc__
