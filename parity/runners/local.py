"""A Side in this process as a Runner, for models that are in memory: what is asked is done before it returns."""

from collections.abc import Callable, Iterator
from typing import Concatenate, ParamSpec, TypeVar

from parity.frameworks.side import Side
from parity.models.layers import LayerInfo

from .engine import Engine
from .recording import Shelf
from .requests import Requests
from .runner import Done, Emit, Pending

P = ParamSpec("P")
T = TypeVar("T")


class LocalRunner(Requests):
    """Runs `side`, which records on `shelf`."""

    def __init__(self, side: Side, shelf: Shelf) -> None:
        self.side, self.framework, self.shelf = side, side.framework, shelf
        self._engine = Engine(side.framework, shelf)
        self._engine.own(side)

    def _ask(self, request: Callable[Concatenate[Engine, P], T], *args: P.args, **kwargs: P.kwargs) -> Pending[T]:
        return Done(request(self._engine, *args, **kwargs))

    def _stream(
        self, request: Callable[Concatenate[Engine, Emit[T], P], None], *args: P.args, **kwargs: P.kwargs
    ) -> Iterator[T]:
        items: list[T] = []
        request(self._engine, items.append, *args, **kwargs)
        return iter(items)

    def start(self, seed: int, blank: bool = False) -> Pending[list[LayerInfo]]:
        """The model is built already."""
        return Done(self.side.layers())

    def spare_cores(self, spared: int) -> Pending[None]:
        """The user's own process keeps its threads."""
        return Done(None)
