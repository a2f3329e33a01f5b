"""Templates -> one HTML file: style and script inside, nothing from a network. Pure but for `write`."""

import os
import re
import tempfile
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from parity.errors import UnwritableError


def page(template: str, **values: Any) -> str:
    """The page that a template of this folder makes of `values`; what they hold is escaped."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    loader = PackageLoader("parity.pages", "templates")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {"prose": prose, "size": size, "shape": shape, "anchor": anchor}
    made.globals["asset"] = _asset
    return made


def _asset(name: str) -> Markup:
    """A style sheet or script of ours, as it stands."""
    return Markup((files("parity.pages") / "templates" / name).read_text())


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


def write(path: str, text: str, option: str = "--output") -> None:
    """Write a page under a temporary name and rename it. Raises UnwritableError."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=Path(path).parent, prefix=".parity-", encoding="utf-8", delete=False
        ) as file:
            file.write(text)
        Path(file.name).chmod(0o666 & ~_umask())
        os.replace(file.name, path)
    except OSError as error:
        raise UnwritableError(
            f"{option} {path} must be a file that can be written, and is not ({error.strerror}); choose another place"
        ) from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
