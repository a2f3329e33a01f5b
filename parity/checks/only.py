"""A report and the path of a layer -> the report on that layer, or on all that are in it."""

from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches

from parity.errors import TargetError

from .report import Report


def on_one(report: Report, only: str) -> Report:
    """What else differs is not judged. Raises TargetError where no step that was compared is of that path."""
    if not only:
        return report
    layers = tuple(layer for layer in report.layers if _is_in(only, layer.path, layer.step.key))
    if not layers:
        raise TargetError(f"--only {only} must be a layer that both models have, and is none; {_near(only, report)}")
    kept = {layer.path for layer in layers}
    static = tuple(entry for entry in report.static if entry.path in kept or _is_in(only, entry.path))
    return replace(report, layers=layers, static=static, only=only)


def _is_in(only: str, *names: str) -> bool:
    return any(name.partition("#")[0] == only or name.startswith((f"{only}.", f"{only}<")) for name in names)


def _near(only: str, report: Report) -> str:
    paths = [layer.path for layer in report.layers]
    return f"try {' or '.join(_few(get_close_matches(only, paths, 3) or paths[:3]))}"


def _few(paths: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(paths))
