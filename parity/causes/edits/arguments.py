"""A call in a user's program and the arguments that it should have -> the changes of its text, if it is literal there.

What is a parameter of the function that the call stands in is literal where that function is called, one line further
out. Anything else is left alone: what a line computes may be right for other layers that it makes.
"""

import ast
from collections.abc import Callable, Sequence

from parity.models.edits import Change
from parity.models.kinds.signatures import Names, signature
from parity.models.source import Source, Sources

from .code import Code

WRAPPERS = ("Bidirectional", "TimeDistributed")
Read = Callable[[Source], Code | None]  # the file that a line is in
Changes = tuple[Code, list[Change]]


def with_arguments(lines: Sources, side: str, wanted: dict[str, str], read: Read) -> Changes | None:
    """The changes that give the call at the first of these lines its arguments; None where they cannot be written."""
    found = call_of(lines, read)
    if found is None:
        return None
    code, call = found
    names = signature(called(code, call), side)
    if names is None:
        return None
    changes: list[Change] = []
    for argument, text in wanted.items():
        name = next((name for name in argument.split("|") if name in names), None)
        made = None if name is None else _given(lines, read, code, call, names, name, text)
        if made is None or (changes and made[0].path != code.path):
            return None
        code = made[0]
        changes += made[1]
    return (code, _together(changes)) if changes else None


def _together(changes: list[Change]) -> list[Change]:
    """Arguments that a call without any is given, as one change."""
    first = [one for one in changes if one.start == one.end and not one.text.startswith(", ")]
    if len(first) < 2:
        return changes
    joined = Change(first[0].start, first[0].end, ", ".join(one.text for one in first))
    return [*(one for one in changes if one not in first), joined]


def call_of(lines: Sources, read: Read) -> tuple[Code, ast.Call] | None:
    """The call at the first of these lines."""
    code = read(lines[0]) if lines else None
    call = None if code is None or not code.still_has(lines[0]) else code.call_at(lines[0].span)
    while code is not None and call is not None and called(code, call) in WRAPPERS and call.args:
        inner = call.args[0]  # the wrapper makes its layer anew, of the settings of the one that it is given
        call = inner if isinstance(inner, ast.Call) else None
    return None if code is None or call is None else (code, call)


def called(code: Code, call: ast.Call) -> str:
    """The last part of the name of what is called, under the name that it was imported by."""
    full = code.stands_for(call.func) or code.of_node(call.func)
    return full.rpartition(".")[2]


def literal_of(code: Code, call: ast.Call, names: Names, name: str) -> object:
    """An argument's value where it is written out; None where it is not given, ... where it is something else."""
    node = argument_of(call, names, name)
    if node is None:
        return ... if any(keyword.arg is None for keyword in call.keywords) else None
    try:
        value: object = ast.literal_eval(node)
    except ValueError:
        return ...
    return value


def argument_of(call: ast.Call, names: Sequence[str], name: str) -> ast.expr | None:
    """The expression that a call gives for an argument, by name or by place."""
    by_name = next((keyword.value for keyword in call.keywords if keyword.arg == name), None)
    if by_name is not None:
        return by_name
    place = names.index(name) if name in names else len(call.args)
    before = call.args[: place + 1]
    return before[place] if len(before) > place and not any(isinstance(x, ast.Starred) for x in before) else None


def _given(
    lines: Sources, read: Read, code: Code, call: ast.Call, names: Sequence[str], name: str, text: str
) -> Changes | None:
    node = argument_of(call, names, name)
    if node is None:
        unknown = any(keyword.arg is None for keyword in call.keywords) or any(
            isinstance(argument, ast.Starred) for argument in call.args
        )
        return None if unknown else (code, [_added(code, call, f"{name}={text}")])
    if _is_literal(code, node):
        return code, [Change(code.start(node), code.end(node), text)]
    return _further_out(lines, read, code, call, node, text) if isinstance(node, ast.Name) else None


def _added(code: Code, call: ast.Call, text: str) -> Change:
    """One more argument behind the last."""
    given = [*call.args, *call.keywords]
    if not given:
        at = code.end(call) - 1
        return Change(at, at, text)
    at = max(map(code.end, given))
    return Change(at, at, f", {text}")


def _is_literal(code: Code, node: ast.expr) -> bool:
    """Whether an expression is written out, or names a constant of the file."""
    if isinstance(node, ast.Name):
        bound = [x for x in code.tree.body if isinstance(x, ast.Assign) for t in x.targets if _is_named(t, node.id)]
        inside = any(isinstance(x, ast.arg) and x.arg == node.id for x in ast.walk(code.tree))
        return len(bound) == 1 and not inside and _is_literal(code, bound[0].value)
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


def _is_named(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _further_out(lines: Sources, read: Read, code: Code, call: ast.Call, node: ast.Name, text: str) -> Changes | None:
    """The argument where the function is called that has it for a parameter."""
    function = code.function_of(call)
    outer = call_of(lines[1:], read)
    if function is None or outer is None:
        return None
    own = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    alone = [argument.arg for argument in function.args.kwonlyargs]
    there, caller = outer
    owner = code.up(function)
    name = owner.name if function.name == "__init__" and isinstance(owner, ast.ClassDef) else function.name
    if node.id not in [*own, *alone] or called(there, caller) != name:
        return None
    names = own[1:] if isinstance(owner, ast.ClassDef) else own
    return _given(lines[1:], read, there, caller, names, node.id, text)
