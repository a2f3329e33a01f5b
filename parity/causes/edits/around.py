"""A layer's call in a user's program -> the changes that put another layer, or an operation, in front of it.

Where it is called on the spot, or stands in a list of layers, a layer goes before it. Where it is kept and called
elsewhere, an operation is done to what it is called on.
"""

import ast
from typing import NamedTuple

from parity.models.edits import Change
from parity.models.source import Written

from .arguments import Changes, Read, call_of
from .code import Code
from .naming import operation

LISTS = ("Sequential",)
NO_TENSOR = ast.Starred | ast.GeneratorExp | ast.List | ast.Tuple | ast.Dict | ast.Constant


class Before(NamedTuple):
    """What goes before. layer: its class and arguments, "ZeroPadding2D(1)"; None where there is none.

    operation: a module, and what it does to an expression: ("keras.ops", "{}.pad({}, ...)").
    """

    layer: str | None
    operation: tuple[str, str]


def put_before(written: Written, before: Before, read: Read) -> Changes | None:
    """The changes; None where the program cannot be changed so for certain."""
    made = call_of(written.made, read)
    if made is not None and before.layer is not None:
        found = _layer_before(*made, before.layer)
        if found is not None:
            return made[0], found
    if made is not None and _is_called(*made):
        return _operation_before(*made, made[0].up(made[1]), before.operation)
    called = call_of(written.called, read)
    if called is None or (made is not None and made[0].path != called[0].path):
        return None
    return _operation_before(*called, called[1], before.operation)


def _layer_before(code: Code, call: ast.Call, layer: str) -> list[Change] | None:
    named = beside(code, call, layer)
    if named is None:
        return None
    text, imports = named
    parent = code.up(call)
    if _is_called(code, call):
        assert isinstance(parent, ast.Call), "what is called is a call's function"
        given = parent.args[0] if parent.args else None
        if given is None or isinstance(given, ast.Starred | ast.GeneratorExp):
            return None
        return [*imports, Change(code.start(given), code.start(given), f"{text}("), _closing(code, given)]
    if isinstance(parent, ast.Call) and isinstance(code.up(parent), ast.Expr):  # a method puts it into a model
        if parent.args != [call]:
            return None
        at, margin = code.start(parent), " " * parent.col_offset
        return [*imports, Change(at, at, f"{code.of_node(parent.func)}({text})\n{margin}")]
    if not _is_listed(code, call):
        return None
    at = code.start(call)
    return [*imports, Change(at, at, f"{text}{_parted(code, call)}")]


def listed_after(code: Code, call: ast.Call, layer: str) -> list[Change] | None:
    """The changes that put a layer behind one in a list of layers; None where it stands in none."""
    named = beside(code, call, layer) if _is_listed(code, call) else None
    if named is None:
        return None
    return [*named[1], Change(code.end(call), code.end(call), f"{_parted(code, call)}{named[0]}")]


def layer_after(code: Code, call: ast.Call, layer: str) -> list[Change] | None:
    """The changes that put a layer behind one that stands in a list, is added to one, or is called on the spot."""
    listed = listed_after(code, call, layer)
    named = beside(code, call, layer)
    parent = code.up(call)
    if listed is not None or named is None or not isinstance(parent, ast.Call):
        return listed
    text, imports = named
    if parent.func is call:
        return [*imports, Change(code.start(parent), code.start(parent), f"{text}("), _closing(code, parent)]
    statement = code.up(parent)
    if parent.args == [call] and isinstance(statement, ast.Expr):  # a method puts it into a model
        at, margin = code.end(statement), " " * statement.col_offset
        return [*imports, Change(at, at, f"\n{margin}{code.of_node(parent.func)}({text})")]
    return None


def not_listed(code: Code, call: ast.Call) -> list[Change] | None:
    """The changes that take a layer out of a list of layers; None where it stands in none, or alone."""
    parent = code.up(call)
    each = (
        parent.elts if isinstance(parent, ast.List | ast.Tuple) else parent.args if isinstance(parent, ast.Call) else []
    )
    if not _is_listed(code, call) or len(each) < 2:
        return None
    place = [node is call for node in each].index(True)
    if place + 1 < len(each):
        return [Change(code.start(call), code.start(each[place + 1]), "")]
    return [Change(code.end(each[place - 1]), code.end(call), "")]


def _parted(code: Code, call: ast.Call) -> str:
    """What stands between two layers of a list: a line's end, if each has a line of its own."""
    alone = not code.data[code.starts[call.lineno - 1] : code.start(call)].strip()
    return f",\n{' ' * call.col_offset}" if alone else ", "


def _is_listed(code: Code, call: ast.Call) -> bool:
    """Whether a layer stands in a list of layers that run one after another."""
    parent = code.up(call)
    listed = parent.elts if isinstance(parent, ast.List | ast.Tuple) else None
    if isinstance(parent, ast.Call) and call in parent.args:
        listed = parent.args if _makes_layers(code, parent) else None
    return listed is not None and _in_layers(code, parent)


def _makes_layers(code: Code, call: ast.Call) -> bool:
    """Whether a call makes layers that run one after another, or is how a class of such makes itself."""
    func = call.func
    if code.of_node(func).rpartition(".")[2] in LISTS:
        return True
    owner = code.up(code.function_of(call)) if code.of_node(func) == "super().__init__" else None
    bases = owner.bases if isinstance(owner, ast.ClassDef) else []
    return any(code.of_node(base).rpartition(".")[2] in LISTS for base in bases)


def _closing(code: Code, node: ast.expr) -> Change:
    return Change(code.end(node), code.end(node), ")")


def _in_layers(code: Code, node: ast.AST | None) -> bool:
    """Whether a list, or a call, is one of layers that run one after another."""
    while node is not None and not isinstance(node, ast.stmt):
        if isinstance(node, ast.Call) and _makes_layers(code, node):
            return True
        node = code.up(node)
    return False


def _is_called(code: Code, call: ast.Call) -> bool:
    """Whether what a call makes is called on the spot: `Conv2D(8, 3)(x)`."""
    parent = code.up(call)
    return isinstance(parent, ast.Call) and parent.func is call


def beside(code: Code, call: ast.Call, layer: str) -> tuple[str, list[Change]] | None:
    """How the program can write a layer of the module that another is of, and the import that this takes."""
    if isinstance(call.func, ast.Attribute):
        return f"{code.of_node(call.func.value)}.{layer}", []
    name = layer.partition("(")[0]
    if name in code.imports:
        return layer, []
    added = code.beside(code.of_node(call.func), name)
    return None if added is None else (layer, [added])


def _operation_before(code: Code, _: ast.Call, call: ast.AST | None, done: tuple[str, str]) -> Changes | None:
    module, text = done
    if not isinstance(call, ast.Call) or not call.args or isinstance(call.args[0], NO_TENSOR):
        return None
    name, given = code.bound(module), call.args[0]
    imports = [] if name else [code.imported(module.partition(".")[0])]
    start, end = text.format(name or module, "\0").split("\0")
    at = code.start(given), code.end(given)
    if isinstance(given, ast.Call) and operation(given) == "pad" and ".pad(" in text and given.args:
        inner = given.args[0]  # what pads already pads otherwise then
        return code, [
            *imports,
            Change(at[0], code.start(inner), start),
            Change(code.end(inner), at[1], end),
        ]
    return code, [*imports, Change(at[0], at[0], start), Change(at[1], at[1], end)]
