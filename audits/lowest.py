"""Print requirements for `make lowest`: the oldest versions in pyproject.toml, and what the unit tests need."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTED_WITH = ("pytest", "hypothesis", "mpmath", "nbformat", "pyyaml")

project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
for requirement in [*project["dependencies"], *project["optional-dependencies"]["cluster"]]:
    print(requirement.replace(">=", "=="))
for pin in (ROOT / "constraints.txt").read_text().splitlines():
    if pin.split("==")[0].lower() in TESTED_WITH:
        print(pin)
print("pyparsing==3.1.*  # newer ones warn of what the oldest Matplotlib does")
