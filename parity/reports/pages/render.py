"""Templates -> one HTML file: style and script inside, nothing from a network. Pure."""

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape


def page(template: str, **values: Any) -> str:
    """The page that a template of this folder makes of `values`; what they hold is escaped."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    loader = PackageLoader("parity.reports.pages", "templates")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {"prose": prose, "size": size, "shape": shape, "anchor": anchor}
    made.globals["asset"] = _asset
    return made


def _asset(name: str) -> Markup:
    """A style sheet or script of ours, as it stands."""
    return Markup((files("parity.reports.pages") / "templates" / name).read_text())


def prose(text: str) -> Markup:
    """Plain text with `code` in backticks."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def size(value: float | None) -> str:
    """An error, as 1.2e-15; 0 where both are equal bit for bit."""
    if value is None:
        return "not finite"
    return "0" if value == 0 else f"{value:.1e}"


def shape(sizes: Sequence[int | str]) -> str:
    """Sizes with multiplication signs between them."""
    return "\N{MULTIPLICATION SIGN}".join(map(str, sizes)) or "scalar"


def anchor(path: str) -> str:
    """A path as the identifier of an element."""
    return re.sub(r"[^\w.-]+", "-", path)
