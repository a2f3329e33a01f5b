"""A row's code as coloured tokens, with those marked that the other side does not have. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import groupby

from pygments.lexers import PythonLexer
from pygments.token import Comment, Keyword, Name, Number, String, Token as Kinds

from .source import Row

CLASSES = (  # the first that holds; everything else is plain
    (Keyword, "keyword"),
    (Name.Function, "name"),
    (Name.Class, "name"),
    (Name.Builtin, "builtin"),
    (String, "string"),
    (Number, "number"),
    (Comment, "comment"),
)
WORDS = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True)
class Token:
    """A piece of code. kind: one of CLASSES or "". differs: the other side has something else here."""

    text: str
    kind: str = ""
    differs: bool = False


@dataclass(frozen=True)
class Line:
    """One source line. same: the other side has the same line in the same place."""

    tokens: tuple[Token, ...]
    same: bool

    @property
    def text(self) -> str:
        return "".join(token.text for token in self.tokens)

    @property
    def indent(self) -> int:
        return len(self.text) - len(self.text.lstrip())


def lines(row: Row) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """Both sides' lines of a row; a side without a statement has none."""
    texts = [side.text if side else "" for side in (row.torch, row.keras)]
    ours, theirs = ([replace(token) for token in _lex(text)] for text in texts)
    matcher = SequenceMatcher(None, [t.text for t in ours], [t.text for t in theirs], autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag != "equal":
            ours[a:b] = [replace(token, differs=True) for token in ours[a:b]]
            theirs[c:d] = [replace(token, differs=True) for token in theirs[c:d]]
    split = [list(_lines(side)) for side in (ours, theirs)]
    found = []
    for side, other, text in zip(split, reversed(split), texts, strict=True):
        same = [n < len(other) and _text(line) == _text(other[n]) for n, line in enumerate(side)]
        found.append(tuple(Line(_joined(line, s), s) for line, s in zip(side, same, strict=True)) if text else ())
    return found[0], found[1]


def _lex(text: str) -> Iterator[Token]:
    """Tokens of a statement, comments and strings word by word, so that a difference is as small as it is."""
    for kind, value in PythonLexer(stripnl=False, ensurenl=False).get_tokens(text):
        name = next((name for group, name in CLASSES if kind in group), "")
        if kind in Kinds.Literal.String or kind in Comment or not value.strip():
            yield from (Token(piece, name) for piece in WORDS.findall(value))
        else:
            yield Token(value, name)


def _lines(tokens: list[Token]) -> Iterator[list[Token]]:
    line: list[Token] = []
    for token in tokens:
        head, *rest = token.text.split("\n")
        line.append(replace(token, text=head))
        for piece in rest:
            yield line
            line = [replace(token, text=piece)]
    yield line


def _text(line: list[Token]) -> str:
    return "".join(token.text for token in line)


def _joined(line: list[Token], same: bool) -> tuple[Token, ...]:
    """Neighbours of one look as one token; the space between two marked words is marked with them."""
    marked = [replace(token, differs=token.differs and not same) for token in line if token.text]
    for i in range(1, len(marked) - 1):
        if not marked[i].text.strip():
            both = marked[i - 1].differs and marked[i + 1].differs
            marked[i] = replace(marked[i], differs=both)
    if marked and not marked[0].text.strip():
        marked[0] = replace(marked[0], differs=False)
    groups = groupby(marked, key=lambda token: (token.kind, token.differs))
    return tuple(Token("".join(t.text for t in group), kind, differs) for (kind, differs), group in groups)
