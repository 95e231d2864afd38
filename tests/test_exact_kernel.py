"""The neural tangent kernel at any depth, against autograd and against the motion of the map that it describes."""

import itertools
import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import assert_refused

from dlnlib import exact

repeatable = settings(derandomize=True, deadline=None, max_examples=40)


def by_autograd(weights):
    """The Gram matrix of the gradients of every entry of the map."""

    def entries(*layers):
        product = layers[0]
        for w in layers[1:]:
            product = w @ product
        return product.ravel()

    blocks = torch.autograd.functional.jacobian(entries, tuple(torch.tensor(w) for w in weights))
    jacobian = np.hstack([block.reshape(block.shape[0], -1).numpy() for block in blocks])
    return jacobian @ jacobian.T


@repeatable
@given(widths=st.lists(st.integers(1, 4), min_size=2, max_size=6), batch=st.integers(1, 3), seed=st.integers(0, 10**6))
def test_the_kernel_is_the_gram_matrix_of_the_gradients(widths, batch, seed):
    rng = np.random.default_rng(seed)
    weights = [rng.standard_normal((batch, n, m)) for m, n in itertools.pairwise(widths)]
    kernels = exact.ntk(weights)
    assert kernels.shape == (batch, *2 * (widths[0] * widths[-1],))
    for i in range(batch):
        alone = [w[i] for w in weights]
        np.testing.assert_allclose(kernels[i], by_autograd(alone), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(exact.ntk(alone), kernels[i], rtol=1e-12, atol=1e-13)


def test_the_kernel_moves_the_map():
    rng = np.random.default_rng(0)
    weights, step = [rng.standard_normal(shape) for shape in ((3, 4), (5, 3), (2, 5))], 1e-6
    error = rng.standard_normal((2, 4))  # minus the loss's gradient by the map
    w1, w2, w3 = weights
    moved = [w1 + step * (w3 @ w2).T @ error, w2 + step * w3.T @ error @ w1.T, w3 + step * error @ (w2 @ w1).T]
    velocity = (moved[2] @ moved[1] @ moved[0] - w3 @ w2 @ w1) / step
    np.testing.assert_allclose(velocity.ravel(), exact.ntk(weights) @ error.ravel(), rtol=1e-3)


@repeatable
@given(
    n=st.integers(1, 5), scale=st.sampled_from([1e-6, 1.0, 1e6]), angle=st.floats(1e-7, 1.5), seed=st.integers(0, 99)
)
def test_the_distance_is_that_of_directions(n, scale, angle, seed):
    rng = np.random.default_rng(seed)
    kernel, other = np.zeros((2, n + 1, n + 1))
    kernel[0, 0], other[0, 0], other[1, 1] = 1.0, math.cos(angle), math.sin(angle)
    frame = np.linalg.qr(rng.standard_normal((n + 1, n + 1))).Q
    kernel, other = (frame @ k @ frame.T for k in (kernel, other))
    found = exact.kernel_distance(kernel, scale * other)
    assert math.isclose(found, 2 * math.sin(angle / 2) ** 2, rel_tol=1e-6, abs_tol=1e-30)  # 1 - cos, all digits
    np.testing.assert_allclose(exact.kernel_distance([kernel, other], scale * other), [found, 0], atol=1e-15)
    np.testing.assert_allclose(exact.kernel_distance([scale * kernel, 3 * other], other), [found, 0], atol=1e-15)
    np.testing.assert_allclose(exact.kernel_distance(other, [scale * kernel, 3 * other]), [found, 0], atol=1e-15)


def test_what_are_no_kernels_of_one_size_is_refused():
    w, batch = np.ones((2, 3)), np.ones((3, 2, 2))
    assert_refused(
        (lambda: exact.kernel_distance(w, w), r"shapes \(2, 3\), \(2, 3\); they must be square, of one size"),
        (lambda: exact.kernel_distance(batch, batch[0, 0]), r"shapes .*, \(2,\); they must be square"),
        (lambda: exact.kernel_distance(batch, np.ones((4, 2, 2))), r"kernel had shape .* must broadcast to one shape"),
    )
