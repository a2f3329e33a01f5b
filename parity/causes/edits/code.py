"""The text of a user's file -> its calls by where they stand, what its names are bound to, and changes to it.

Work is on the syntax tree, which has positions: what is not changed stays as it was written, comments and all.
"""

import ast
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from textwrap import dedent
from typing import Any

from parity.models.edits import Change, Edit, changed
from parity.models.source import Source, Span


@dataclass(frozen=True)
class Code:
    """A file that could be parsed. path: where it is; file: as the user names it."""

    path: str
    file: str
    text: str
    tree: ast.Module

    @staticmethod
    def of(source: Source, text: str) -> "Code | None":
        """None where the text is no Python that this Python reads."""
        try:
            return Code(source.path, source.file, text, ast.parse(text))
        except (SyntaxError, ValueError):
            return None

    @cached_property
    def data(self) -> bytes:
        return self.text.encode()

    @cached_property
    def starts(self) -> list[int]:
        """The byte at which each line begins."""
        found = [0]
        for line in self.data.splitlines(keepends=True):
            found.append(found[-1] + len(line))
        return found

    @cached_property
    def parents(self) -> dict[int, ast.AST]:
        """By id, what each node of the tree is in."""
        return {id(child): node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    def up(self, node: ast.AST | None) -> ast.AST | None:
        return None if node is None else self.parents.get(id(node))

    def still_has(self, source: Source) -> bool:
        """Whether the line is what it was when it ran: the file may have been changed since."""
        first, last = (self.starts[min(n, len(self.starts) - 1)] for n in (source.line - 1, source.line))
        return not source.text or self.data[first:last].decode().strip() == source.text

    def call_at(self, span: Span | None) -> ast.Call | None:
        """The call that ran: no two calls end at the same place. One of a method may begin at the method's name."""
        if span is None:
            return None
        start, end = (span[0], span[2]), (span[1], span[3])
        calls = (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))
        call = next((call for call in calls if (call.end_lineno, call.end_col_offset) == end), None)
        return call if call is not None and (call.lineno, call.col_offset) <= start else None

    def expression_at(self, span: Span | None) -> ast.expr | None:
        """The expression that ran: a call, an operator, an index."""
        call = self.call_at(span)
        if call is not None or span is None:
            return call
        first, last, start, end = span
        place = first, start, last, end
        for node in ast.walk(self.tree):
            if isinstance(node, ast.expr) and place == (
                node.lineno,
                node.col_offset,
                node.end_lineno,
                node.end_col_offset,
            ):
                return node
        return None

    def function_of(self, node: ast.AST) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        """The function that an expression stands in."""
        up = self.up(node)
        while up is not None and not isinstance(up, ast.FunctionDef | ast.AsyncFunctionDef):
            up = self.up(up)
        return up

    def start(self, node: Any) -> int:
        line, column = int(node.lineno), int(node.col_offset)
        return self.starts[line - 1] + column

    def end(self, node: Any) -> int:
        line, column = int(node.end_lineno), int(node.end_col_offset)
        return self.starts[line - 1] + column

    def of_node(self, node: ast.AST) -> str:
        """An expression as it is written."""
        return self.data[self.start(node) : self.end(node)].decode()

    @cached_property
    def imports(self) -> dict[str, str]:
        """What names stand for, dotted, by the imports of the file: {"layers": "keras.layers"}."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    found[alias.asname or alias.name.partition(".")[0]] = (
                        alias.name if alias.asname else alias.name.partition(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        return found

    def stands_for(self, node: ast.AST) -> str:
        """What an expression of dots names, in full; "" for any other, and for a name of the file's own."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.imports:
            return ""
        return ".".join([self.imports[node.id], *parts])

    def bound(self, dotted: str) -> str | None:
        """How the file can write what has this full name, if it imports anything that leads there."""
        found = []
        for name, full in self.imports.items():
            own = full.removeprefix("tensorflow.")
            if dotted == own or dotted.startswith(f"{own}."):
                found.append(name + dotted.removeprefix(own))
        return min(found, key=len, default=None)

    def imported(self, dotted: str) -> Change:
        """The import of a module, below the file's last one at its top."""
        tops = [node for node in self.tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        at = self.starts[tops[-1].end_lineno or 1] if tops else 0
        return Change(at, at, f"import {dotted}\n")

    def beside(self, name: str, new: str) -> Change | None:
        """The import of another name of the module that one came from: nothing where it has it already."""
        for node in ast.walk(self.tree):
            for alias in node.names if isinstance(node, ast.ImportFrom) else ():
                if name == (alias.asname or alias.name):
                    return Change(self.end(alias), self.end(alias), f", {new}")
        return None

    def edit(self, changes: list[Change], about: Change) -> Edit | None:
        """The edit that these changes are, shown by the lines of the one it is about; None if it changes nothing."""
        if changed(self.text, changes) == self.text:
            return None
        first, last = self._line(about.start), self._line(about.end)
        start, end = self.starts[first - 1], self.starts[last]
        inside = [
            one for one in changes if start <= one.start and one.end <= end and not one.text.startswith("import ")
        ]
        before = self.data[start:end].decode()
        after = changed(before, (Change(one.start - start, one.end - start, one.text) for one in inside))
        return Edit(self.file, first, _without_margin(before), _without_margin(after), self.path, tuple(changes))

    def _line(self, byte: int) -> int:
        """The number of the line that a byte is in."""
        return max(1, min(bisect_right(self.starts, byte), len(self.starts) - 1))


def _without_margin(text: str) -> str:
    """Lines without the margin that all of them have."""
    return dedent("".join(f"{line.rstrip()}\n" for line in text.splitlines())).strip("\n")
