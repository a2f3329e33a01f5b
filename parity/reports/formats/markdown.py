"""A report's document -> the table that belongs in a pull request: what was compared, how far it agrees, by what."""

from collections.abc import Iterator
from typing import Any

from parity.verdict.difference import STRUCTURE_LINE

MOST = 12  # causes
NAMES = {"torch": "PyTorch", "keras": "Keras"}


def markdown(document: Any, command: str) -> str:
    """The table of one report, or of each of a list."""
    documents = document if isinstance(document, list) else [document]
    return "\n\n".join("\n".join(_lines(each, command)) for each in documents) + "\n"


def _lines(document: dict[str, Any], command: str) -> Iterator[str]:
    yield f"**{document['verdict'].upper()}** {_cell(document['target'])}"
    yield ""
    yield _row("", "")
    yield _row("---", "---")
    yield from (_row(name, text) for name, text in _facts(document, command))
    causes = document.get("causes", [])
    if causes:
        yield ""
        yield _row("layer", "cause", "line", "edit")
        yield _row("---", "---", "---", "---")
        yield from (_row(*_cause(cause, document.get("copy", "keras"))) for cause in causes[:MOST])
    if len(causes) > MOST:
        yield f"\n{len(causes) - MOST} more causes are in the report."


def _facts(document: dict[str, Any], command: str) -> Iterator[tuple[str, str]]:
    yield "result", _cell(document.get("message", ""))
    layers, environment = document["layers"], document["environment"]
    if layers:
        wrong = sum(layer["verdict"] != "match" for layer in layers)
        yield "layers compared", f"{len(layers)}, {wrong or 'none'} at fault"
        number = "added" if document.get("only") else "inherited"  # what comes before one layer is not judged
        worst = max(layers, key=lambda layer: _error(layer, number))
        found = _error(worst, number)
        size = "not comparable" if found == float("inf") else f"{found:.1e} of its scale"
        yield "greatest difference in float64", f"{size}, at {_code(worst['path'])} ({STRUCTURE_LINE:.0e} is allowed)"
        sides = [(NAMES[side], [x["arithmetic"][side] for x in layers]) for side in NAMES]
        told = ", ".join(
            f"{name} {max(v for v in values if v is not None):.1e}" for name, values in sides if any(values)
        )
        if told:
            yield f"rounding in {environment.get('dtype', 'float32')}, worst layer", told
    if any(layer.get("gradient") for layer in layers):
        yield "gradients", "compared"
    if environment.get("input_shape") is not None:
        shape = " x ".join(map(str, (environment.get("batch_size", "N"), *environment["input_shape"])))
        yield "input", f"{shape}, seed {environment.get('seed')}"
    if environment.get("torch"):
        yield "versions", _versions(environment)
    yield "command", _code(command)


def _error(layer: dict[str, Any], number: str) -> float:
    found = layer["structure"][number]
    return float("inf") if found is None else float(found)


def _versions(environment: dict[str, Any]) -> str:
    torch, keras = environment["torch"], environment["keras"]
    backend = keras.get("backend", "")
    version = f" with {backend} {keras.get(backend, '')}".rstrip() if backend else ""
    return f"torch {torch.get('torch', '')} on {torch.get('device', 'cpu')}, Keras {keras.get('keras', '')}{version}"


def _cause(cause: dict[str, Any], copy: str) -> tuple[str, ...]:
    source = (cause.get("source") or {}).get(copy)
    place = cause.get("edit") or source
    where = "" if not place else _code(f"{place['file']}:{place['line']}")
    edit = cause.get("edit")
    told = "" if not edit else f"{_code(edit['before'])} -> {_code(edit['after'])}"
    return _code(cause["path"]), _cell(f"{cause['name']}: {cause['evidence']}"), where, told


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _code(text: str) -> str:
    """Code in a cell of a table: on one line, in backticks that it does not hold itself."""
    line = _cell(text)
    return f"`` {line} ``" if "`" in line else f"`{line}`"
