"""Chromium without a window, from the system: pages are opened from their files, with no network."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

PHONE, DESKTOP = (390, 844), (1440, 900)
NAMES = "chromium", "chromium-browser", "google-chrome"


@cache
def executable() -> str | None:
    """The system's Chromium or Chrome, if it starts: a name on the path may only say how to install it."""
    paths = (path for name in NAMES if (path := shutil.which(name)))
    return next(
        (path for path in paths if not subprocess.run([path, "--version"], capture_output=True).returncode), None
    )


needs_browser = pytest.mark.skipif(
    executable() is None,
    reason=f"no browser: none of {', '.join(NAMES)} on the path starts (Debian: apt install chromium)",
)


@contextmanager
def launched() -> Iterator[Any]:
    """A running browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Opened:
    """A page in a tab, with what the console said and what it asked a network for."""

    def __init__(self, browser: Any, file: Path, size: tuple[int, int] = DESKTOP, **options: Any) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        width, height = size
        context = browser.new_context(
            viewport={"width": width, "height": height}, reduced_motion="reduce", offline=True, **options
        )
        self.page = context.new_page()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(file.as_uri())

    @property
    def overflow(self) -> int:
        """Pixels by which the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def violations(self) -> list[str]:
        """What axe-core finds serious or critical."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page).response["violations"]
        return [
            f"{one['impact']} {one['id']}: {one['help']} ({one['nodes'][0]['html'][:120]})"
            for one in found
            if one["impact"] in ("serious", "critical")
        ]


def in_every_window(test: Any) -> Any:
    """Run a test on a phone and on a desktop, in light and in dark, where there is a browser."""
    test = pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])(test)
    test = pytest.mark.parametrize("scheme", ["light", "dark"])(test)
    return needs_browser(pytest.mark.browser(test))


def opens_without_a_fault(browser: Any, file: Path, size: tuple[int, int], scheme: str) -> None:
    """Nothing said on the console, nothing asked of a network, nothing wider than the window, all of it accessible."""
    opened = Opened(browser, file, size, color_scheme=scheme)
    assert opened.said == []
    assert opened.asked == [file.as_uri(), "data:,"][: len(opened.asked)]
    assert opened.overflow == 0
    assert opened.violations() == []
