"""Two line-aligned source files -> definitions paired by qualified name, their statements paired row by row. Pure.

`forward` and `call` are one name. A statement stands in the row of its line, counted from its definition, so what the
twins write on one line is read on one line; a statement without a counterpart has an empty cell beside it.
"""

import ast
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from parity.errors import ParityError
from parity.models.kinds import FUNCTIONS

FILES = ("blocks.py", "resnet.py")  # the line-aligned ones: every definition has its twin
ADDED = FUNCTIONS["iadd"].name  # as the step of `x += y` is called
Node = ast.ClassDef | ast.FunctionDef


class UnpairedError(ParityError):
    """A definition of one file that the other does not have."""


@dataclass(frozen=True)
class Statement:
    """One statement, or the head of a compound one. `name` is what it sets or does ("conv1", "return", "if").

    layers: the attributes that it sets, as regular expressions ("conv1", or "layer\\d+" for a name made in a loop).
    """

    name: str
    line: int  # from the definition's own, which is 0
    text: str
    layers: tuple[str, ...] = ()

    def without(self, indent: int) -> "Statement":
        """The statement, so many spaces further left."""
        return replace(self, text="\n".join(line[indent:] for line in self.text.split("\n")))


@dataclass(frozen=True)
class Row:
    """A statement of either side or both, on one line. `path` is what notes and figures are attached to."""

    path: str
    torch: Statement | None
    keras: Statement | None

    @property
    def same(self) -> bool:
        return self.torch is not None and self.keras is not None and self.torch.text == self.keras.text

    def without(self, indent: int) -> "Row":
        """The row, so many spaces further left."""
        torch, keras = (side and side.without(indent) for side in (self.torch, self.keras))
        return replace(self, torch=torch, keras=keras)

    @property
    def layers(self) -> tuple[str, ...]:
        found = [name for side in (self.torch, self.keras) if side for name in side.layers]
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True)
class Section:
    """A class, a method or a function of both files, or a file's imports. `doc` is a docstring that both share."""

    path: str
    file: str
    line: int
    doc: str
    rows: tuple[Row, ...]

    @property
    def indent(self) -> int:
        """Spaces before its first line."""
        side = self.rows[0].torch or self.rows[0].keras
        return len(side.text) - len(side.text.lstrip(" ")) if side else 0

    def without(self, indent: int) -> "Section":
        """The section, so many spaces further left."""
        return replace(self, rows=tuple(row.without(indent) for row in self.rows))


@dataclass
class _Definition:
    path: str
    line: int
    doc: str = ""
    statements: list[Statement] = field(default_factory=list)
    inner: list[str] = field(default_factory=list)  # functions inside a function: shown in its rows


def read_pair(name: str) -> tuple[str, str]:
    """The text of a file in both packages; neither is imported."""
    return _path("resnet_torch", name).read_text(), _path("resnet_keras", name).read_text()


def _path(package: str, name: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ParityError(f"the package {package} must be importable, and was not found; install this project first")
    return Path(spec.origin).with_name(name)


def sections(file: str, torch: str, keras: str) -> list[Section]:
    """Every definition of a file, in order, paired. Raises UnpairedError, with all that have no twin."""
    ours, theirs = _definitions(torch), _definitions(keras)
    names = [{path for one in side.values() for path in (one.path, *one.inner)} for side in (ours, theirs)]
    if names[0] != names[1]:
        lists = [", ".join(sorted(a - b)) or "nothing" for a, b in (names, reversed(names))]
        raise UnpairedError(
            f"every definition of {file} must be in both packages, but torch alone has {lists[0]} and Keras alone has "
            f"{lists[1]}; give each its twin"
        )
    return [_section(file, ours[path], theirs[path]) for path in ours]


def _section(file: str, ours: _Definition, theirs: _Definition) -> Section:
    doc = ours.doc if ours.doc == theirs.doc else ""
    sides = [{one.line: one for one in side.statements if not (doc and one.name == "doc")} for side in (ours, theirs)]
    rows, seen = [], dict[str, int]()
    for line in sorted({*sides[0], *sides[1]}):
        pair = sides[0].get(line), sides[1].get(line)
        name = next(one.name for one in pair if one is not None)
        seen[name] = seen.get(name, 0) + 1
        number = f"#{seen[name]}" if seen[name] > 1 else ""
        path = ".".join(part for part in (ours.path, name + number) if part)
        rows.append(Row(path, *pair))
    return Section(ours.path, file, ours.line, doc, tuple(rows))


def _definitions(text: str) -> dict[str, _Definition]:
    """Classes, methods and functions by qualified name, in order; the imports under the name ""."""
    tree, lines = ast.parse(text), text.splitlines()
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    first = imports[0].lineno if imports else 1
    head = _Definition("imports", first, "", list(_statements(imports, lines, first)))
    found = {head.path: head}
    for node in tree.body:
        if isinstance(node, Node):
            found |= {one.path: one for one in _definition(node, "", lines)}
    return found


def _definition(node: Node, prefix: str, lines: list[str]) -> Iterator[_Definition]:
    path = prefix + ("forward" if node.name == "call" else node.name)
    doc = ast.get_docstring(node) or ""
    made = _Definition(path, node.lineno, doc)
    functions = [child for child in node.body if isinstance(child, Node)] if isinstance(node, ast.ClassDef) else []
    body = [child for child in node.body if child not in functions]
    made.statements = list(_statements([node, *body], lines, node.lineno, bool(doc), functions))
    if isinstance(node, ast.FunctionDef):
        made.inner = [f"{path}.{one.name}" for one in ast.walk(node) if isinstance(one, Node) and one is not node]
    yield made
    for child in functions:
        yield from _definition(child, f"{path}.", lines)


def _statements(
    nodes: Sequence[ast.stmt],
    lines: list[str],
    start: int,
    documented: bool = False,
    others: list[ast.ClassDef | ast.FunctionDef] | None = None,
) -> Iterator[Statement]:
    """Each statement with the source lines up to the next; `others` end one and are shown elsewhere."""
    flat = [one for node in nodes for one in _flat(node, top=node is nodes[0])]
    stops = sorted({*(one.lineno for one in flat), *(one.lineno for one in others or ()), _end(nodes) + 1})
    for number, one in enumerate(flat):
        stop = next(line for line in stops if line > one.lineno)
        end = next((n for n in range(one.lineno, stop - 1) if lines[n].strip() == "else:"), stop - 1)
        name = "doc" if documented and number == 1 else _name(one)
        text = "\n".join(lines[one.lineno - 1 : end]).rstrip()
        yield Statement(name, one.lineno - start, text, tuple(_layers(one)))
        if end < stop - 1:  # a line of its own, though no statement
            yield Statement("else", end + 1 - start, lines[end])


def _end(nodes: Sequence[ast.stmt]) -> int:
    return max((node.end_lineno or node.lineno for node in nodes), default=0)


def _flat(node: ast.stmt, top: bool = False) -> Iterator[ast.stmt]:
    """A statement and those inside it; of a definition that is shown here, its head alone."""
    yield node
    if not (top and isinstance(node, Node)):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                yield from _flat(child)


def _name(node: ast.stmt) -> str:
    match node:
        case ast.Assign(targets=[target, *_]) | ast.AnnAssign(target=target) | ast.AugAssign(target=target):
            first = target.elts[0] if isinstance(target, ast.Tuple) else target
            return ast.unparse(first).removeprefix("self.").replace(" ", "")
        case ast.Expr(value=ast.Call(func=function)):
            return ast.unparse(function).removeprefix("self.").replace("super().", "super.")
        case ast.ClassDef() | ast.FunctionDef():
            return "def"
        case ast.Import() | ast.ImportFrom():
            return str(getattr(node, "module", None) or node.names[0].name)
    return type(node).__name__.lower()


def _layers(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            for one in target.elts if isinstance(target, ast.Tuple) else [target]:
                if isinstance(one, ast.Attribute) and ast.unparse(one.value) == "self":
                    yield one.attr
    elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
        yield ADDED
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and len(node.value.args) == 3:
        name = node.value.args[1]  # setattr(self, f"layer{i + 1}", ...)
        if ast.unparse(node.value.func) == "setattr" and isinstance(name, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else r"\d+" for part in name.values)


def chosen(found: list[Section], names: list[str]) -> list[Section]:
    """The sections called `names` and those inside them; all if none are named. Raises ParityError for a stranger."""
    known = [section.path for section in found]
    for name in names:
        wanted = _normal(name)
        if not any(path == wanted or path.startswith(wanted + ".") for path in known):
            import difflib

            near = difflib.get_close_matches(name, known, n=3) or [path for path in known if "." not in path]
            raise ParityError(
                f"NAME must be a class or function of {' or '.join(FILES)}, and {name!r} is none; try {', '.join(near)}"
            )
    if not names:
        return found
    paths = tuple(_normal(name) for name in names)
    return [one for one in found if one.path in paths or one.path.startswith(tuple(f"{path}." for path in paths))]


def _normal(name: str) -> str:
    return name.removesuffix("call") + "forward" if name.endswith(".call") else name


def twins() -> list[Section]:
    """Every section of every aligned file, the imports last."""
    found, imports = [], []
    for file in FILES:
        head, *rest = sections(file, *read_pair(file))
        found += rest
        imports.append(_named_for(file, head))
    return [*found, *imports]


def _named_for(file: str, head: Section) -> Section:
    name = f"imports of {file}"
    rows = tuple(replace(row, path=row.path.replace("imports", name, 1)) for row in head.rows)
    return replace(head, path=name, rows=rows)
