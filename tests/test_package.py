"""What `import dlnlib` brings, and what an installed copy says of itself."""

import importlib
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import dlnlib

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"torch", "matplotlib", "ipywidgets", "anywidget", "tqdm", "loky"}


def loaded_by(statement):
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


@pytest.mark.parametrize(
    "statement", ["import dlnlib.exact", "from dlnlib import Task, exact", "from dlnlib.task import Task"]
)
def test_theory_loads_neither_torch_nor_what_draws(statement):
    modules = loaded_by(statement)
    assert "numpy" in modules and not modules & HEAVY and "dlnlib.descent" not in modules


@pytest.mark.slow
def test_rooms_are_loaded_when_they_are_asked_for():
    modules = loaded_by("import dlnlib\nassert 'descent' in dir(dlnlib) and dlnlib.stability.curvature(1, 1, 2)")
    assert {"dlnlib.stability", "dlnlib.exact"} <= modules and "dlnlib.descent" not in modules
    assert "dlnlib.figures" in loaded_by("from dlnlib import *\nfigures.use_style, Task, sweep.sweep")
    with pytest.raises(AttributeError, match="module 'dlnlib' has no attribute 'nowhere'"):
        dlnlib.nowhere  # noqa: B018


def test_every_room_is_named_in_the_first_lines():
    public = {
        path.stem for path in (ROOT / "dlnlib").glob("[!_]*") if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert set(dlnlib.__all__) == {"Task", *public}
    assert [name for name in public if f"`{name}`" not in dlnlib.__doc__] == []


def test_an_installed_copy_is_whole(tmp_path):
    """Types, data and licences travel; the version has one place, and the citation has the same."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == dlnlib.__version__
    shipped = ["data/*", "py.typed", "explore/live.css", "explore/bundle/widget.js"]
    assert project["tool"]["setuptools"]["package-data"] == {"dlnlib": shipped}
    assert (ROOT / "dlnlib/py.typed").exists()
    for file in [project["project"]["readme"], *project["project"]["license-files"]]:
        assert (ROOT / file).is_file()


def test_all_is_what_a_module_defines_in_public():
    for room in pkgutil.walk_packages(dlnlib.__path__, "dlnlib."):
        if "._" not in room.name:
            module = importlib.import_module(room.name)
            defined = {
                name for name, thing in vars(module).items() if getattr(thing, "__module__", None) == module.__name__
            }
            assert {name for name in defined if not name.startswith("_")} <= {*module.__all__}, room.name
            assert all(hasattr(module, name) for name in module.__all__)
