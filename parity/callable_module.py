"""`parity.check` and `parity.convert` are functions and modules of one name: importing the module hides the function.

So the module itself can be called, and `parity.check(...)` works before and after `import parity.check`.
"""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


def make_callable(name: str, function: Callable[..., Any]) -> None:
    """Let the module `name` be called like `function`."""

    class CallableModule(ModuleType):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

    sys.modules[name].__class__ = CallableModule
