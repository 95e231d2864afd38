"""The browser that prints the pages and tests them: a Chromium without a window."""

from __future__ import annotations

import shutil

from playwright.sync_api import Browser, Playwright


def launch(playwright: Playwright) -> Browser:
    """Start the system's own if there is one, else the one that Playwright installs.

    Debian packs Chromium without its window, too: it does the same for pages, and a third less work around them.
    """
    own = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    return playwright.chromium.launch(executable_path=own, args=["--no-sandbox"])
