"""The configuration that lies beside weights in the folders that other libraries write and read back as a whole."""

import re
from pathlib import Path
from typing import Any

from parity.errors import CheckpointError

from .checkpoint import strict_json
from .files import is_checkpoint
from .statements import Statement, statements

WHOLE = re.compile(r"(model|pytorch_model|task)\b.*")  # the names that those libraries give the weights of a folder

MOST_CONFIG = 16 << 20  # bytes


def stated_beside(weights: Path) -> tuple[list[Statement], tuple[str, ...], Any]:
    """What config.json beside a folder's weights, or task.json beside keras_hub's task.weights.h5, states; and a note;

    and what the file holds.

    Nothing for weights of another name beside others: they need not be the folder's.
    """
    match = WHOLE.fullmatch(weights.name)
    if match is None and not _alone(weights):
        return [], (), None
    config = weights.with_name("task.json" if match and match[1] == "task" else "config.json")
    try:
        text = config.read_bytes() if config.is_file() and config.stat().st_size <= MOST_CONFIG else b""
    except OSError:
        text = b""
    try:
        held = strict_json(text, str(config)) if text else None
        return statements(held, str(config)), (), held
    except CheckpointError:
        return [], (f"{config.name} beside it is no sound JSON and says nothing of the network",), None


def _alone(weights: Path) -> bool:
    """Whether a file is its folder's only checkpoint."""
    try:
        return [path.name for path in weights.parent.iterdir() if is_checkpoint(path)] == [weights.name]
    except OSError:
        return False
