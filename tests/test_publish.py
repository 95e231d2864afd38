"""The book as others get it: a branch of pages, a release, links that are shared, Binder and Colab."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
import test_build
import yaml
from bs4 import BeautifulSoup
from PIL import Image

import dlnlib

ROOT = Path(__file__).resolve().parent.parent
SITE = "https://someone.example/deep/"
HOME = """---
file_format: mystnb
kernelspec: {name: python3}
mystnb: {execution_mode: force}
---

# Home

{doc}`chapters/one`

```{code-cell} ipython3
1 + 1
```
"""

book = test_build.book


def publish(book: Path, repository: str) -> None:
    """Build a small book whose owner has said where it stands."""
    config = (book / "_config.yml").read_text()
    config = config.replace('baseurl: ""', f"baseurl: {SITE[:-1]}").replace('url: ""\n', f"url: {repository}\n", 1)
    (book / "_config.yml").write_text(config)
    (book / "intro.md").write_text(HOME)
    test_build.write_chapter(book, "print(1 + 1)", "# One\n\nWhat the *first* chapter says.")
    status, lines = test_build.build(book)
    assert status == 0, lines


@pytest.mark.slow
def test_a_published_book_is_found_shared_and_opened_elsewhere(book):
    publish(book, "https://github.com/someone/deep")
    html = book / "_build/html"
    page = BeautifulSoup((html / "chapters/one.html").read_text(), "html.parser")
    told = {tag.get("property") or tag.get("name"): tag["content"] for tag in page.select("meta[content]")}
    assert told["og:title"] == "One" and told["og:site_name"] == "How deep networks learn"
    assert told["og:description"] == told["description"] == "What the first chapter says."
    assert told["og:url"] == f"{SITE}chapters/one.html" == page.select_one("link[rel=canonical]")["href"]
    preview = Image.open(html / told["og:image"].removeprefix(SITE))
    assert preview.size == (840, 441) and preview.mode == "RGB" and told["og:image:alt"]
    assert preview.getpixel((0, 0)) == (255, 255, 255) and preview.convert("L").getextrema()[0] < 60

    sitemap = ElementTree.parse(html / "sitemap.xml").getroot()
    places = [place.text for place in sitemap.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")]
    assert places == [f"{SITE}chapters/one.html", f"{SITE}intro.html"]
    assert all((html / place.removeprefix(SITE)).is_file() for place in places)

    opened = {link["href"] for link in page.select("a[href^='https://']")}
    notebook = "_sources/chapters/one.ipynb"  # of the branch that holds the pages
    assert (html / notebook).is_file()
    assert f"https://colab.research.google.com/github/someone/deep/blob/gh-pages/{notebook}" in opened
    assert f"https://mybinder.org/v2/gh/someone/deep/gh-pages?urlpath=lab/tree/{notebook}" in opened
    assert "https://github.com/someone/deep" in opened
    assert not re.search(r"colab|mybinder|\.ipynb", (html / "intro.html").read_text())  # it is no notebook
    assert not any("/edit/" in link for link in opened)

    # What Binder installs: the library that the pages offer, among versions that were tried.
    command = [*(sys.executable, "-m", "pip", "install", "--quiet", "--dry-run"), *("--no-index", "--no-deps")]
    command += ["--ignore-installed", "--report", "-", "--requirement", "requirements.txt"]
    report = subprocess.run(command, cwd=html, capture_output=True, text=True, check=True).stdout
    (installed,) = yaml.safe_load(report)["install"]
    assert installed["metadata"]["name"] == "dlnlib" and installed["metadata"]["version"] == dlnlib.__version__
    assert (html / "constraints.txt").read_text() == (ROOT / "constraints.txt").read_text()

    # A second run writes one page, and still names all.
    (book / "intro.md").write_text("# Home, again\n\n{doc}`chapters/one`\n")
    assert test_build.build(book)[0] == 0
    assert (html / "sitemap.xml").read_text().count("<loc>") == 2


@pytest.mark.slow
def test_a_repository_that_colab_does_not_know_gets_no_button_for_it(book):
    publish(book, "https://gitlab.com/someone/deep")
    text = (book / "_build/html/chapters/one.html").read_text()
    assert "https://mybinder.org/v2/gl/someone%2Fdeep/gh-pages" in text and "colab" not in text


@pytest.mark.slow
@pytest.mark.usefixtures("built")
def test_without_addresses_pages_name_none():
    html = ROOT / "_build/html"
    assert [name for name in ("sitemap.xml", "requirements.txt", "runtime.txt") if (html / name).exists()] == []
    assert (html / ".nojekyll").is_file() and not (html / "CNAME").exists()
    page = BeautifulSoup((html / "chapters/plateaus.html").read_text(), "html.parser")
    told = {tag.get("property"): tag["content"] for tag in page.select("meta[property]")}
    assert not urlsplit(told["og:image"]).scheme and (html / told["og:image"]).is_file()
    assert not page.select("link[rel=canonical], a[href*=colab], a[href*=mybinder]")
    assert "Text: CC BY 4.0. Code: MIT." in page.select_one("footer.bd-footer-content").get_text()


def git(*arguments: str, at: Path) -> str:
    return subprocess.run(["git", *arguments], cwd=at, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def repository(tmp_path):
    """Sources under Git, built, with an origin."""
    house, origin = tmp_path / "house", tmp_path / "origin.git"
    (house / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts/publish.py", house / "scripts")
    (house / ".gitignore").write_text("_build/\n")
    git("init", "--quiet", "--bare", str(origin), at=tmp_path)
    git("init", "--quiet", "--initial-branch=main", at=house)
    git("add", ".", at=house)
    git("-c", "user.name=someone", "-c", "user.email=", "commit", "--quiet", "--message=Sources", at=house)
    git("remote", "add", "origin", str(origin), at=house)
    (house / ".git/info/exclude").write_text("*.whl\n")  # as one's own settings may say
    for page in (".nojekyll", "index.html", "_static/dlnlib-1.whl", "chapters/one.html"):
        (house / "_build/html" / page).parent.mkdir(parents=True, exist_ok=True)
        (house / "_build/html" / page).write_text(page)
    return house


def put_out(house: Path) -> subprocess.CompletedProcess:
    alone = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}  # as on a fresh machine
    command = [sys.executable, "scripts/publish.py"]
    return subprocess.run(command, cwd=house, env=alone, capture_output=True, text=True, check=False)


def test_the_branch_holds_the_pages_and_nothing_else_and_the_sources_stay_as_they_were(repository):
    (repository / "draft.md").write_text("not yet committed")
    git("add", "draft.md", at=repository)
    before = git("status", "--porcelain", at=repository), git("rev-parse", "HEAD", at=repository)
    for gone in (None, "chapters/one.html"):
        if gone:
            (repository / "_build/html" / gone).unlink()
        run = put_out(repository)
        assert run.returncode == 0, run.stderr
        assert "gh-pages" in run.stdout and "origin.git" in run.stdout
        pages = {".nojekyll", "index.html", "_static/dlnlib-1.whl", "chapters/one.html"} - {gone}
        origin = repository.parent / "origin.git"
        assert set(git("ls-tree", "-r", "--name-only", "gh-pages", at=origin).split()) == pages
        assert git("show", "gh-pages:index.html", at=origin) == "index.html"
        assert git("rev-list", "--count", "gh-pages", at=origin) == "1"
        assert git("branch", "--list", at=origin).split() == ["gh-pages"]
    assert before == (git("status", "--porcelain", at=repository), git("rev-parse", "HEAD", at=repository))


def test_what_cannot_be_published_is_told_in_a_line(repository):
    git("remote", "set-url", "origin", "nowhere", at=repository)
    run = put_out(repository)
    assert run.returncode == 1 and "nowhere" in run.stderr
    assert run.stderr.strip().splitlines()[-1].startswith("The book was not published")
    assert "Traceback" not in run.stderr


SCHEMAS = {
    ".github/workflows/book.yml": ("github-workflows", "runs-on:", "runs-at:"),
    ".gitlab-ci.yml": ("gitlab-ci", "paths:", "path:"),
    "CITATION.cff": ("citation-file-format", "given-names:", "first-names:"),
}


@pytest.mark.slow
@pytest.mark.parametrize("file", SCHEMAS)
def test_files_for_others_are_as_their_schemas_say(file, tmp_path):
    schema, right, wrong = SCHEMAS[file]

    def check(path: Path) -> int:
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(path)]
        return subprocess.run(command, capture_output=True, check=False).returncode

    slip = tmp_path / Path(file).with_suffix(".yml").name
    slip.write_text((ROOT / file).read_text().replace(right, wrong, 1))
    assert check(ROOT / file) == 0 and check(slip) == 1


def test_the_newest_version_of_what_is_new_is_the_one_that_is_cited():
    version, date = re.search(r"^## (\S+) \((\S+)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE).groups()
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (version, date) == (cited["version"], str(cited["date-released"])) and version == dlnlib.__version__


def jobs() -> dict:
    return yaml.safe_load((ROOT / ".github/workflows/book.yml").read_text())["jobs"]


def test_the_pages_travel_whole_from_the_job_that_builds_to_those_that_publish():
    def calls(job: str, action: str) -> list[dict]:
        return [step["with"] for step in jobs()[job]["steps"] if step.get("uses", "").startswith(f"actions/{action}@")]

    (sent,) = calls("test", "upload-artifact")
    assert sent["path"] == "_build/html" and sent["include-hidden-files"]  # .nojekyll
    for job in ("publish", "release"):
        (got,) = calls(job, "download-artifact")
        assert got["name"] == sent["name"] and jobs()[job]["needs"] == "test"
    assert calls("publish", "download-artifact")[0]["path"] == sent["path"]


def test_a_release_is_refused_if_its_tag_names_another_version():
    steps = jobs()["release"]["steps"]
    (guard,) = [step["run"] for step in steps if "CITATION.cff" in step.get("run", "")]
    for tag, refused in {f"v{dlnlib.__version__}": 0, f"v{dlnlib.__version__}.1": 1, "v0": 1}.items():
        tagged = os.environ | {"GITHUB_REF_NAME": tag}
        assert subprocess.run(["bash", "-c", guard], cwd=ROOT, env=tagged, check=False).returncode == refused, tag
