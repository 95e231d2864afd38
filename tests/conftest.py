"""What more than one file of tests needs."""

import gzip
import hashlib

import numpy as np
import pytest

import moments


@pytest.fixture
def small_mnist(tmp_path, monkeypatch):
    """A folder of four IDX files, 40 + 10 training and 20 test images, that passes for MNIST; and its arrays."""
    rng, arrays, sums = np.random.default_rng(0), {}, {}
    folder = tmp_path / "originals"
    folder.mkdir()
    for file in moments._SHA256["mnist"]:
        n = 50 if file.startswith("train") else 20
        shape, high = ((n, 28, 28), 256) if "images" in file else ((n,), 10)
        arrays[file] = rng.integers(0, high, shape, dtype=np.uint8)
        header = bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)
        content = header + arrays[file].tobytes()
        (folder / f"{file}.gz").write_bytes(gzip.compress(content))
        sums[file] = hashlib.sha256(content).hexdigest()
    monkeypatch.setitem(moments._SHA256, "mnist", sums)
    monkeypatch.setattr(moments, "_N_TRAIN", 40)
    return folder, arrays
