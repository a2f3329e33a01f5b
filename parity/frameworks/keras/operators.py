"""An ear on what a model's own code makes of a backend's tensors: operators, indices, and any function of Keras's.

The table of kinds names what is a step or has a name; of all else it is only told that it has made a tensor.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import FunctionType
from typing import Any

import keras.src.backend as backend
from keras import ops

BOTH = "add sub mul truediv floordiv mod pow matmul and or"  # Python's words, each for a left and a right operand
OPERATORS = tuple(f"__{side}{name}__" for name in BOTH.split() for side in ("", "r"))
OPERATORS += ("__neg__", "__abs__", "__getitem__", "__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__")
MODULES = ("numpy", "nn", "math", "image", "linalg")
Made = Callable[[Any], None]


@contextmanager
def overhearing(made: Made) -> Iterator[None]:
    """Let `made` know of all that operators and the backend's functions return."""
    with ExitStack() as stack:
        for name in MODULES:
            module = getattr(backend, name, None)
            for own, function in [*vars(module).items()] if module is not None else ():
                if isinstance(function, FunctionType) and not own.startswith("_"):
                    stack.callback(setattr, module, own, function)
                    setattr(module, own, partial(_told, made, function))
        _listen_to_operators(made, stack)
        yield


def _listen_to_operators(made: Made, stack: ExitStack) -> None:
    """Of the class of tensors that holds them; where that is not Python's to change (NumPy's), of none."""
    for name in OPERATORS:
        owner = next((cls for cls in type(ops.convert_to_tensor(0.0)).__mro__ if name in vars(cls)), object)
        function = vars(owner).get(name)
        try:
            setattr(owner, name, _wrapped(made, function))
        except TypeError:
            continue
        stack.callback(setattr, owner, name, function)


def _wrapped(made: Made, function: Any) -> Any:
    def operator(*args: Any, **kwargs: Any) -> Any:
        return _told(made, function, *args, **kwargs)

    return operator


def _told(made: Made, function: Any, *args: Any, **kwargs: Any) -> Any:
    output = function(*args, **kwargs)
    made(output)
    return output
