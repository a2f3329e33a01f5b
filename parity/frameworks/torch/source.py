"""A torch module that is made -> where in the user's program that is. Nothing imports torch here."""

from functools import wraps
from types import ModuleType
from typing import Any

from parity.frameworks.source import MADE, places

PACKAGES = ("torch", "torchgen")


def _listen(module: ModuleType) -> None:
    """Note where every module is made: its class's own `__init__`, and those of its bases, come through this one."""
    plain = module.Module.__init__

    @wraps(plain)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        MADE.put(self, places(self, 2))
        plain(self, *args, **kwargs)

    module.Module.__init__ = __init__


HOOKS = {"torch.nn.modules.module": _listen}
