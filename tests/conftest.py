"""What more than one file of tests needs."""

import gzip
import hashlib

import numpy as np
import pytest

import moments


def pytest_collection_modifyitems(items):
    """Slow files first: at the end no worker waits for another that has just begun one."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture
def small_mnist(tmp_path, monkeypatch):
    """A folder of four IDX files, 40 + 10 training and 20 test images, that passes for MNIST; and its arrays."""
    monkeypatch.setattr(np, "savez_compressed", np.savez)  # which takes a tenth of the time
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


@pytest.fixture(scope="module")
def built():
    from pages import HTML, ROOT

    if not (HTML / "index.html").is_file() or (ROOT / "_build/unfinished").exists():
        pytest.fail("there is no finished build of the book to test; run `make book` first")


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import Error, sync_playwright  # not everybody who tests the library has it

    import chromium

    with sync_playwright() as playwright:
        try:
            opened = chromium.launch(playwright)
        except Error:
            pytest.fail("there is no Chromium to open pages; `.venv/bin/playwright install chromium` fetches one")
        yield opened
        opened.close()
