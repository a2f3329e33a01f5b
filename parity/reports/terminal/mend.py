"""What became of a mending -> lines: each edit that is proven, each that was not, and the patch."""

from collections.abc import Iterator

from parity.checks.mending import Mended
from parity.errors import few


def lines(found: Mended, in_place: bool, quiet: bool) -> Iterator[str]:
    """For a terminal; the last check's report stands below. quiet: the patch alone."""
    if not quiet:
        for edit, cause in found.edits:
            yield f"mended: {cause.name} at {cause.path}, {edit.at}"
        for edit, cause in found.proposed:
            yield f"not mended: {cause.name} at {cause.path}: it is still there with {edit.at} edited"
        if found.carried:
            yield f"mended by copying torch's weights (parity.copy_weights, or --weights copy): {few(found.carried)}"
        for cause in found.report.causes:
            if cause.edit is None:
                yield f"left: {cause.name} at {cause.path}: no line is known whose edit mends it"
        if in_place and found.texts:
            yield f"written: {', '.join(found.names[path] for path, _ in found.texts)}"
        if found.patch:
            yield ""
    if found.patch:
        yield found.patch
