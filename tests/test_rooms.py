"""The house: a room of parity imports what its line of the table names, and no file of it is in a circle of imports."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.quick

ROOT = Path(__file__).resolve().parents[1]
# A room, and the rooms that it may import, at the top of a file and inside functions alike.
ROOMS = {
    "errors": (),
    "models": ("errors",),
    "verdict": ("models",),
    "pairs": ("models", "errors"),
    "checkpoints": ("models", "errors"),
    "causes": ("verdict", "models"),
    "frameworks": ("verdict", "models", "errors"),
    "runners": ("frameworks", "verdict", "models", "errors"),
    "checks": ("runners", "frameworks", "causes", "checkpoints", "pairs", "verdict", "models", "errors"),
    "reports": ("checks", "verdict", "models", "errors"),
    "cli": ("reports", "checks", "checkpoints", "pairs", "models", "errors"),
}
COMMANDS = (
    "__init__",
    "__main__",
    "check",
    "mend",
    "train",
    "convert",
    "verify",
    "capture",
    "compare",
    "sidebyside",
)  # imported by none
FRAMEWORKS = ("torch", "keras", "tensorflow", "jax", "resnet_torch", "resnet_keras")
# Files outside parity/frameworks/ that may import a framework, and why.
THEIR_OWN = {
    "parity/checkpoints/keras_archive.py": ("keras", "resnet_keras"),  # a .keras file is made by Keras
    "parity/checkpoints/torch_pickle.py": ("torch",),  # a .pth file is read and written by torch
    "parity/reports/sidebyside/forms.py": FRAMEWORKS,  # two forms of a block that no variant is made of
}

Imports = dict[str, set[str]]


def files(root: Path = ROOT) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in (root / "parity").rglob("*.py"))


def modules(path: str, source: str) -> Iterator[tuple[str, str]]:
    """(module, name or "") of every import in a file, also inside functions; relative ones made absolute."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = path.removesuffix(".py").split("/")[: -node.level] if node.level else []
            module = ".".join(filter(None, [*package, node.module]))
            yield from ((module, alias.name) for alias in node.names)


def inside(known: dict[str, str]) -> Imports:
    """The files of parity that each file imports; `known` is every file's source."""

    def file_of(module: str) -> str | None:
        path = module.replace(".", "/")
        return next((name for name in (f"{path}.py", f"{path}/__init__.py") if name in known), None)

    found: Imports = {}
    for path, source in known.items():
        targets = (file_of(f"{module}.{name}") or file_of(module) for module, name in modules(path, source))
        found[path] = {target for target in targets if target is not None and target != path}
    return found


def room(path: str) -> str:
    return path.split("/")[1].removesuffix(".py")


def against(imports: Imports) -> list[str]:
    """Every import that the table does not allow."""
    wrong = []
    for path, targets in imports.items():
        for target in targets:
            here, there = room(path), room(target)
            allowed = there not in COMMANDS and (here in COMMANDS or here == there or there in ROOMS[here])
            if not allowed and not (here in COMMANDS and there == "__init__"):
                wrong.append(f"{path} imports {target}")
    return wrong


def circle(imports: Imports) -> list[str]:
    """The files that are in a circle of imports, or lead into one: what is left when all that is free is taken away."""
    left = {path: set(targets) for path, targets in imports.items()}
    while free := [path for path, targets in left.items() if not targets & left.keys()]:
        for path in free:
            del left[path]
    return sorted(left)


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    return {path: (ROOT / path).read_text() for path in files()}


def test_every_room_imports_what_its_line_names(sources: dict[str, str]) -> None:
    assert against(inside(sources)) == []
    assert {room(path) for path in sources} == ROOMS.keys() | set(COMMANDS)


def test_no_circles(sources: dict[str, str]) -> None:
    assert circle(inside(sources)) == []


def test_frameworks_are_imported_in_their_adapters_alone(sources: dict[str, str]) -> None:
    wrong = []
    for path, source in sources.items():
        for module, _ in modules(path, source):
            name = module.partition(".")[0]
            own = path.split("/")[2:3] if path.startswith("parity/frameworks/") else []
            backends = {"keras": ("keras", "tensorflow", "jax", "torch"), "torch": ("torch",)}
            allowed = backends.get(own[0] if own else "", ()) + THEIR_OWN.get(path, ())
            if name in FRAMEWORKS and name not in allowed:
                wrong.append(f"{path} imports {module}")
    assert wrong == []


def test_the_checks_can_fail(sources: dict[str, str]) -> None:
    """An arrow that runs back, one inside a function, and a circle inside a room are each seen."""
    planted = dict(sources)
    planted["parity/models/steps.py"] += "\n\ndef late():\n    from parity.verdict.difference import difference\n"
    assert against(inside(planted)) == ["parity/models/steps.py imports parity/verdict/difference.py"]
    planted = dict(sources)
    planted["parity/models/arrays.py"] += "\n\ndef late():\n    from .steps import Step\n"
    assert {"parity/models/arrays.py", "parity/models/steps.py"} <= set(circle(inside(planted)))
    planted = sources | {"parity/pairs/flow.py": "from parity import check\nfrom parity.check import main\n"}
    assert "parity/pairs/flow.py imports parity/check.py" in against(inside(planted))


def test_at_most_ten_folders() -> None:
    folders = [path for path in (ROOT / "parity").iterdir() if path.is_dir() and path.name != "__pycache__"]
    assert len(folders) <= 10
