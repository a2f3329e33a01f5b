"""The configuration that lies beside weights in the folders that other libraries write and read back as a whole."""

import re
from pathlib import Path

from .checkpoint import strict_json
from .statements import Statement, statements

WHOLE = re.compile(r"(model|pytorch_model|task)\b.*")  # the names that those libraries give the weights of a folder

MOST_CONFIG = 16 << 20  # bytes


def stated_beside(weights: Path) -> list[Statement]:
    """What config.json beside a folder's weights, or task.json beside keras_hub's task.weights.h5, states of them.

    Nothing for weights of another name: they need not be the folder's. Raises CheckpointError for what is no JSON.
    """
    match = WHOLE.fullmatch(weights.name)
    if match is None:
        return []
    config = weights.with_name("task.json" if match[1] == "task" else "config.json")
    try:
        text = config.read_bytes() if config.is_file() and config.stat().st_size <= MOST_CONFIG else b""
    except OSError:
        return []  # what cannot be read says nothing
    return statements(strict_json(text, str(config)), str(config)) if text else []
