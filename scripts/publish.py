"""Put the built pages on the branch gh-pages of the repository's origin; `make publish` calls this.

GitHub serves that branch as a site, and Binder and Colab open the notebooks that lie in it. It holds the pages alone,
as one commit without a past: what is built from sources needs none, and would weigh more with each book.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build/html"
INDEX = ROOT / "_build/publish.index"  # the pages have their own, and the sources' is not touched
BRANCH = "gh-pages"


def main() -> int:
    """Commit the pages, push the commit, and say so."""
    environment = os.environ | {"GIT_INDEX_FILE": str(INDEX)}
    for role in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{role}_NAME": "make publish", f"GIT_{role}_EMAIL": ""}

    def git(*arguments: str, at: Path = ROOT) -> str:
        return subprocess.check_output(["git", *arguments], cwd=at, env=environment, text=True).strip()

    repository, sources = git("rev-parse", "--absolute-git-dir"), git("rev-parse", "--short", "HEAD")
    git(f"--git-dir={repository}", "--work-tree=.", "add", "--all", "--force", ".", at=HTML)
    commit = git("commit-tree", git("write-tree"), "-m", f"The book, built from {sources}")
    git("push", "--quiet", "--force", "origin", f"{commit}:refs/heads/{BRANCH}")
    print(f"The book, built from {sources}, is on the branch {BRANCH} of {git('remote', 'get-url', 'origin')}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"The book was not published: {error}")
