"""Which of two programs is the copy, that is to be mended, and how it is read: plain data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Copy:
    """The side that is mended, the other being right. texts: of files that are to be read otherwise than they are.

    again: the command that made the report, by which one layer is checked again; "" where there is none.
    """

    side: str = "keras"
    texts: tuple[tuple[str, str], ...] = ()
    again: str = ""
