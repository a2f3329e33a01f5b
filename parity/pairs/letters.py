"""A layer's name -> what it is of an attention's projections, queries, keys or values, as far as names say."""

import re

LETTERS = (("q", "q query queries wq"), ("k", "k key keys wk"), ("v", "v value values wv"))


def letter(path: str) -> str:
    """Empty where its last name does not say; else such that they sort as queries, keys, values."""
    tokens = set(re.split(r"[_\d]+", path.rpartition(".")[2].lower()))
    return next((f"{n}{name}" for n, (name, words) in enumerate(LETTERS) if tokens & set(words.split())), "")
