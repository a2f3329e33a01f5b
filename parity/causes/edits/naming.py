"""An operation in a program's text -> what it is called in both frameworks, so that two programs' can be compared.

torch's name stands for an operation: `ops.concatenate`, `layers.Add()` and `+` are "cat" and "add".
"""

import ast

OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "div",
    ast.MatMult: "matmul",
    ast.Pow: "pow",
    ast.USub: "neg",
}
SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "matmul": "@", "pow": "**"}
SAME = {
    "truediv": "div",
    "true_divide": "div",
    "divide": "div",
    "multiply": "mul",
    "subtract": "sub",
    "rsub": "sub",
    "radd": "add",
    "rmul": "mul",
    "iadd": "add",
    "isub": "sub",
    "imul": "mul",
    "itruediv": "div",
    "concatenate": "cat",
    "concat": "cat",
    "clamp": "clip",
    "max": "amax",
    "min": "amin",
    "reduce_mean": "mean",
    "reduce_sum": "sum",
    "reduce_max": "amax",
    "permute": "transpose",
    "swapaxes": "transpose",
    "view": "reshape",
    "masked_fill": "where",
    "interpolate": "resize",
    "power": "pow",
    "negative": "neg",
    "globalaveragepooling1d": "mean",
    "globalmaxpooling1d": "amax",
}
NAMES = {  # by side, those that are not torch's
    "torch": {"clip": "clamp"},
    "keras": {
        "cat": "concatenate",
        "mul": "multiply",
        "sub": "subtract",
        "div": "divide",
        "amax": "max",
        "amin": "min",
        "hardtanh": "hard_tanh",
        "hardsigmoid": "hard_sigmoid",
        "hardswish": "hard_swish",
    },
}
ARGUMENTS = {"dim": "axis", "dims": "axis", "dim0": "axis1", "dim1": "axis2"}


def canonical(name: str) -> str:
    """torch's name of what either framework, or an operator's method, calls so."""
    name = name.strip("_").lower()
    return SAME.get(name, name)


def operation(node: ast.AST) -> str:
    """What an expression does; "" for what is no operation."""
    if isinstance(node, ast.BinOp):
        return OPERATORS.get(type(node.op), "")
    if isinstance(node, ast.UnaryOp):
        return OPERATORS.get(type(node.op), "")
    if isinstance(node, ast.Subscript):
        return "getitem"
    if isinstance(node, ast.Compare):
        return "compare"
    if not isinstance(node, ast.Call):
        return ""
    func = node.func.func if isinstance(node.func, ast.Call) else node.func  # `layers.Add()([x, y])`
    return canonical(func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else "")


def spelled(name: str, side: str) -> str:
    """How a side writes the function of torch's name."""
    return NAMES[side].get(name, name)
