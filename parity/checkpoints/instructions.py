"""The instructions of pickles, by their codes: what each does on a `Machine`."""

import struct
from collections.abc import Callable
from typing import Any

from .pickles import MARK, MOST_NUMBER, Global, Machine, PickleFault

MOST_STEPS = 3_000_000  # instructions; a network of 10,000 tensors with its optimizer has about one million
STOP = 0x2E


def read(machine: Machine) -> Any:
    """The value of the pickle that the machine stands at. Raises PickleFault."""
    try:
        for _ in range(MOST_STEPS):
            code = machine.data[machine.at]
            machine.at += 1
            if code == STOP:
                return machine.pop()
            STEPS[code](machine)
    except PickleFault:
        raise
    except (IndexError, KeyError, ValueError, TypeError, struct.error, UnicodeDecodeError, OverflowError) as error:
        raise PickleFault(f"it breaks off or makes no sense ({type(error).__name__})") from None
    except (RecursionError, MemoryError):
        raise PickleFault("it is nested too deep") from None
    raise PickleFault(f"it has more than {MOST_STEPS} instructions")


Step = Callable[[Machine], Any]


def _text(form: str) -> Step:
    return lambda m: m.push(m.take(m.number(form)).decode("utf-8", "surrogatepass"))


def _bytes(form: str) -> Step:
    return lambda m: m.push(m.take(m.number(form)))


def _string(form: str) -> Step:  # of Python 2: text, or bytes that only look so
    return lambda m: m.push(m.take(m.number(form)).decode("latin-1"))


def _plain(form: str) -> Step:
    return lambda m: m.push(m.number(form))


def _constant(value: Any) -> Step:
    return lambda m: m.push(value)


def _tuple(count: int) -> Step:
    def step(m: Machine) -> None:
        found = [m.pop() for _ in range(count)]
        m.push(tuple(reversed(found)))

    return step


def _int_line(m: Machine) -> None:
    text = m.line()
    if len(text) > 2 * MOST_NUMBER:
        raise PickleFault("it has a whole number of too many digits")
    m.push(text == "01" if text in ("00", "01") else int(text.rstrip("L")))


def _get(form: str) -> Step:
    return lambda m: m.again(m.number(form))


def _put(form: str) -> Step:
    return lambda m: m.memo.__setitem__(m.number(form), m.top())


def _called(m: Machine) -> None:
    args = m.pop()
    m.call(m.pop(), args)


def _with_words(m: Machine) -> None:
    words, args = m.pop(), m.pop()
    m.call(m.pop(), (*args, words))


def _object(m: Machine) -> None:
    function, *args = m.group()
    m.call(function, args)


def _inst(m: Machine) -> None:
    module, name = m.line(), m.line()
    m.call(Global(f"{module}.{name}"), m.group())


def _dict_of_group(m: Machine) -> None:
    pairs = m.group()
    m.push({})
    m.set(pairs)


def _append(m: Machine) -> None:
    value = m.pop()
    m.extend([value])


def _set_one(m: Machine) -> None:
    value, key = m.pop(), m.pop()
    m.set([key, value])


def _stack_global(m: Machine) -> None:
    name, module = m.pop(), m.pop()
    m.named(module, name)


def _extend_group(m: Machine) -> None:
    values = m.group()
    m.extend(values)


def _set_group(m: Machine) -> None:
    pairs = m.group()
    m.set(pairs)


def _memoize(m: Machine) -> None:
    m.memo[len(m.memo)] = m.top()


def _quoted(m: Machine) -> None:
    m.push(m.line()[1:-1])


STEPS: dict[int, Step] = {
    0x80: lambda m: m.take(1),  # PROTO
    0x95: lambda m: m.take(8),  # FRAME
    ord("("): lambda m: m.push(MARK),
    ord("0"): lambda m: m.stack.pop(),
    ord("1"): lambda m: m.group(),
    ord("2"): lambda m: m.push(m.top()),
    ord("N"): _constant(None),
    0x88: _constant(True),
    0x89: _constant(False),
    ord("I"): _int_line,
    ord("L"): _int_line,
    ord("J"): _plain("<i"),
    ord("K"): _plain("<B"),
    ord("M"): _plain("<H"),
    0x8A: lambda m: m.push(m.whole(m.number("<B"))),
    0x8B: lambda m: m.push(m.whole(m.number("<i"))),
    ord("F"): lambda m: m.push(float(m.line())),
    ord("G"): _plain(">d"),
    ord("S"): _quoted,
    ord("V"): lambda m: m.push(m.line()),
    ord("T"): _string("<i"),
    ord("U"): _string("<B"),
    ord("X"): _text("<I"),
    0x8C: _text("<B"),
    0x8D: _text("<Q"),
    ord("B"): _bytes("<I"),
    ord("C"): _bytes("<B"),
    0x8E: _bytes("<Q"),
    0x96: _bytes("<Q"),  # BYTEARRAY8
    ord(")"): _constant(()),
    ord("]"): lambda m: m.push([]),
    ord("}"): lambda m: m.push({}),
    0x8F: lambda m: m.push([]),  # EMPTY_SET: what is in a set is no weight
    0x91: lambda m: m.push(m.group()),  # FROZENSET
    ord("t"): lambda m: m.push(tuple(m.group())),
    0x85: _tuple(1),
    0x86: _tuple(2),
    0x87: _tuple(3),
    ord("l"): lambda m: m.push(m.group()),
    ord("d"): _dict_of_group,
    ord("a"): _append,
    ord("e"): _extend_group,
    0x90: _extend_group,  # ADDITEMS
    ord("s"): _set_one,
    ord("u"): _set_group,
    ord("c"): lambda m: m.named(m.line(), m.line()),
    0x93: _stack_global,
    ord("R"): _called,
    0x81: _called,  # NEWOBJ
    0x92: _with_words,  # NEWOBJ_EX
    ord("o"): _object,
    ord("i"): _inst,
    ord("b"): Machine.build,
    ord("P"): lambda m: m.identified(m.line()),
    ord("Q"): lambda m: m.identified(m.pop()),
    ord("g"): lambda m: m.again(int(m.line()[:20])),
    ord("h"): _get("<B"),
    ord("j"): _get("<I"),
    ord("p"): lambda m: m.memo.__setitem__(int(m.line()[:20]), m.top()),
    ord("q"): _put("<B"),
    ord("r"): _put("<I"),
    0x94: _memoize,
}
