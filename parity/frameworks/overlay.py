"""Other texts of a user's files -> what an import of them runs in this process, while the files stay as they are.

A module keeps its name and its file's: what it reads beside itself, and its relative imports, are found as ever.
"""

import linecache
import os
from importlib.machinery import SourceFileLoader
from types import CodeType


def lay_over(texts: dict[str, str]) -> None:
    """Let modules that are imported from now on be made of these texts, by the paths of their files."""
    known = {os.path.realpath(path): text for path, text in texts.items()}
    plain = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, fullname: str) -> CodeType | None:
        text = known.get(os.path.realpath(self.path))
        if text is None:
            return plain(self, fullname)
        linecache.cache[self.path] = len(text), None, text.splitlines(keepends=True), self.path
        code: CodeType = compile(text, self.path, "exec", dont_inherit=True)
        return code

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign, assignment]
