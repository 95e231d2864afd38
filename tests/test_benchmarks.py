"""The benchmarks run; how fast is not a matter of tests."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def keys(value):
    """The shape of a result, without its numbers."""
    if isinstance(value, dict):
        return {name: keys(entry) for name, entry in value.items()}
    return (
        [keys(entry) for entry in value] if value and isinstance(value, list) and isinstance(value[0], dict) else None
    )


def test_benchmarks_run_and_report_what_the_page_shows(tmp_path):
    command = [sys.executable, ROOT / "benchmarks/run.py", "--quick", "--out", tmp_path / "results.json"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    quick = json.loads((tmp_path / "results.json").read_text())
    assert keys(quick) == keys(json.loads((ROOT / "benchmarks/results.json").read_text()))
    assert quick["full_batch_step"]["largest relative difference of the losses"] < 1e-9
    assert all(row["largest relative difference from DOP853"] < 1e-6 for row in quick["closed_forms"])
