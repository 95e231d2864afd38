"""The figure of README.md is the one that its script draws now."""

import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
def test_the_stored_figure_is_what_the_script_draws(tmp_path):
    redrawn = tmp_path / "front.png"
    subprocess.run([sys.executable, ROOT / "makers/front_figure.py", redrawn], check=True)
    stored, now = matplotlib.image.imread(ROOT / "front.png"), matplotlib.image.imread(redrawn)
    assert stored.shape == now.shape
    # Another processor may round differently and shade a few edges otherwise.
    assert np.mean(np.abs(stored - now) > 0.02) < 1e-3
