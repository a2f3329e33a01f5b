"""The two pages people look at: the twins side by side, and the report of a check. Text in, one static file out."""

from importlib.util import find_spec

from parity.errors import UnwritableError

NEEDED = ("jinja2", "pygments")


def require() -> None:
    """Raise UnwritableError where the libraries that the pages are made with are not installed."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise UnwritableError(
            f"HTML pages need {' and '.join(NEEDED)}, and {' and '.join(missing)} cannot be imported; "
            "install this project with its extra: `pip install -e '.[reports]'`"
        )
