"""An operation that one program has otherwise than the other, more or less -> the changes that make it the same.

Operations without weights alone: activations, pools. One is written as a layer where it stands as one, else as a
function of what it is done to.
"""

import ast
from typing import Any, NamedTuple

from parity.models.edits import Change
from parity.models.kinds import KINDS, Kind
from parity.models.kinds.signatures import TORCH, signature
from parity.models.kinds.spelling import POOLED, REDUCTIONS, spelled
from parity.models.source import Written

from .arguments import Changes, Read, argument_of, call_of, called
from .around import beside, listed_after, not_listed
from .code import Code
from .naming import operation
from .settings import SPELLED

FUNCTIONS = {"torch": "torch.nn.functional", "keras": "keras.ops"}
OWNERS = {name: kind.name for kind in reversed(KINDS) for name in kind.keras}  # the row that a class is of as it is
WEIGHTLESS = {"Activation"} | {
    name.rpartition(".")[2]
    for kind in KINDS
    if not (kind.weights or kind.parts or kind.opaque)
    for name in (*kind.torch, *kind.keras, *kind.functions, *kind.operations)
}
KEPT = ("name", "dtype")  # arguments of any Keras layer


class Operation(NamedTuple):
    """What is to be there: a kind, and its settings in torch's terms."""

    kind: Kind
    static: dict[str, Any]

    def arguments(self, side: str) -> str | None:
        """Its settings as one side writes them; None where that side cannot be told one."""
        found: dict[str, str] = {}
        for setting in self.kind.settings:
            spelled = SPELLED[side].get(setting.name)
            if setting.name in self.static and self.static[setting.name] != DEFAULTS[side].get(setting.name, ...):
                told = None if spelled is None else spelled(self.static[setting.name])
                if told is None:
                    return None
                found |= told
        return ", ".join(f"{name}={text}" for name, text in found.items())


# What need not be written.
DEFAULTS: dict[str, dict[str, Any]] = {
    "torch": {"slope": 0.01, "alpha": 1.0, "approximate": False},
    "keras": {"alpha": 1.0, "approximate": False},
}


def replaced(written: Written, side: str, wanted: Operation, read: Read) -> Changes | None:
    """The changes that put another operation in the place of the one at these lines."""
    lines = written.made or written.called
    found = call_of(lines, read)
    if found is None:
        return None
    code, call = found
    name = called(code, call)
    new = _of_pool(name, wanted.kind, side)
    if new is not None:
        return code, [_renamed(code, call, new)]
    if not wanted.kind.activation:
        return _other_reduction(code, call, wanted.kind, side)
    fused = argument_of(call, signature(name, side) or (), "activation")
    if side == "keras" and fused is not None and name != "Activation":
        text = _word(wanted)
        literal = isinstance(fused, ast.Constant) and isinstance(fused.value, str)
        return (code, [Change(code.start(fused), code.end(fused), text)]) if text and literal else None
    if name not in WEIGHTLESS:  # with its call its weights would go
        return None
    if written.made:
        return _other_layer(code, call, side, wanted)
    return _other_function(code, call, side, wanted)


def _other_reduction(code: Code, call: ast.Call, kind: Kind, side: str) -> Changes | None:
    """A mean over places for the greatest of them, or the other way round, called as a function or a method."""
    wanted, has = REDUCTIONS.get(kind.name), operation(call)
    if wanted is None or has not in REDUCTIONS.values() or not isinstance(call.func, ast.Attribute):
        return None
    end = code.end(call.func)
    return code, [Change(end - len(call.func.attr.encode()), end, spelled(wanted, side))]


def _of_pool(name: str, kind: Kind, side: str) -> str | None:
    """A pool's class of the same rank, which takes the same arguments as another pool's."""
    names = kind.torch if side == "torch" else kind.keras
    rank = next((part for part in name if part.isdigit()), None)
    if "pool" not in name.lower() or kind.weights or (rank is None and not name.islower()):
        return None
    if name.islower():
        return _of_function(name, kind, side)
    adaptive = name.lower().startswith("adaptive")
    alike = (other for other in names if str(rank) in other and "pool" in other.lower())
    return next((other for other in alike if other.lower().startswith("adaptive") == adaptive), None)


def _of_function(name: str, kind: Kind, side: str) -> str | None:
    """A pool's function of the same arguments: what it takes of a window is in its name."""
    greatest, mean = POOLED[side]
    wanted = greatest if greatest in kind.name else mean
    has = next((word for word in sorted({*POOLED["torch"], *POOLED["keras"]}, reverse=True) if word in name), None)
    return None if has is None else name.replace(has, wanted)


def _renamed(code: Code, call: ast.Call, name: str) -> Change:
    func = call.func
    start = code.end(func) - len(func.attr.encode()) if isinstance(func, ast.Attribute) else code.start(func)
    return Change(start, code.end(func), name)


def _other_layer(code: Code, call: ast.Call, side: str, wanted: Operation) -> Changes | None:
    text = layer_text(side, wanted)
    if text is None:
        return None
    kept = [f"{k.arg}={code.of_node(k.value)}" for k in call.keywords if side == "keras" and k.arg in KEPT]
    named = beside(code, call, text[:-1] + (", " if kept and text[-2] != "(" else "") + ", ".join(kept) + ")")
    if named is None:
        return None
    return code, [*named[1], Change(code.start(call), code.end(call), named[0])]


def layer_text(side: str, wanted: Operation) -> str | None:
    """An activation as a layer, with its arguments."""
    arguments = wanted.arguments(side)
    if arguments is None:
        return None
    if side == "torch":
        return f"{wanted.kind.torch[0]}({arguments})" if wanted.kind.torch else None
    own = next((name for name in wanted.kind.keras if OWNERS[name] == wanted.kind.name), None)
    if own is not None:
        return f"{own}({arguments})"
    word = _word(wanted)
    return None if word is None else f"Activation({word})"


def _word(wanted: Operation) -> str | None:
    """The name by which Keras's `activation` is told; None for one with settings."""
    names = [name.rpartition(".")[2] for name in wanted.kind.operations]
    told = wanted.arguments("keras") == "" and all(each.name in DEFAULTS["keras"] for each in wanted.kind.settings)
    return f'"{names[0]}"' if names and told else None


def _other_function(code: Code, call: ast.Call, side: str, wanted: Operation) -> Changes | None:
    if not call.args or isinstance(call.args[0], ast.Starred):
        return None
    given = code.of_node(call.args[0])
    made = function_text(code, side, wanted, given)
    return None if made is None else (code, [*made[1], Change(code.start(call), code.end(call), made[0])])


def function_text(code: Code, side: str, wanted: Operation, given: str) -> tuple[str, list[Change]] | None:
    """An activation as a function of an expression, and the import that this takes."""
    arguments = wanted.arguments(side)
    names = wanted.kind.functions if side == "torch" else [n.rpartition(".")[2] for n in wanted.kind.operations]
    if arguments is None or not names:
        return None
    home = FUNCTIONS[side]
    bound = code.bound(home)
    imports = [] if bound else [code.imported(home if side == "torch" else "keras")]
    more = _axis(names[0], side) + (f", {arguments}" if arguments else "")
    return f"{bound or home}.{names[0]}({given}{more})", imports


def _axis(function: str, side: str) -> str:
    """An axis has no default in torch that it does not warn of."""
    return ", dim=1" if side == "torch" and "dim" in TORCH.get(function, ()) else ""


def without(written: Written, read: Read) -> Changes | None:
    """The changes that leave out the call at these lines: what it is done to stays.

    An activation that a layer is told is not told, and a layer in a list is none.
    """
    made = call_of(written.made, read)
    if made is not None:
        code, call = made
        fused = next((keyword.value for keyword in call.keywords if keyword.arg == "activation"), None)
        if fused is not None and called(code, call) != "Activation":
            return code, [Change(code.start(fused), code.end(fused), "None")]
        listed = not_listed(code, call)
        if listed is not None:
            return code, listed
    found = call_of(written.called, read)
    if found is None:
        return None
    code, call = found
    if not call.args or isinstance(call.args[0], ast.Starred | ast.GeneratorExp):
        return None
    given = call.args[0]
    return code, [Change(code.start(call), code.start(given), ""), Change(code.end(given), code.end(call), "")]


def with_after(written: Written, side: str, wanted: Operation, read: Read) -> Changes | None:
    """The changes that do an operation to what the layer or function at these lines gives."""
    made = call_of(written.made, read)
    text = layer_text(side, wanted)
    if made is not None and text is not None and (listed := listed_after(*made, text)) is not None:
        return made[0], listed
    found = call_of(written.called, read)
    if found is None:
        return None
    code, call = found
    function = function_text(code, side, wanted, "\0")
    if function is None:
        return None
    start, end = function[0].split("\0")
    at = code.start(call), code.end(call)
    return code, [*function[1], Change(at[0], at[0], start), Change(at[1], at[1], end)]
