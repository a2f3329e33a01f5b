"""An expression in a program -> what it is made of, back to what layers gave, as far as the text itself says that."""

import ast
from collections.abc import Iterator
from typing import NamedTuple

from parity.models.kinds.spelling import JOINING
from parity.models.source import Sources

from .arguments import Read
from .code import Code
from .naming import operation

MOST = 16  # expressions that are followed back
OPERATIONS = ast.Call | ast.BinOp | ast.UnaryOp | ast.Subscript | ast.Compare


class Spot(NamedTuple):
    """An expression of a program."""

    code: Code
    node: ast.expr

    @property
    def text(self) -> str:
        return self.code.of_node(self.node)


def spot_at(lines: Sources, read: Read) -> Spot | None:
    """The expression that ran at the first of these lines."""
    code = read(lines[0]) if lines else None
    node = None if code is None or not code.still_has(lines[0]) else code.expression_at(lines[0].span)
    return None if code is None or node is None else Spot(code, node)


def flow(spot: Spot) -> list[ast.expr]:
    """The operations that make a tensor, the last first: a layer's call is one, and is not looked into."""
    ahead, found, seen = [spot.node], list[ast.expr](), set[int]()
    while ahead and len(found) < MOST:
        node = ahead.pop(0)
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, ast.Name):
            ahead[:0] = [value] if (value := bound_before(spot.code, node)) is not None else []
            continue
        if isinstance(node, OPERATIONS) and not is_constant(node):
            found.append(node)
        if not is_leaf(spot.code, node) or node is spot.node:
            ahead[:0] = operands(node)
    return found


def is_layer(node: ast.AST) -> bool:
    """Whether an expression calls a layer, as far as its form tells: `self.conv(x)`, `Conv2D(8, 3)(x)`."""
    if not isinstance(node, ast.Call) or (isinstance(node.func, ast.Call) and operation(node) in JOINING):
        return False
    own = (
        isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name) and node.func.value.id == "self"
    )
    return own or isinstance(node.func, ast.Call | ast.Subscript)


def made_at(code: Code, node: ast.AST) -> ast.Call | None:
    """Where the layer is made that an expression calls: on the spot, or as an attribute of its model."""
    if not isinstance(node, ast.Call) or not is_layer(node):
        return None
    if isinstance(node.func, ast.Call):
        return node.func
    own = code.of_node(node.func)
    for one in ast.walk(code.tree):
        if isinstance(one, ast.Assign) and any(code.of_node(target) == own for target in one.targets):
            return one.value if isinstance(one.value, ast.Call) else None
    return None


def is_leaf(code: Code, node: ast.AST) -> bool:
    """Whether an expression is not looked into: a layer's call, or one of a function of the program's own."""
    own = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id not in code.imports
    return own or is_layer(node)


def operands(node: ast.AST) -> list[ast.expr]:
    """The tensors that an operation may be done to, and what else it is told that is no constant."""
    found: list[ast.expr] = []
    if isinstance(node, ast.Call):
        method = isinstance(node.func, ast.Attribute) and not _is_module(node.func.value)
        found = [node.func.value] if method and isinstance(node.func, ast.Attribute) else []
        found += [*node.args, *(keyword.value for keyword in node.keywords)]
    elif isinstance(node, ast.BinOp):
        found = [node.left, node.right]
    elif isinstance(node, ast.UnaryOp):
        found = [node.operand]
    elif isinstance(node, ast.Subscript):
        found = [node.value]
    elif isinstance(node, ast.Compare):
        found = [node.left, *node.comparators]
    elif isinstance(node, ast.List | ast.Tuple):
        found = list(node.elts)
    each = [x for one in found for x in (one.elts if isinstance(one, ast.List | ast.Tuple) else [one])]
    return [x for x in each if not is_constant(x) and not isinstance(x, ast.Starred)]


def _is_module(node: ast.expr) -> bool:
    """Whether a name before a dot is a module's, or the model's own."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and node.id in (
        "torch",
        "F",
        "nn",
        "ops",
        "keras",
        "tf",
        "np",
        "math",
        "K",
        "self",
    )


def is_constant(node: ast.AST) -> bool:
    """Whether an expression is made of numbers and words that are written out."""
    parts = (ast.Constant, ast.UnaryOp, ast.BinOp, ast.Tuple, ast.List, ast.Slice, ast.operator, ast.unaryop)
    return all(isinstance(part, (*parts, ast.expr_context)) for part in ast.walk(node))


def bound_before(code: Code, name: ast.Name) -> ast.expr | None:
    """What a name was last given before it is used, in the same function."""
    function = code.function_of(name)
    found = None
    for node in ast.walk(function) if function is not None else ():
        if isinstance(node, ast.Assign) and _ends(node) <= (name.lineno, name.col_offset):
            for target in node.targets:
                if (
                    isinstance(target, ast.Name)
                    and target.id == name.id
                    and (found is None or _ends(node) > _ends(found))
                ):
                    found = node
    return None if found is None else found.value


def _ends(node: ast.AST) -> tuple[int, int]:
    return int(getattr(node, "end_lineno", 0)), int(getattr(node, "end_col_offset", 0))


def names_before(code: Code, node: ast.AST) -> Iterator[str]:
    """The names that are bound before an expression, in its function: what it was given among them."""
    function = code.function_of(node)
    if function is not None:
        yield from (argument.arg for argument in function.args.args)
        for one in ast.walk(function):
            if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store) and _ends(one) < _begins(node):
                yield one.id


def _begins(node: ast.AST) -> tuple[int, int]:
    return int(getattr(node, "lineno", 0)), int(getattr(node, "col_offset", 0))
