"""A report's document -> short text, one fact a line: for a program, or a language model, that mends what differs."""

from collections.abc import Iterator
from typing import Any

from parity.verdict.cause import TITLES

MOST = 8  # causes


def agent(document: Any, command: str) -> str:
    """The lines of one report, or of a list of them."""
    documents = document if isinstance(document, list) else [document]
    return "\n".join("\n".join(_lines(each, command)) for each in documents) + "\n"


def _lines(document: dict[str, Any], command: str) -> Iterator[str]:
    yield f"verdict: {document['verdict']}"
    yield f"target: {document['target']}"
    yield f"says: {document['message']}"
    if document["first"] is not None:
        layer: dict[str, Any] = next((x for x in document["layers"] if x["path"] == document["first"]), {})
        yield f"first: {document['first']}" + (f" ({layer['kind']})" if layer else "")
        if layer.get("why"):
            yield f"why: {layer['why']}"
    causes = document.get("causes", [])
    for number, cause in enumerate(causes[:MOST], 1):
        yield from (f"cause {number} {line}" for line in _cause(cause))
    if len(causes) > MOST:
        yield f"more causes: {len(causes) - MOST}"
    yield f"command: {command}"


def _cause(cause: dict[str, Any]) -> Iterator[str]:
    yield f"name: {cause['name']}"
    yield f"layer: {cause['path']}"
    yield f"evidence: {' '.join(cause['evidence'].split())}"
    for side, line in (cause.get("source") or {}).items():
        for word, place in (("", line), (" called at", (line or {}).get("called"))):
            if place:
                yield f"{TITLES[side]}{word}: {place['file']}:{place['line']}: {place['text']}"
    if cause.get("edit"):
        edit = cause["edit"]
        yield f"edit: {edit['file']}:{edit['line']}"
        for sign, text in (("-", edit["before"]), ("+", edit["after"])):
            yield from (f"{sign} {line}" for line in text.splitlines())
    if cause.get("rerun"):
        yield f"check again: {cause['rerun']}"
