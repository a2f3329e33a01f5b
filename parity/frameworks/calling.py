"""A form and a function's parameters -> the arguments to call it with, whoever wrote either."""

import inspect
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

from parity.errors import ParityError
from parity.models.inputs import Inputs, leaves

POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Call(NamedTuple):
    """The arguments, as forms; and what each top entry of the inputs' form is called, "" where it has no name."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    words: tuple[str, ...] = ()


class Parameters:
    """What a function takes, but for those `own` parameters that are the framework's affair."""

    def __init__(self, function: Callable[..., Any], own: Collection[str] = ()) -> None:
        found = [p for p in inspect.signature(function).parameters.values() if p.name not in own]
        self.positional = [p.name for p in found if p.kind in POSITIONAL]
        self.named = {p.name for p in found if p.kind in (*POSITIONAL[1:], inspect.Parameter.KEYWORD_ONLY)}
        self.required = [p.name for p in found if p.default is p.empty and p.kind in POSITIONAL]
        self.any_number = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in found)
        self.any_name = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in found)

    def calls(self, x: Inputs) -> Iterator[Call]:
        """The ways to call the function on x, the likeliest first: by name, by position, all as one argument.

        A list at the top is one argument where the function needs no more than one.
        """
        entries = x.entries
        if isinstance(x.form, list) and len(self.required) <= 1 and len(entries) > 1:
            yield from self._together(x)
        words = [word for word, _ in entries]
        if all(words) and len(set(words)) == len(words):
            wanted = self.named | (set(words) if self.any_name else set())
            if set(words) <= wanted and set(self.required) <= set(words):
                yield self._named(entries)
        if self.any_number or len(self.required) <= len(entries) <= len(self.positional):
            names = [*self.positional, *[""] * len(entries)][: len(entries)]
            yield Call(tuple(entry for _, entry in self._sorted(entries)), {}, tuple(names))
        if not isinstance(x.form, list) and (len(entries) > 1 or not isinstance(x.form, tuple)):
            yield from self._together(x)

    def _together(self, x: Inputs) -> Iterator[Call]:
        """All in one list or dict: as the user wrote it first, then the other."""
        if not self.positional or len(self.required) > 1:
            return
        words, listed = tuple(word for word, _ in x.entries), [entry for _, entry in x.entries]
        named = [dict(x.entries)] if all(words) else []
        written: list[Any] = [listed if isinstance(x.form, list) else tuple(listed)]
        for form in [*named, listed] if isinstance(x.form, dict) else [*written, *named]:
            yield Call((form,), {}, words)

    def _named(self, entries: list[tuple[str, Any]]) -> Call:
        """By name; by position as far as the parameters stand in a row, since a layer's first is its input."""
        left = dict(entries)
        args = []
        for name in self.positional:
            if name not in left:
                break
            args.append(left.pop(name))
        return Call(tuple(args), left, (*self.positional[: len(args)], *left))

    def _sorted(self, entries: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
        """By position, but for those that are called by the name of a parameter: these stand where it does."""
        places = {name: number for number, name in enumerate(self.positional[: len(entries)])}
        known = {places[word]: (word, entry) for word, entry in entries if word in places}
        rest = iter([entry for entry in entries if entry[0] not in places])
        return [known[number] if number in known else next(rest) for number in range(len(entries))]


def call_of(who: str, function: Callable[..., Any], x: Inputs, own: Collection[str] = ()) -> list[Call]:
    """The ways to call a model's function on x. Raises ParityError where it takes other inputs than there are."""
    parameters = Parameters(function, own)
    found = list(parameters.calls(x))
    if not found:
        takes = ", ".join(parameters.required or parameters.positional) or "nothing"
        raise ParityError(
            f"the {who} model must be called on the inputs given, and its {_name(function)} takes {takes}, while "
            f"{counted(x)}; name its inputs with --input, or pass x as a tuple (by position) or a dict (by keyword)"
        )
    return found


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", "call"))


def counted(x: Inputs) -> str:
    """How many inputs there are, and what they are called."""
    names = [word or f"number {place + 1}" for place, (word, _) in enumerate(x.entries)]
    return f"{len(names)} input{' is' if len(names) == 1 else 's are'} given ({', '.join(names)})"


def arrays_of(form: Any) -> list[str]:
    """The names of the arrays in a form, in order."""
    return [leaf.name for leaf in leaves(form)]
