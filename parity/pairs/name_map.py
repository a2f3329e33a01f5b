"""`--map FILE`: pairs of names that the user gives, in YAML: a path glob of torch's, and one of Keras's.

conv1: stem_conv
layer*.conv1: stage*_conv_a    # what one star stands for on the left, that on the right stands for too
"""

import re
from pathlib import Path
from typing import Any

from parity.errors import ParityError, few


class NameMap:
    """The rules of a file, torch's globs by Keras's."""

    def __init__(self, rules: dict[str, str], source: str = "the map") -> None:
        self.rules, self.source = rules, source

    @classmethod
    def read(cls, path: Path) -> "NameMap":
        """Raises ParityError where the file is not a YAML mapping of names to names."""
        import yaml

        try:
            rules = yaml.safe_load(path.read_text())
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            what = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
            raise ParityError(f"--map {path} must be a readable YAML file, and is not ({what}); correct it") from None
        if not isinstance(rules, dict) or not rules or not all(_is_name(x) for pair in rules.items() for x in pair):
            raise ParityError(
                f"--map {path} must map torch's path globs to Keras's, one `torch.path: keras.path` a line, and holds "
                f"{type(rules).__name__} of another form; correct it"
            )
        return cls({str(ours): str(theirs) for ours, theirs in rules.items()}, f"--map {path}")

    def pairs(self, torch: list[str], keras: list[str]) -> dict[str, str]:
        """Torch's step names by Keras's. Raises ParityError for a rule that fits nothing, or fits more than one."""
        found: dict[str, str] = {}
        for ours, theirs in self.rules.items():
            left, right = _fitting(ours, torch), _fitting(theirs, keras)
            common = left.keys() & right.keys()
            many = [names for side in (left, right) for names in side.values() if len(names) > 1]
            if not common or many:
                some = f"fits {few(many[0])} alike" if many else "fits no step on both sides"
                raise ParityError(
                    f"{self.source}: every rule must pair steps one to one, and `{ours}: {theirs}` {some}; "
                    f"steps are named like {few(torch[:3])} in torch and {few(keras[:3])} in Keras"
                )
            new = {left[stars][0]: right[stars][0] for stars in common}
            clash = sorted(set(new) & set(found)) + sorted(set(new.values()) & set(found.values()))
            if clash:
                raise ParityError(
                    f"{self.source}: every step must be paired once, and {few(clash)} is paired twice; "
                    "remove one of the rules"
                )
            found |= new
        return found


def _is_name(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _fitting(glob: str, names: list[str]) -> dict[tuple[str, ...], list[str]]:
    """The names that fit, by what their stars stand for and the number of the call."""
    pattern = re.compile("(.*)".join(map(re.escape, glob.split("*"))) + r"(#\d+)?")
    result: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        if fit := pattern.fullmatch(name):
            result.setdefault(tuple(group or "" for group in fit.groups()), []).append(name)
    return result
