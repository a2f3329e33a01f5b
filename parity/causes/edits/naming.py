"""An operation in a program's text -> what it is called in both frameworks, so that two programs' can be compared.

torch's name stands for an operation: `ops.concatenate`, `layers.Add()` and `+` are "cat" and "add".
"""

import ast

from parity.models.kinds.spelling import OPERATORS, canonical


def operation(node: ast.AST) -> str:
    """What an expression does; "" for what is no operation."""
    if isinstance(node, ast.BinOp):
        return OPERATORS.get(type(node.op).__name__, "")
    if isinstance(node, ast.UnaryOp):
        return OPERATORS.get(type(node.op).__name__, "")
    if isinstance(node, ast.Subscript):
        return "getitem"
    if isinstance(node, ast.Compare):
        return "compare"
    if not isinstance(node, ast.Call):
        return ""
    func = node.func.func if isinstance(node.func, ast.Call) else node.func  # `layers.Add()([x, y])`
    return canonical(func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else "")
