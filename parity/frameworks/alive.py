"""The step that runs now -> a line where it is read if the process is ended in the middle of it, by a signal."""

import os

MARK = b"\x1e"  # a record separator: no framework prints one at the beginning of a line
_kept: list[int] = []  # the descriptor to write to, of a process of ours


def announce_to(descriptor: int) -> None:
    """From now on tell which step runs."""
    _kept[:] = [descriptor]


def announce(path: str) -> None:
    """That a step begins; some microseconds."""
    for descriptor in _kept:
        os.write(descriptor, MARK + path.encode(errors="replace") + b"\n")


def latest(log: bytes) -> tuple[str, list[str]]:
    """The step that ran last by a log, "" for none, and the lines of all else."""
    lines = [line for line in log.splitlines() if line.strip()]
    told = [line.removeprefix(MARK).decode() for line in lines if line.startswith(MARK)]
    rest = [line.decode(errors="replace") for line in lines if not line.startswith(MARK)]
    return told[-1] if told else "", rest
