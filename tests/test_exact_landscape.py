"""Critical families against automatic differentiation of the loss."""

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import assert_refused

from dlnlib import exact


def loss_of(sigma):
    target = torch.tensor(sigma)

    def loss(w1, w2):
        return ((target - w2 @ w1) ** 2).sum() / 2

    return loss


def autograd(sigma, w1, w2):
    """Gradient and Hessian in [w1.ravel(), w2.ravel()]."""
    weights = (torch.tensor(w1), torch.tensor(w2))
    blocks = torch.autograd.functional.hessian(loss_of(sigma), weights)
    rows = [np.hstack([blocks[i][j].reshape(weights[i].numel(), -1).numpy() for j in (0, 1)]) for i in (0, 1)]
    gradient = torch.autograd.functional.jacobian(loss_of(sigma), weights)
    return np.concatenate([part.numpy().ravel() for part in gradient]), np.vstack(rows)


def task(rng, n_out, n_in, rank):
    """Distinct singular values, a random basis, and zero singular values beyond the rank."""
    u, v = (np.linalg.qr(rng.normal(size=(n, n)))[0][:, :rank] for n in (n_out, n_in))
    return u * (3.0 - np.arange(rank) * 0.6 + rng.uniform(0, 0.3, rank)) @ v.T


@settings(derandomize=True, deadline=None, max_examples=25)
@given(
    n_out=st.integers(1, 4),
    n_in=st.integers(1, 4),
    rank=st.integers(0, 4),
    hidden=st.integers(1, 5),
    seed=st.integers(0, 1000),
)
def test_every_family_is_critical_with_its_loss_and_index(n_out, n_in, rank, hidden, seed):
    rank = min(rank, n_in, n_out)
    sigma = task(np.random.default_rng(seed), n_out, n_in, rank)
    families = exact.critical_families(sigma, hidden)
    expected = [kept for size in range(min(hidden, rank) + 1) for kept in combinations(range(rank), size)]
    assert [family.kept for family in families] == expected
    for family in families:
        w1, w2 = exact.critical_point(sigma, family.kept, hidden)
        gradient, hessian = autograd(sigma, w1, w2)
        np.testing.assert_allclose(gradient, 0, atol=1e-13)
        np.testing.assert_allclose(loss_of(sigma)(torch.tensor(w1), torch.tensor(w2)), family.excess_loss, atol=1e-12)
        assert (np.linalg.eigvalsh(hessian) < -1e-9).sum() == family.hessian_index
        np.testing.assert_allclose(exact.hessian(sigma, w1, w2), hessian, atol=1e-13)
        np.testing.assert_allclose(w2.T @ w2, w1 @ w1.T, atol=1e-13)
    minima = [family.kept for family in families if family.hessian_index == 0]
    assert minima == [tuple(range(min(hidden, rank)))]


@pytest.mark.parametrize(("strengths", "hidden"), [([1, 1, 1], 1), ([1, 1, 1], 2), ([2, 1, 1], 1), ([2, 2, 1], 2)])
def test_equal_strengths_of_a_matrix_are_equal_in_spite_of_rounding(strengths, hidden):
    rng = np.random.default_rng(0)
    u, v = (np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in range(2))
    sigma = (u * strengths) @ v.T
    for family in exact.critical_families(sigma, hidden):
        gradient, hessian = autograd(sigma, *exact.critical_point(sigma, family.kept, hidden))
        np.testing.assert_allclose(gradient, 0, atol=1e-13)
        assert (np.linalg.eigvalsh(hessian) < -1e-9).sum() == family.hessian_index


def test_singular_values_may_stand_for_the_task_in_any_order():
    matrix = exact.critical_families(np.diag([3.0, 2.0, 0.0]), 2)
    assert exact.critical_families([3.0, 2.0, 0.0], 2) == matrix
    shuffled = {family.kept: family.hessian_index for family in exact.critical_families([0.0, 2.0, 3.0], 2)}
    assert shuffled == {(): 4, (1,): 2, (2,): 1, (1, 2): 0}
    w1, w2 = exact.critical_point([0.0, 2.0, 3.0], [1], 2)
    np.testing.assert_allclose(w2 @ w1, np.diag([0.0, 2.0, 0.0]))


def test_hessian_away_from_critical_points():
    rng = np.random.default_rng(2)
    sigma, w1, w2 = rng.normal(size=(3, 4)), rng.normal(size=(2, 4)), rng.normal(size=(3, 2))
    np.testing.assert_allclose(exact.hessian(sigma, w1, w2), autograd(sigma, w1, w2)[1], atol=1e-12)


def test_bad_arguments_are_refused_by_name():
    assert_refused(
        (
            lambda: exact.critical_families([1.0, -2.0], 1),
            r"sigma_yx_or_singular_values was \[1.0, -2.0\]; it must be a matrix or singular values, zero or positive",
        ),
        (lambda: exact.critical_families(3.0, 1), r"^sigma_yx_or_singular_values was 3.0; it must be a matrix"),
        (lambda: exact.critical_families(np.arange(1, 41), 20), r"^sigma_yx_or_sing.* had 40 modes .* 1,000,000"),
        (lambda: exact.critical_families(np.arange(1, 60001), 2500), r"^sigma_yx_or_sing.* had 60000 modes for 2500"),
        (lambda: exact.critical_families([3e155, 1e155], 1), r"^sigma_yx_or_sing.* held entries up to 3e\+155; their"),
        (lambda: exact.hessian(np.eye(2), 1e155 * np.eye(2), np.eye(2)), r"w1 held entries up to 1e\+155"),
        (lambda: exact.hessian(np.eye(2), np.eye(2), 1e155 * np.eye(2)), r"w2 held entries up to 1e\+155"),
        (lambda: exact.critical_families([], 1), r"^sigma_yx_or_singular_values was \[\]; .* and not empty"),
        (lambda: exact.critical_point(np.zeros((0, 2)), [], 1), r"^sigma_yx_or_sing.* was array.* and not empty"),
        (lambda: exact.critical_point([2.0, 1.0], [0, 1], 1), r"kept was \[0, 1\]; it must name at most 1"),
        (lambda: exact.critical_point([2.0, 1.0], [2], 1), r"kept was \[2\]; .* out of 0 ... 1"),
        (lambda: exact.critical_point([2.0, 1.0], [0, 0], 2), r"kept was \[0, 0\]"),
        (lambda: exact.hessian(np.eye(2), np.eye(3), np.eye(2)), r"w1 and w2 had shapes"),
    )
