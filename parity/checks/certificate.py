"""What a conversion proved -> a document beside the destination, from which the proof can be made again.

It names every file that the proof rests on with its SHA-256: the source, the destination, and the Python files of both
models, those of installed packages aside, which have versions.
"""

import hashlib
import inspect
import json
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from parity.errors import CheckpointError
from parity.models.inputs import Inputs
from parity.models.numbers import or_null
from parity.models.specs import InputSpec
from parity.models.targets import Target

from .report import Report, headline

SUFFIX = ".parity.json"
SCHEMA = 1
KIND = "parity certificate"
CHUNK = 1 << 20
MOST = 256 << 20  # bytes of a certificate


class Part(NamedTuple):
    """A file of one end of a conversion. role: "source" or "destination"; held: where its bytes are now."""

    role: str
    path: Path
    held: Path


def certificate_of(destination: Path) -> Path:
    """The certificate's place: net.weights.h5 has net.weights.h5.parity.json."""
    return destination.with_name(destination.name + SUFFIX)


def certificate(
    parts: list[Part], models: dict[str, Any], built: dict[str, Any], inputs: dict[str, Any], report: Report
) -> dict[str, Any]:
    """The document of a conversion whose check was a match. Paths are as seen from the destination's folder."""
    home = next(part.path for part in parts if part.role == "destination").absolute().parent
    files = [{"role": p.role, "file": os.path.relpath(p.path, home), "sha256": digest(p.held)} for p in parts]
    code = {path for model in built.values() for path in code_of(model)}
    code |= {path for model in models.values() for path in _home_of(model)}
    return {
        "schema": SCHEMA,
        "kind": KIND,
        "verdict": "match" if report.ok else "mismatch",
        "message": headline(report),
        "files": files,
        "models": {name: spec(model) for name, model in models.items()},
        "code": [{"file": os.path.relpath(path, home), "sha256": digest(path)} for path in sorted(code)],
        "inputs": inputs,
        "environment": report.environment,
        "notes": list(report.copied),
        "layers": [
            {
                "path": layer.path,
                "kind": layer.kind,
                "shape": list(layer.step.shape),
                "weights": {name: list(shape) for name, shape in layer.weights.items()},
                "structure": or_null(layer.inherited.error),
                "arithmetic": or_null(layer.difference.rms),
            }
            for layer in report.layers
        ],
    }


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()


def spec(model: Any) -> str | None:
    """How a model is built again: its "package.module:factory"; None for one that was in memory."""
    if isinstance(model, str):
        return model
    name, module = getattr(model, "__qualname__", ""), getattr(model, "__module__", "__main__")
    there = getattr(sys.modules.get(module), name, None) is model
    return f"{module}:{name}" if there and module != "__main__" else None


def code_of(model: Any) -> set[Path]:
    """The Python files that a model and all that is in it are written in, those of installed packages aside."""
    found: set[Path] = set()
    seen: set[int] = set()
    waiting = [model]
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        for cls in type(part).__mro__:
            found.update(_file_of(cls))
        inside = vars(part).get("_modules") or {}
        waiting.extend([*inside.values(), *(getattr(part, "_layers", None) or ())])
    return found


def _home_of(model: Any) -> Iterator[Path]:
    """The file of the factory itself."""
    if isinstance(model, str):
        file = getattr(sys.modules.get(model.partition(":")[0]), "__file__", None)
        yield from _own(file)
    elif inspect.isfunction(model):
        yield from _file_of(model)


def _file_of(value: Any) -> Iterator[Path]:
    try:
        yield from _own(inspect.getsourcefile(value))
    except TypeError:  # built in
        return


def _own(file: str | None) -> Iterator[Path]:
    """A file, unless it is an installed package's."""
    path = Path(file or "").resolve()
    installed = [Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib", "stdlib")]
    if file and path.is_file() and not any(path.is_relative_to(place) for place in installed):
        yield path


def described(target: Target | None, x: Inputs, seed: int, home: Path) -> dict[str, Any]:
    """What the models ran on: what was drawn, from which seed, or the file it was read from, or the arrays' shapes."""
    if target is not None and target.file:
        file = Path(target.file)
        return {"file": os.path.relpath(file, home.absolute()), "sha256": digest(file), "seed": seed}
    if target is not None:
        specs = [vars(each) | {"shape": list(each.shape)} for each in target.inputs]
        return {"shape": list(target.input_shape), "specs": specs, "batch_size": x.batch, "seed": seed}
    floats = len(x.arrays) == 1 and x.first.dtype.kind == "f" and x.first.ndim > 1
    return {"given": {name: list(array.shape) for name, array in x.arrays.items()}, "seed": seed} | (
        {"shape": list(x.first.shape[1:]), "specs": [], "batch_size": x.batch} if floats else {}
    )


def target_of(inputs: dict[str, Any], home: Path) -> tuple[Target, int, int]:
    """The inputs of a certificate as they are drawn or read again, with batch size and seed. Raises CheckpointError."""
    try:
        seed, batch = int(inputs["seed"]), int(inputs.get("batch_size", 2))
        if "file" in inputs:
            return Target("", "", "", (), file=str(home / inputs["file"])), batch, seed
        specs = tuple(
            InputSpec(str(each["name"]), tuple(each["shape"]), each["dtype"], each["range"] and tuple(each["range"]))
            for each in inputs["specs"]
        )
        return Target("", "", "", tuple(inputs["shape"]), specs), batch, seed
    except (KeyError, TypeError, ValueError):
        raise CheckpointError(
            "the certificate must say what the models run on, and only has the shapes of arrays that were in memory; "
            "give them with --inputs FILE"
        ) from None


def read_certificate(path: Path) -> dict[str, Any]:
    """A certificate's document. Raises CheckpointError for a file that is none."""
    try:
        text = path.read_bytes() if path.stat().st_size <= MOST else b""
        found = json.loads(text)
    except OSError as error:
        raise CheckpointError(
            f"{path} must be a certificate, and cannot be read ({error.strerror}); name one"
        ) from None
    except (ValueError, RecursionError):
        found = None
    if not _sound(found):
        raise CheckpointError(
            f"{path} must be a certificate, as `parity.convert --torch --keras` writes it beside its destination, and "
            "is none; name one"
        )
    document: dict[str, Any] = found
    return document


def _sound(found: Any) -> bool:
    if not isinstance(found, dict) or (found.get("kind"), found.get("schema")) != (KIND, SCHEMA):
        return False
    files, code, models = found.get("files"), found.get("code"), found.get("models")
    listed = isinstance(files, list) and isinstance(code, list) and isinstance(found.get("inputs"), dict)
    entries = [*files, *code] if isinstance(files, list) and isinstance(code, list) else []
    whole = all(
        isinstance(e, dict) and isinstance(e.get("file"), str) and isinstance(e.get("sha256"), str) for e in entries
    )
    roles = {entry.get("role") for entry in entries if isinstance(entry, dict)}
    return listed and whole and roles >= {"source", "destination"} and isinstance(models, dict) and len(models) == 2


def changed(document: dict[str, Any], home: Path) -> dict[str, list[str]]:
    """The files of a certificate that are not what they were: missing, or other bytes."""
    missing, other = [], []
    for entry in (*document["files"], *document["code"]):
        path = home / entry["file"]
        if not path.is_file():
            missing.append(str(path))
        elif digest(path) != entry["sha256"]:
            other.append(str(path))
    return {what: names for what, names in (("missing", missing), ("changed", other)) if names}


def written(document: dict[str, Any]) -> str:
    """The certificate's text."""
    return json.dumps(document, indent=1, allow_nan=False) + "\n"
