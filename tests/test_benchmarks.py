"""The benchmarks run, and the results that the page shows meet their targets; no test depends on its own speed."""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def keys(value):
    """The shape of a result, without its numbers."""
    if isinstance(value, dict):
        return {name: keys(entry) for name, entry in value.items()}
    return (
        [keys(entry) for entry in value] if value and isinstance(value, list) and isinstance(value[0], dict) else None
    )


@pytest.mark.slow
def test_benchmarks_run_and_report_what_the_page_shows(tmp_path):
    command = [sys.executable, ROOT / "benchmarks/run.py", "--quick", "--out", tmp_path / "results.json"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    quick = json.loads((tmp_path / "results.json").read_text())
    stored = json.loads((ROOT / "benchmarks/results.json").read_text())
    stored["pages"] = stored["pages"][:1]  # as many as a quick run opens
    assert keys(quick) == keys(stored)
    assert quick["full_batch_step"]["largest relative difference of the weights"] < 1e-9
    assert all(row["largest difference of the modes"] < 1e-9 for row in quick["small_networks"])
    assert all(row["largest relative difference from DOP853"] < 1e-6 for row in quick["one_mode"])
    assert quick["unequal_layers"]["largest difference"] < 1e-6
    assert quick["matrix_flow"]["largest difference from the formula by hand"] < 1e-8  # it loses digits as it grows


def test_the_stored_results_meet_their_targets():
    stored = json.loads((ROOT / "benchmarks/results.json").read_text())
    step, growth = stored["full_batch_step"], stored["growth"]
    assert step["samples"] == 50_000 and step["times faster than on samples"] >= 500
    assert step["steps compared"] >= 20 and step["largest relative difference of the weights"] < 1e-9
    assert len(stored["small_networks"]) == 3
    assert all(row["time of a NumPy loop over ours"] >= 0.8 for row in stored["small_networks"])
    assert stored["bandwidth"]["depth"] == 99 and stored["bandwidth"]["fraction of copying"] >= 0.6
    assert 1 <= stored["memory"]["peak over weights"] <= 1.5
    assert (stored["figure_4"]["depths"], stored["figure_4"]["rates"]) == (15, 20)
    assert stored["figure_4"]["seconds"] <= 5
    assert stored["race"]["times faster than one after another"] >= 5
    assert abs(growth["examples"]["exponent"]) < 0.1
    assert 0.9 <= growth["depth"]["exponent"] <= 1.1
    assert growth["width"]["exponent"] <= 2
    rows = stored["accumulation"]
    assert [row["examples"] for row in rows] == [10**4, 10**5, 10**6, 10**7]
    assert rows[-1]["peak megabytes"] < 4 * rows[1]["peak megabytes"] < rows[-1]["megabytes of samples"] / 10
    assert rows[-1]["seconds"] < 15 * rows[-2]["seconds"]
    one_mode = {row["depth"]: row for row in stored["one_mode"]}
    for depth, times in (("2", 10), ("3", 1), ("5", 3), ("20", 10)):
        assert one_mode[depth]["times faster than DOP853"] >= times
    assert one_mode["2"]["time over the sigmoid by hand"] <= 4 and one_mode["inf"]["million values a second"] >= 4
    assert stored["unequal_layers"]["modes"] == 1000 and stored["unequal_layers"]["times faster than solve_ivp"] >= 3
    flow = stored["matrix_flow"]
    assert flow["times faster than solve_ivp"] >= 5 and flow["times faster than the formula by hand"] >= 1 / 3
    assert flow["seconds on MNIST"] < 0.5 and flow["megabytes on MNIST"] < 20
    for page in stored["pages"]:
        assert page["megabytes of HTML"] <= 1.2 and page["megabytes in all, compressed"] <= 2, page["page"]
        assert page["seconds until awake"] <= 2 and page["the same, slower"] <= 6, page["page"]
        assert page["seconds of the longest freeze"] <= 0.3, page["page"]
    assert statistics.median(page["milliseconds of a drag"] for page in stored["pages"]) <= 17
