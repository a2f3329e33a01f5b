"""The same operation as both programs write it -> the change that makes one written as the other is.

Both expressions are read: an operator, the axis of a function, the order of two tensors that are joined.
"""

import ast
from typing import Any

from parity.models.edits import Change
from parity.models.kinds import KINDS
from parity.models.source import Sources

from .arguments import Changes, Read, call_of
from .code import Code

OPERATORS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
AXES = ("dim", "axis")
ORDERED = tuple(name for kind in KINDS if kind.merges and not kind.commutes for name in kind.functions)
JOINING = (*ORDERED, "stack", "hstack", "vstack")


def as_the_other(lines: Sources, other: Sources, about: str, read: Read) -> Changes | None:
    """about: the cause's name. None where the two expressions do not say that one is to be as the other."""
    mine, theirs = _expression(lines, read), _expression(other, read)
    if mine is None:
        return None
    code, node = mine
    if "order of" in about:
        return _exchanged(code, node)
    if theirs is None:
        return None
    if isinstance(node, ast.BinOp) and isinstance(theirs[1], ast.BinOp):
        return _other_operator(code, node, theirs[1])
    if "axis" in about and isinstance(node, ast.Call) and isinstance(theirs[1], ast.Call):
        return _other_axis(code, node, theirs[1])
    return None


def _expression(lines: Sources, read: Read) -> tuple[Code, ast.expr] | None:
    code = read(lines[0]) if lines else None
    node = None if code is None or not code.still_has(lines[0]) else code.expression_at(lines[0].span)
    return None if code is None or node is None else (code, node)


def _other_operator(code: Code, mine: ast.BinOp, theirs: ast.BinOp) -> Changes | None:
    has, wanted = OPERATORS.get(type(mine.op)), OPERATORS.get(type(theirs.op))
    if has is None or wanted is None or has == wanted:
        return None
    start, end = code.end(mine.left), code.start(mine.right)
    between = code.data[start:end].decode()
    if between.count(has) != 1:  # a comment
        return None
    at = start + len(between[: between.index(has)].encode())
    return code, [Change(at, at + 1, wanted)]


def _other_axis(code: Code, mine: ast.Call, theirs: ast.Call) -> Changes | None:
    """The axis that the other program gives, where both write it out, as the last thing or by its name."""
    has, wanted = _axis(mine), _axis(theirs)
    if has is None or wanted is None or _value(has) == _value(wanted) or ... in (_value(has), _value(wanted)):
        return None
    return code, [Change(code.start(has), code.end(has), repr(_value(wanted)))]


def _axis(call: ast.Call) -> ast.expr | None:
    keywords = [*call.keywords, *(call.func.keywords if isinstance(call.func, ast.Call) else ())]
    named = next((keyword.value for keyword in keywords if keyword.arg in AXES), None)
    return named if named is not None else call.args[1] if len(call.args) == 2 else None


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ...


def _exchanged(code: Code, node: ast.expr) -> Changes | None:
    """Two tensors that are joined, the other way round."""
    if not isinstance(node, ast.Call) or code.of_node(node.func).rpartition(".")[2].lower() not in JOINING:
        return None
    given = node.args[0] if node.args else None
    if not isinstance(given, ast.List | ast.Tuple) or len(given.elts) != 2:
        return None
    one, other = given.elts
    if any(isinstance(element, ast.Starred) for element in given.elts):
        return None
    return code, [
        Change(code.start(one), code.end(one), code.of_node(other)),
        Change(code.start(other), code.end(other), code.of_node(one)),
    ]


def in_its_mode(lines: Sources, read: Read) -> Changes | None:
    """A layer's call without a `training=True` of its own: it then runs in the mode of the model."""
    found = call_of(lines, read)
    if found is None:
        return None
    code, call = found
    fixed = next((k for k in call.keywords if k.arg == "training" and _value(k.value) is True), None)
    if fixed is None or not call.args:
        return None
    given: list[ast.AST] = [*call.args, *call.keywords]
    before = max(code.end(x) for x in given if code.end(x) < code.start(fixed))
    return code, [Change(before, code.end(fixed), "")]
