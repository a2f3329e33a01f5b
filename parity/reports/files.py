"""Files that a command writes for its user: whole or not at all."""

import os
import sys
import tempfile
from pathlib import Path

from parity.errors import UnwritableError


def check_writable(option: str, path: str | None) -> None:
    """Find out before a run, not after it, that `option`'s file cannot be written. Raises UnwritableError."""
    if path not in (None, "-") and not os.access(Path(path).parent, os.W_OK):
        raise UnwritableError(
            f"{option} {path} must be in a folder that can be written to, and {Path(path).parent} is none; "
            "choose another"
        )


def write_text(option: str, path: str, text: str) -> None:
    """Write under a temporary name and rename; "-" is stdout. Raises UnwritableError, which names `option`."""
    if path == "-":
        sys.stdout.write(text)
        return
    temporary: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=Path(path).parent, prefix=".parity-", encoding="utf-8", delete=False
        ) as file:
            temporary = Path(file.name)
            file.write(text)
        temporary.chmod(0o666 & ~_umask())  # a temporary file is its owner's alone
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise UnwritableError(
            f"{option} {path} must be a file that can be written, and is not ({error.strerror}); choose another place"
        ) from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
