"""The shipped moments against the images they came from; the builder's refusals; features that diffuse down a tree."""

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dlnlib import datasets, moments

SHIPPED = Path(moments.__file__).parent / "data"
ORIGINALS = Path(__file__).parents[2] / "shared" / "data"
IMAGE_SETS = ["mnist", "fashion_mnist"]
FILES = list(moments._SHA256["mnist"])


def shipped_integers(name, split):
    with np.load(SHIPPED / f"{name}-{split}.npz") as file:
        return {key: file[key].astype(np.int64) for key in file.files}


def gram_matrix(name, split):
    """The exact integer matrix of pixel products, summed over the images."""
    gram = np.zeros((784, 784), np.int64)
    gram[np.triu_indices(784)] = shipped_integers(name, split)["pixel_products"]
    return np.maximum(gram, gram.T)


def rank_modulo(matrix, prime):
    """Rank over the integers modulo a prime below 2^31, by elimination: never above the exact rank."""
    rows, rank = matrix % prime, 0
    while rows.any():
        column = rows.any(axis=0).argmax()
        pivot = rows[rows[:, column].argmax()] * pow(int(rows[:, column].max()), -1, prime) % prime
        rows = (rows - np.outer(rows[:, column], pivot)) % prime
        rows, rank = rows[rows.any(axis=1)][:, column + 1 :], rank + 1
    return rank


@pytest.mark.parametrize("name", IMAGE_SETS)
@pytest.mark.parametrize(("split", "n_images"), [("train", 50_000), ("validation", 10_000), ("test", 10_000)])
def test_shipped_sums_are_integers_that_fit_together(name, split, n_images):
    with np.load(SHIPPED / f"{name}-{split}.npz") as file:
        assert {(key, file[key].dtype, file[key].shape) for key in file.files} == {
            ("pixel_products", np.dtype(np.uint32), (784 * 785 // 2,)),
            ("class_pixels", np.dtype(np.uint32), (10, 784)),
            ("class_counts", np.dtype(np.uint32), (10,)),
        }
    sums, gram = shipped_integers(name, split), gram_matrix(name, split)
    assert sums["class_counts"].sum() == n_images and sums["class_counts"].min() > 0.08 * n_images
    pixels = sums["class_pixels"].sum(axis=0)
    # Integers from 0 to 255: p <= p^2 <= 255 p, both even or both odd; and E[p q]^2 <= E[p^2] E[q^2].
    assert (pixels <= np.diag(gram)).all() and (np.diag(gram) <= 255 * pixels).all()
    assert ((pixels - np.diag(gram)) % 2 == 0).all()
    assert (gram.astype(float) ** 2 <= np.outer(np.diag(gram), np.diag(gram).astype(float)) * (1 + 1e-12)).all()


@pytest.mark.parametrize("name", IMAGE_SETS)
@pytest.mark.parametrize("split", datasets.SPLITS)
def test_tasks_are_the_means_of_pixels_scaled_to_one(name, split):
    task, sums = getattr(datasets, name)(split), shipped_integers(name, split)
    n = sums["class_counts"].sum()
    assert (task.n_examples, task.trace_yy) == (n, 1.0)
    np.testing.assert_allclose(task.sigma_yx, sums["class_pixels"] / 255 / n, rtol=1e-14)
    np.testing.assert_allclose(task.sigma_xx, gram_matrix(name, split) / 255**2 / n, rtol=1e-14)


@pytest.mark.parametrize("name", IMAGE_SETS)
def test_centring_is_what_the_best_bias_does(name):
    task, centred, sums = (
        getattr(datasets, name)(),
        getattr(datasets, name)(centred=True),
        shipped_integers(name, "train"),
    )
    mean_x = sums["class_pixels"].sum(axis=0) / 255 / 50_000
    mean_y = sums["class_counts"] / 50_000
    w = np.random.default_rng(0).standard_normal((3, 10, 784)) / 28
    bias = mean_y - w @ mean_x
    np.testing.assert_allclose(centred.loss(w), task.loss(w) - 0.5 * np.sum(bias**2, axis=-1), rtol=1e-10)
    assert len(centred.modes.s) == 9 and centred.modes.s[8] > 1e-3


def test_mnist_least_squares_floor():
    task = datasets.mnist()
    assert round(50_000 * task.floor, 2) == 9855.52
    assert round(50_000 * float(task.loss(task.least_squares_map)), 2) == 9855.52


def test_mnist_pixels_have_exact_rank_711():
    prime = 2**31 - 1
    known = np.arange(6).reshape(3, 2) @ np.arange(10).reshape(2, 5)
    assert rank_modulo(known, prime) == 2 and rank_modulo(np.eye(4, dtype=np.int64) * prime, prime) == 0
    assert rank_modulo(gram_matrix("mnist", "train"), prime) == 711


def test_whitening_mnist_keeps_all_711_directions_and_the_loss():
    task = datasets.mnist()
    white = task.whitened()
    assert white.whitening.rank == 711
    np.testing.assert_allclose(np.linalg.eigvalsh(white.sigma_xx), np.repeat([0.0, 1.0], [73, 711]), atol=1e-6)
    w = np.random.default_rng(0).standard_normal((3, 10, 784)) / 28
    np.testing.assert_allclose(white.loss(w), task.loss(w @ white.whitening.forward), rtol=1e-9)
    np.testing.assert_allclose(white.loss(w @ white.whitening.back), task.loss(w), rtol=1e-9)
    np.testing.assert_allclose(white.floor, task.floor, rtol=1e-9)


def test_the_weakest_direction_of_mnist_is_far_below_the_strongest():
    values = np.linalg.eigvalsh(datasets.mnist().sigma_xx)
    assert 1.4e-13 < values[-711] / values[-1] < 1.6e-13


@pytest.mark.parametrize(("tolerance", "rank", "floor"), [(1e-12, 710, 9855.65), (1e-10, 708, 9856.05)])
def test_a_careless_tolerance_would_drop_directions_of_mnist(tolerance, rank, floor):
    task = datasets.mnist()
    values, vectors = np.linalg.eigh(task.sigma_xx)
    kept = values > tolerance * values[-1]
    explained = np.sum((task.sigma_yx @ vectors[:, kept]) ** 2 / values[kept])
    assert kept.sum() == rank and round(50_000 * 0.5 * (1 - explained), 2) == floor


@pytest.mark.skipif(not ORIGINALS.is_dir(), reason="the original IDX files are not here")
@pytest.mark.parametrize("name", IMAGE_SETS)
def test_shipped_files_are_what_the_original_images_sum_to(name, tmp_path):
    written = moments.build_moments(name, ORIGINALS / name.replace("_", "-"), tmp_path)
    assert [path.name for path in written] == [f"{name}-{split}.npz" for split in datasets.SPLITS]
    assert sorted(tmp_path.iterdir()) == sorted(written)
    for path in written:
        with np.load(path) as rebuilt, np.load(SHIPPED / path.name) as shipped:
            assert rebuilt.files == shipped.files
            for key in shipped.files:
                assert rebuilt[key].dtype == shipped[key].dtype
                np.testing.assert_array_equal(rebuilt[key], shipped[key])


@pytest.mark.parametrize("zipped", [True, False])
def test_sums_and_splits_of_any_folder_of_idx_files(small_mnist, tmp_path, zipped, capsys):
    folder, arrays = small_mnist
    if not zipped:
        for path in list(folder.iterdir()):
            path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
            path.unlink()
    train, labels, test, test_labels = (arrays[file] for file in FILES)
    splits = [(train[:40], labels[:40]), (train[40:], labels[40:]), (test, test_labels)]
    written = moments.build_moments("mnist", folder, tmp_path / "new" / "folder")
    assert "mnist: 100%" in capsys.readouterr().err
    for path, (images, digits) in zip(written, splits, strict=True):
        pixels = images.reshape(-1, 784).astype(object)
        with np.load(path) as sums:
            products = [pixels[:, i] @ pixels[:, j] for i, j in [(0, 0), (0, 783), (400, 401), (783, 783)]]
            upper = np.zeros((784, 784), dtype=object)
            upper[np.triu_indices(784)] = sums["pixel_products"]
            assert [upper[0, 0], upper[0, 783], upper[400, 401], upper[783, 783]] == products
            for digit in range(10):
                assert sums["class_counts"][digit] == list(digits).count(digit)
                assert list(sums["class_pixels"][digit]) == list(
                    np.sum(pixels[digits == digit], axis=0) + 0 * pixels[0]
                )


def cut_gzip_short(folder):
    path = folder / f"{FILES[0]}.gz"
    path.write_bytes(path.read_bytes()[:-100])


def cut_short_and_zip_again(folder):
    path = folder / f"{FILES[2]}.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-784]))


def cut_content_short(folder):
    content = gzip.decompress((folder / f"{FILES[0]}.gz").read_bytes())
    (folder / FILES[0]).write_bytes(content[:1000])


def corrupt_gzip(folder):
    path = folder / f"{FILES[0]}.gz"
    content = bytearray(path.read_bytes())
    content[200:300] = bytes(100)
    path.write_bytes(content)


def break_gzip_inside(folder):
    path = folder / f"{FILES[0]}.gz"
    content = path.read_bytes()
    path.write_bytes(content[:10] + b"\xff" + content[11:])  # not a deflate block


def swap_test_and_training_labels(folder):
    a, b = folder / f"{FILES[1]}.gz", folder / f"{FILES[3]}.gz"
    content = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(content)


def change_one_pixel(folder):
    path = folder / f"{FILES[2]}.gz"
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[-1] ^= 1
    path.write_bytes(gzip.compress(content))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: (folder / f"{FILES[3]}.gz").unlink(), rf"folder .* held neither {FILES[3]} nor {FILES[3]}.gz"),
        (lambda folder: (folder / f"{FILES[1]}.gz").write_bytes(b""), rf"{FILES[1]}.gz is not the published"),
        (
            lambda folder: (folder / f"{FILES[1]}.gz").write_text("<html>"),
            rf"{FILES[1]}.gz could not be read as a gzip",
        ),
        (cut_gzip_short, rf"{FILES[0]}.gz could not be read as a gzip file .*; it must be the original, whole"),
        (corrupt_gzip, rf"{FILES[0]}.gz could not be read as a gzip file"),
        (break_gzip_inside, rf"{FILES[0]}.gz could not be read as a gzip file"),
        (cut_short_and_zip_again, rf"{FILES[2]}.gz is not the published {FILES[2]}: its SHA-256 differs"),
        (cut_content_short, rf"{FILES[0]} is not the published .* truncated, altered or another file"),
        (swap_test_and_training_labels, rf"{FILES[1]}.gz is not the published {FILES[1]}"),
        (change_one_pixel, rf"{FILES[2]}.gz is not the published {FILES[2]}"),
    ],
)
def test_harmed_files_are_refused_in_one_sentence_and_nothing_is_written(small_mnist, tmp_path, harm, message):
    folder, _ = small_mnist
    harm(folder)
    with pytest.raises(ValueError, match=message) as refusal:
        moments.build_moments("mnist", folder, tmp_path / "out")
    assert "\n" not in str(refusal.value) and not (tmp_path / "out").exists()


def test_fashion_is_not_mnist(small_mnist, tmp_path):
    with pytest.raises(ValueError, match="is not the published"):
        moments.build_moments("fashion_mnist", small_mnist[0], tmp_path / "out")
    with pytest.raises(ValueError, match=r"name was 'cifar'; it must be one of \('fashion_mnist', 'mnist'\)"):
        moments.build_moments("cifar", small_mnist[0], tmp_path / "out")


def test_an_interrupted_build_leaves_the_old_file_and_no_part_of_a_new_one(small_mnist, tmp_path, monkeypatch):
    old = tmp_path / "out" / "mnist-train.npz"
    old.parent.mkdir()
    old.write_text("old")

    def interrupt(file, **_):
        file.write(b"half a file")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", interrupt)
    with pytest.raises(KeyboardInterrupt):
        moments.build_moments("mnist", small_mnist[0], old.parent)
    assert list(old.parent.iterdir()) == [old] and old.read_text() == "old"


def test_the_command_explains_itself_without_warnings():
    command = [sys.executable, "-W", "error", "-m", "dlnlib.moments", "--help"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0 and run.stderr == ""
    assert "python -m dlnlib.moments" in run.stdout and "{fashion_mnist,mnist}" in run.stdout


def test_the_command_writes_where_it_is_told_and_says_what(small_mnist, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    monkeypatch.setattr(sys, "argv", ["moments", "mnist", str(small_mnist[0]), "--out", str(out)])
    moments._main()
    assert capsys.readouterr().out.split() == [str(out / f"mnist-{split}.npz") for split in datasets.SPLITS]


def test_the_command_writes_into_the_package_unless_told(monkeypatch):
    asked = []
    monkeypatch.setattr(moments, "build_moments", lambda *arguments: asked.extend(arguments) or [])
    monkeypatch.setattr(sys, "argv", ["moments", "fashion_mnist", "folder"])
    moments._main()
    assert asked == ["fashion_mnist", "folder", SHIPPED]


def test_the_command_refuses_with_a_sentence_and_status_2(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["moments", "mnist", "nowhere", "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as end:
        moments._main()
    output = capsys.readouterr()
    assert end.value.code == 2 and output.out == "" and list(tmp_path.iterdir()) == []
    assert (
        output.err.startswith("folder 'nowhere' held neither train-images-idx3-ubyte") and output.err.count("\n") == 1
    )


@pytest.mark.parametrize(("levels", "branching", "flip"), [(5, 2, 0.1), (2, 3, 0.25), (1, 4, 0.02), (3, 1, 0.3)])
def test_features_agree_as_often_as_the_tree_says(levels, branching, flip):
    n = 50_000
    table = datasets.diffuse(levels, branching, n, flip, rng=1)
    assert table.shape == (branching**levels, n) and set(np.unique(table)) == {-1.0, 1.0}
    measured = table @ table.T / n
    for i, j in np.ndindex(measured.shape):
        levels_up = next(d for d in range(levels + 1) if i // branching**d == j // branching**d)
        expected = (1 - 2 * flip) ** (2 * levels_up)
        assert abs(measured[i, j] - expected) <= 5 * np.sqrt((1 - expected**2) / n)
    assert np.abs(table.mean(axis=1)).max() < 5 / np.sqrt(n)
    assert abs(np.mean(table[:, ::2] * table[:, 1::2])) < 5 / np.sqrt(n / 2)


def test_extremes_of_the_flip_probability():
    same = datasets.diffuse(levels=4, features=300, flip=0, rng=0)
    assert (same == same[0]).all() and len(np.unique(same[0])) == 2
    unrelated = datasets.diffuse(levels=4, features=40_000, flip=0.5, rng=0)
    assert np.abs(unrelated @ unrelated.T / 40_000 - np.eye(16)).max() < 5 / np.sqrt(40_000)


def test_a_seed_is_a_table():
    table = datasets.diffuse(3, 2, 50, rng=7)
    np.testing.assert_array_equal(table, datasets.diffuse(3, 2, 50, rng=np.random.default_rng(7)))
    generator = np.random.default_rng(7)
    first, second = (datasets.diffuse(3, 2, 50, rng=generator) for _ in range(2))
    assert (first == table).all() and (second != table).any() and (datasets.diffuse(3, 2, 50, rng=8) != table).any()


def test_the_hierarchy_names_items_by_one_hot_inputs():
    table = datasets.diffuse(levels=3, branching=3, features=200, flip=0.2, rng=4)
    task = datasets.hierarchy(levels=3, branching=3, features=200, flip=0.2, rng=4)
    assert (task.n_examples, task.trace_yy) == (27, 200.0)
    np.testing.assert_allclose(task.least_squares_map, table.T, atol=1e-12)
    np.testing.assert_allclose(task.sigma_yx, table.T / 27, rtol=1e-14)
    np.testing.assert_allclose(task.modes.s / task.mode_variances, np.linalg.svd(table, compute_uv=False), rtol=1e-10)
    assert datasets.hierarchy(rng=0).sigma_yx.shape == (1000, 32)  # the paper's figure 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: datasets.mnist("training"),
            r"split was 'training'; it must be one of \('train', 'validation', 'test'\)",
        ),
        (lambda: datasets.fashion_mnist(0), r"split was 0"),
        (lambda: datasets.diffuse(0, rng=0), r"levels was 0; it must be a whole number of at least 1"),
        (lambda: datasets.diffuse(branching=1.5, rng=0), r"branching was 1.5; it must be a whole number"),
        (lambda: datasets.diffuse(features=-1, rng=0), r"features was -1; it must be a whole number"),
        (lambda: datasets.diffuse(flip=0.6, rng=0), r"flip was 0.6; it must be a probability from 0 to 1/2"),
        (lambda: datasets.diffuse(flip=-0.1, rng=0), r"flip was -0.1; it must be a probability"),
        (lambda: datasets.hierarchy(flip=np.nan, rng=0), r"flip held NaN or infinity"),
        (lambda: datasets.diffuse(flip=[0.1, 0.2], rng=0), r"flip had shape \(2,\); it must be a single number"),
        (lambda: datasets.hierarchy(rng=None), r"rng was None; it must be a seed .* or a numpy.random.Generator"),
        (lambda: datasets.hierarchy(rng=-1), r"rng was -1; it must be a seed \(a whole number >= 0\)"),
    ],
)
def test_bad_arguments_are_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()
