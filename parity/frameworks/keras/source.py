"""A Keras layer that is made, or put into a graph -> where in the user's program that is. Nothing imports Keras here.

A functional model's graph is built once and run by Keras: no line of the user's calls its layers then.
"""

from functools import wraps
from types import ModuleType
from typing import Any

from parity.frameworks.source import JOINED, MADE, Places, places

PACKAGES = ("keras", "tensorflow", "jax", "jaxlib", "optree", "numpy")


def _listen(module: ModuleType) -> None:
    plain = module.Operation.__new__

    @wraps(plain)
    def __new__(cls: type, *args: Any, **kwargs: Any) -> Any:
        made = plain(cls, *args, **kwargs)
        MADE.put(made, places(None, 2))
        return made

    module.Operation.__new__ = staticmethod(__new__)


def _listen_to_calls(module: ModuleType) -> None:
    plain = module.Node.__init__

    @wraps(plain)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        JOINED.put(self, places(None, 2))
        plain(self, *args, **kwargs)

    module.Node.__init__ = __init__


def joined(layer: Any, call: int) -> Places:
    """Where a layer of a graph was called for the n-th time, from 0."""
    nodes = getattr(layer, "_inbound_nodes", None) or []
    return JOINED.of(nodes[call]) if call < len(nodes) else ()


HOOKS = {"keras.src.ops.operation": _listen, "keras.src.ops.node": _listen_to_calls}
