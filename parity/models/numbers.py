"""A number -> what JSON can hold of it."""

from typing import Any


def or_null(value: Any) -> Any:
    """The value, or None for NaN and infinity: JSON has neither."""
    return value if not isinstance(value, float) or abs(value) < float("inf") else None
