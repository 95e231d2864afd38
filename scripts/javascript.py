"""Fetch what the pages load from npm, and bundle the live figures; `make book`, `make lab` and `make lint` need it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

WEB = Path(__file__).resolve().parent.parent / "web"
BUNDLE = WEB.parent / "dlnlib/explore/bundle"


def prepare() -> bool:
    """Return whether what npm brings is there, as pinned in web/package-lock.json, and the figures' scripts made of it.

    A failure is told; pages are built all the same, with pictures, and load MathJax from a content delivery network.
    """
    lock, installed = WEB / "package-lock.json", WEB / "node_modules/.installed"
    if not installed.is_file() or installed.read_bytes() != lock.read_bytes():
        if shutil.which("npm") is None:
            print("npm was not found: figures will not move, and pages will load MathJax from a CDN")
            return forget()
        fetched = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=WEB, check=False)
        if fetched.returncode != 0:
            print("npm could not fetch the scripts (see above): figures will not move, MathJax will come from a CDN")
            return forget()
        shutil.copyfile(lock, installed)
    subprocess.run(["node", "bundle.mjs"], cwd=WEB, check=True)
    return True


def forget() -> bool:
    """Remove what an earlier build made with npm."""
    shutil.rmtree(WEB / "node_modules", ignore_errors=True)
    shutil.rmtree(BUNDLE, ignore_errors=True)
    return False


if __name__ == "__main__":
    sys.exit(not prepare())
