"""What a run knows of a tensor: the step that made it, what its axes mean, and where its numbers lay before."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from parity.models.arrays import View
from parity.models.kinds import named
from parity.models.source import Sources

from .orders import Order, is_vector


@dataclass(frozen=True)
class Made:
    """What is known of a tensor. key: the step that made it, None for glue, which has a path and a name instead.

    layout: of the axes, as in kinds.py. order: where its numbers came from. origins: the steps that glue was made of,
    None where an operation in between was not seen. since: where its numbers lay in the step that made it, None if
    nothing has moved them. Keras's Permute has no partner in a torch model, nor torch's `permute(0, 2, 3, 1)` in a
    Keras one, so what was moved is shown, and its gradient too, in the axes that the step gave it. view: how it lies
    beside the other side's tensor, if that was found by comparing the two. narrow, mixed, called: of glue, see
    Step. inputs: of glue, the tensors that the operation joined, where a Look wants any step's.
    """

    key: str | None
    layout: str
    order: Callable[[], Order | None] = lambda: None
    path: str = ""
    kind: str = "glue"
    origins: tuple[str, ...] | None = None
    since: Callable[[], Order | None] | None = None
    view: View | None = None
    narrow: str | None = None
    mixed: bool = False
    called: Sources = ()
    inputs: tuple[Any, ...] = ()

    @property
    def mixes(self) -> bool:
        """Whether it is glue that does not say which of the steps it was made of came first."""
        return self.key is None and (self.mixed or named(self.kind).commutes)

    def displaced(self, sample: tuple[int, ...]) -> Order | None:
        """The order of an image, now of shape `sample` without the batch, if it was moved and is one still."""
        order = self.since() if self.since is not None and len(sample) > 1 else None
        known = order is not None and order.index.shape == sample and not is_vector(order.shape)
        return order if known else None


def origins(known: list[Made]) -> tuple[str, ...] | None:
    """The steps that several tensors were made by; None if that was not seen of one of them."""
    each = [(made.key,) if made.key is not None else made.origins for made in known]
    return None if any(part is None for part in each) else tuple(key for part in each if part for key in part)
