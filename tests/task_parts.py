"""Parts of a data set for test_task.py, in a module so that other processes can import it."""

import numpy as np

from dlnlib import Task


def samples(seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((50 + seed, 4)) * [1.0, 1e-3, 1e3, 0.0]
    return x, x[:, :2] + rng.standard_normal((len(x), 2))


def part(seed):
    return Task.from_samples(*samples(seed))
