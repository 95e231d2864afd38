"""The stored learning times of figure 6A: complete, consistent, and reproduced at full width where that is cheap."""

import numpy as np
import pytest

import figure_6a
from dlnlib import datasets

RECORD = datasets.stored("figure_6a")
POINTS = {point["n_l"]: point for point in RECORD["points"]}


def test_the_file_says_how_it_was_made():
    assert RECORD["command"] == "python makers/figure_6a.py"
    assert set(RECORD["versions"]) == {"python", "numpy", "torch"}
    assert (RECORD["seed"], RECORD["width"], RECORD["error"]) == (figure_6a.SEED, figure_6a.WIDTH, figure_6a.ERROR)
    assert list(POINTS) == list(figure_6a.DEPTHS)[: len(POINTS)]


@pytest.mark.parametrize("n_l", POINTS)
def test_the_winner_is_the_fastest_of_all_that_were_tried(n_l):
    point = POINTS[n_l]
    tried = point["tried"]
    rates = [figure_6a.rate_on_sums(index) for index in range(len(tried))]
    np.testing.assert_allclose([run["rate"] for run in tried], rates, rtol=1e-3)
    assert point["rate"] == rates[point["index"]]
    arrived = [run["steps"] for run in tried if run["steps"] is not None]
    assert point["steps"] == min(arrived) == tried[point["index"]]["steps"]
    # Every run got as many steps as could still beat the best before it, and every one of the twenty had its turn.
    best = [min([s["steps"] for s in tried[:i] if s["steps"] is not None], default=None) for i in range(len(tried))]
    assert [run["given"] for run in tried] == [figure_6a.CAP if b is None else b - 1 for b in best]
    assert len(tried) == max(20, point["index"] + 2)


@pytest.mark.parametrize("n_l", [3, 5, 8, 10])
def test_stored_points_are_reproduced_at_full_width(n_l):
    point = POINTS[n_l]
    assert figure_6a.learn(n_l, point["index"], cap=60) == {"steps": point["steps"], "diverged_at": None}


def test_rates_that_diverged_do_so_again():
    tried = POINTS[5]["tried"]
    for index in (0, 4, 8):
        again = figure_6a.learn(5, index, cap=20)
        assert again == {"steps": None, "diverged_at": tried[index]["diverged_at"]}
        assert again["diverged_at"] is not None


def test_single_precision_takes_the_same_steps():
    point = POINTS[8]
    assert figure_6a.learn(8, point["index"], cap=60, single=True)["steps"] == point["steps"]
