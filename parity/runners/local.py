"""A Side in this process as a Runner, for models that are in memory: what is asked is done before it returns."""

from collections.abc import Callable, Iterator
from typing import Any, Concatenate, ParamSpec, TypeVar

from parity.errors import ParityError
from parity.frameworks.side import Side
from parity.models.layers import LayerInfo

from .blame import blamed
from .engine import Engine
from .recording import Shelf
from .requests import Requests
from .runner import Done, Emit, Pending

P = ParamSpec("P")
T = TypeVar("T")


class LocalRunner(Requests):
    """Runs `side`, which records on `shelf`. name: what its model is called in a sentence."""

    def __init__(self, side: Side, shelf: Shelf, name: str = "") -> None:
        self.side, self.framework, self.shelf = side, side.framework, shelf
        self._engine = Engine(side.framework, shelf, spec=name)
        self._engine.own(side)

    def _ask(self, request: Callable[Concatenate[Engine, P], T], *args: P.args, **kwargs: P.kwargs) -> Pending[T]:
        return Done(self._done(request, *args, **kwargs))

    def _stream(
        self, request: Callable[Concatenate[Engine, Emit[T], P], None], *args: P.args, **kwargs: P.kwargs
    ) -> Iterator[T]:
        items: list[T] = []
        self._done(request, items.append, *args, **kwargs)
        return iter(items)

    def _done(self, request: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        try:
            return request(self._engine, *args, **kwargs)
        except ParityError:
            raise
        except Exception as error:
            raise blamed(error, self._engine, request) from error

    def start(self, seed: int, blank: bool = False) -> Pending[list[LayerInfo]]:
        """The model is built already."""
        return Done(self.side.settle())

    def spare_cores(self, spared: int) -> Pending[None]:
        """The user's own process keeps its threads."""
        return Done(None)
