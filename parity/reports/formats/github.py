"""A report's document -> annotations of a GitHub workflow, on the lines of the copy that differ.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from collections.abc import Iterator
from typing import Any

Place = dict[str, Any]
SIDES = ("keras", "torch")


def github(document: Any, command: str) -> str:
    """A line an annotation: of each cause an error, of a match a notice."""
    documents = document if isinstance(document, list) else [document]
    return "".join(f"{line}\n" for each in documents for line in _lines(each))


def _lines(document: dict[str, Any]) -> Iterator[str]:
    if document["verdict"] == "match":
        yield _annotation("notice", "parity", document.get("message", ""))
        return
    causes = document.get("causes", [])
    if not causes:
        layers = (layer for layer in document["layers"] if layer["path"] == document["first"])
        yield _annotation("error", "parity", document.get("message", ""), _place(next(layers, {}), document))
    for cause in causes:
        text = f"{cause['name']} at {cause['path']}: {cause['evidence']}"
        if cause.get("edit"):
            text += f"\n{cause['edit']['before']}\n->\n{cause['edit']['after']}"
        yield _annotation("error", f"parity: {cause['name']}", text, _place(cause, document))


def _place(entry: dict[str, Any], document: dict[str, Any]) -> Place | None:
    """The line of the copy's, else of the other program's."""
    source = entry.get("source") or {}
    sides = sorted(SIDES, key=lambda side: side != document.get("copy"))
    found: Iterator[Place] = (source[side] for side in sides if source.get(side))
    return entry.get("edit") or next(found, None)


def _annotation(level: str, title: str, text: str, place: Place | None = None) -> str:
    where = {} if place is None else {"file": place["file"], "line": place["line"]}
    told = ",".join(f"{name}={_property(str(value))}" for name, value in {**where, "title": title}.items())
    return f"::{level} {told}::{_escaped(text)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
