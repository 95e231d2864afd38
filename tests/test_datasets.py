"""The shipped moments against the images they came from; the builder's refusals; features that diffuse down a tree."""

import errno
import gzip
import itertools
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from refusals import assert_refused, refusal

import moments
from dlnlib import Task, datasets

SHIPPED = Path(datasets.__file__).parent / "data"
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


def test_shipped_sums_are_integers_that_fit_together():
    for name, (split, n_images) in itertools.product(
        IMAGE_SETS, [("train", 50_000), ("validation", 10_000), ("test", 10_000)]
    ):
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


def test_tasks_are_the_means_of_pixels_scaled_to_one():
    for name, split in itertools.product(IMAGE_SETS, datasets.SPLITS):
        task, sums = getattr(datasets, name)(split), shipped_integers(name, split)
        n = sums["class_counts"].sum()
        assert (task.n_examples, task.trace_yy) == (n, 1.0)
        np.testing.assert_allclose(task.sigma_yx, sums["class_pixels"] / 255 / n, rtol=1e-14)
        np.testing.assert_allclose(task.sigma_xx, gram_matrix(name, split) / 255**2 / n, rtol=1e-14)


def test_centring_is_what_the_best_bias_does():
    for name in IMAGE_SETS:
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


@pytest.mark.slow
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


def test_a_careless_tolerance_would_drop_directions_of_mnist():
    task = datasets.mnist()
    values, vectors = np.linalg.eigh(task.sigma_xx)
    assert 1.4e-13 < values[-711] / values[-1] < 1.6e-13
    for tolerance, rank, floor in ((1e-12, 710, 9855.65), (1e-10, 708, 9856.05)):
        kept = values > tolerance * values[-1]
        explained = np.sum((task.sigma_yx @ vectors[:, kept]) ** 2 / values[kept])
        assert kept.sum() == rank and round(50_000 * 0.5 * (1 - explained), 2) == floor


@pytest.mark.slow
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


def cut_short_and_unpack(folder):
    cut_content_short(folder)
    (folder / f"{FILES[0]}.gz").unlink()


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


HARMED = "could not be read as a gzip file .*; it must be the original, whole"


def test_harmed_files_are_refused_in_one_sentence_and_nothing_is_written(small_mnist, tmp_path):
    for number, (harm, message) in enumerate(
        [
            (lambda at: (at / f"{FILES[3]}.gz").unlink(), rf"folder .* held neither {FILES[3]} nor {FILES[3]}.gz"),
            (lambda at: (at / f"{FILES[1]}.gz").write_bytes(b""), rf"{FILES[1]}.gz is not the published"),
            (lambda at: (at / f"{FILES[1]}.gz").write_text("<html>"), rf"{FILES[1]}.gz is not the published"),
            (cut_gzip_short, rf"{FILES[0]}.gz {HARMED}"),
            (corrupt_gzip, rf"{FILES[0]}.gz {HARMED}"),
            (break_gzip_inside, rf"{FILES[0]}.gz {HARMED}"),
            (cut_short_and_zip_again, rf"{FILES[2]}.gz is not the published {FILES[2]}: its SHA-256 differs"),
            (cut_short_and_unpack, rf"{FILES[0]} is not the published .* truncated, altered or another file"),
            (change_one_pixel, rf"{FILES[2]}.gz is not the published {FILES[2]}"),
        ]
    ):
        folder, out = shutil.copytree(small_mnist[0], tmp_path / f"harmed-{number}"), tmp_path / "out"
        harm(folder)
        sentence = refusal(lambda folder=folder, out=out: moments.build_moments("mnist", folder, out))
        assert re.search(message, sentence), sentence
        assert "\n" not in sentence and not out.exists()


def call_them_otherwise(folder):
    for i, path in enumerate(sorted(folder.iterdir())):
        path.rename(folder / f"download ({i})")


def unpack_two_under_their_zipped_names(folder):
    for file in FILES[:2]:
        path = folder / f"{file}.gz"
        path.write_bytes(gzip.decompress(path.read_bytes()))


def unpack_two_under_dotted_names(folder):
    for file in FILES[2:]:
        path = folder / f"{file}.gz"
        (folder / file.replace("-idx", ".idx")).write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()


def put_other_things_beside(folder):
    (folder / "notes.txt").write_text("MNIST")
    (folder / "empty").touch()
    (folder / "broken.gz").write_bytes((folder / f"{FILES[0]}.gz").read_bytes()[:-50])
    (folder / "more.tar.gz").write_bytes(gzip.compress(b"no images" * 1000))
    (folder / "labels-of-others").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 1, 2]))
    (folder / "folder").mkdir()


def test_files_are_known_by_their_content(small_mnist, tmp_path):
    expected = [path.read_bytes() for path in moments.build_moments("mnist", small_mnist[0], tmp_path / "out")]
    for change in (
        *(call_them_otherwise, unpack_two_under_their_zipped_names, unpack_two_under_dotted_names),
        *(put_other_things_beside, swap_test_and_training_labels, cut_content_short),
    ):
        folder = shutil.copytree(small_mnist[0], tmp_path / change.__name__)
        change(folder)
        written = moments.build_moments("mnist", folder, tmp_path / "out")
        assert [path.read_bytes() for path in written] == expected, change


def idx(array, kind):
    header = bytes([0, 0, kind, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.tobytes()


def test_idx_files_of_every_type_and_size_are_read(tmp_path):
    kinds = [(8, "u1"), (9, "i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")]
    for (kind, dtype), shape in itertools.product(kinds, [(5,), (2, 3, 4), (3, 1, 1, 2)]):
        array = np.random.default_rng(0).integers(-100, 100, shape).astype(dtype)
        for name, content in (("plain.gz", idx(array, kind)), ("zipped", gzip.compress(idx(array, kind)))):
            (tmp_path / name).write_bytes(content)
            found = datasets.read_idx(tmp_path / name)
            assert found.dtype == np.dtype(dtype)
            np.testing.assert_array_equal(found, array)


def test_other_sets_of_images_become_tasks(tmp_path):
    for n_classes, size, centred in itertools.product([2, 10, 27], [(4, 3), (8, 8)], [False, True]):
        rng = np.random.default_rng(n_classes)
        images, labels = rng.integers(0, 256, (60, *size), np.uint8), rng.integers(0, n_classes, 60).astype(np.uint8)
        labels[0] = n_classes - 1
        (tmp_path / "images").write_bytes(idx(images, 8))
        (tmp_path / "labels").write_bytes(gzip.compress(idx(labels, 8)))
        x, y = images.reshape(60, -1) / 255, np.eye(n_classes)[labels]
        if centred:
            x, y = x - x.mean(axis=0), y - y.mean(axis=0)
        read = [datasets.read_idx(tmp_path / name) for name in ("images", "labels")]
        for given in (read, (images, labels.tolist())):
            task = datasets.from_images(*given, centred=centred)
            assert (task.n_examples, task.n_out) == (60, n_classes)
            np.testing.assert_allclose(task.sigma_yx, y.T @ x / 60, atol=1e-15)
            np.testing.assert_allclose(task.sigma_xx, x.T @ x / 60, atol=1e-15)


def test_labels_that_are_no_classes_are_refused():
    for labels, told in (([0, 10**7], "0 to 1e\\+07"), ([0, -1], "-1 to 0"), ([0.5, 1], "0.5 to 1")):
        sentence = refusal(lambda labels=labels: datasets.from_images(np.zeros((2, 3, 3)), labels))
        assert re.match(f"labels went from {told}; they must be whole numbers from 0 to 32767", sentence)


NINE = np.arange(9, dtype=np.uint8)


def test_what_is_no_idx_file_is_refused(tmp_path):
    for content in (
        *(b"", b"\0\0", b"<html>", idx(NINE, 8)[:-1], idx(NINE, 8) + b"1", idx(NINE, 10), bytes([0, 0, 8, 9])),
        b"\1" + idx(NINE, 8)[1:],
        gzip.compress(idx(np.arange(999, dtype=">i4"), 12))[:-9],
    ):
        (tmp_path / "file").write_bytes(content)
        sentence = refusal(lambda: datasets.read_idx(tmp_path / "file"))
        assert re.fullmatch(r"file '.*file' could not be read \(.*\); it must be an IDX file, whole", sentence)


def test_what_is_no_path_is_refused_in_one_sentence():
    assert refusal(lambda: datasets.read_idx(None)) == "file was None; it must be a path"


def test_the_first_images_are_those_of_the_training_set():
    images, labels = datasets.mnist_images()
    assert (images.shape, images.dtype, labels.shape, labels.dtype) == ((5000, 28, 28), np.uint8, (5000,), np.uint8)
    assert list(labels[:10]) == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    sums = shipped_integers("mnist", "train")
    pixels = images.reshape(5000, 784).astype(np.int64)
    assert (pixels.sum(axis=0)[sums["class_pixels"].sum(axis=0) == 0] == 0).all()
    for digit in range(10):
        assert (pixels[labels == digit].sum(axis=0) <= sums["class_pixels"][digit]).all()
    # Every fold of ten thousand images has much the same moments.
    apart = datasets.from_images(images, labels).sigma_yx - datasets.mnist().sigma_yx
    assert np.abs(apart).max() < 0.02


@pytest.mark.skipif(not ORIGINALS.is_dir(), reason="the original IDX files are not here")
def test_the_first_images_are_those_of_the_original_file():
    for shipped, file in zip(datasets.mnist_images(), FILES[:2], strict=True):
        np.testing.assert_array_equal(shipped, datasets.read_idx(ORIGINALS / "mnist" / f"{file}.gz")[:5000])


def test_a_bias_is_the_weight_of_a_constant_input():
    rng = np.random.default_rng(0)
    x, w, bias = rng.standard_normal((40, 3)), rng.standard_normal((2, 3)), rng.standard_normal(2)
    task = Task.from_samples(datasets.with_constant(x), x @ w.T + bias)
    np.testing.assert_allclose(task.least_squares_map, np.column_stack([w, bias]), atol=1e-13)
    np.testing.assert_array_equal(datasets.with_constant(torch.tensor(x, requires_grad=True))[:, 3], 1)


def test_a_teachers_population_is_the_limit_of_its_samples():
    for noise in (0.0, 0.7):
        given = np.arange(6.0).reshape(2, 3)
        for w in (given, (2, 3)):
            x, y, task = datasets.teacher(w, 200_000, noise=noise, rng=1)
            sampled, error = Task.from_samples(x, y), 5 / np.sqrt(200_000)
            size = 1 + np.abs(task.sigma_yx).sum() + noise
            np.testing.assert_allclose(sampled.sigma_xx, np.eye(3), atol=2 * error)
            np.testing.assert_allclose(sampled.sigma_yx, task.sigma_yx, atol=2 * error * size)
            np.testing.assert_allclose(sampled.trace_yy, task.trace_yy, rtol=3 * error)
            np.testing.assert_allclose(sampled.floor, task.floor, rtol=2 * error, atol=1e-20)
            np.testing.assert_allclose(task.floor, noise**2, atol=1e-12)
            assert task.sigma_xx is None and x.shape == (200_000, 3)
        np.testing.assert_array_equal(datasets.teacher(given, 3, rng=0)[2].sigma_yx, given)
        assert abs(datasets.teacher((200, 300), 1, rng=0)[2].sigma_yx.std() * 300**0.5 - 1) < 0.02
        (_, y, task), (_, same, _), (_, _, other) = (
            datasets.teacher((2, 3), 4, noise=1.0, rng=seed) for seed in (0, 0, 1)
        )
        assert (y == same).all() and (task.sigma_yx != other.sigma_yx).all()


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


def test_a_builder_that_cannot_write_on_leaves_no_part_of_a_file(small_mnist, tmp_path, monkeypatch):
    def full_disk(file, **_):
        file.write(b"half a file")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full_disk)
    with pytest.raises(OSError, match="No space left"):
        moments.build_moments("mnist", small_mnist[0], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    (tmp_path / "file").write_text("precious")
    with pytest.raises(OSError, match="file"):
        moments.build_moments("mnist", small_mnist[0], tmp_path / "file")
    assert (tmp_path / "file").read_text() == "precious"


def test_the_command_explains_itself_without_warnings():
    command = [sys.executable, "-W", "error", moments.__file__, "--help"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0 and run.stderr == ""
    assert "python makers/moments.py" in run.stdout and "{fashion_mnist,mnist}" in run.stdout


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


def test_features_agree_as_often_as_the_tree_says():
    n = 50_000
    for levels, branching, flip in ((5, 2, 0.1), (2, 3, 0.25), (1, 4, 0.02), (3, 1, 0.3)):
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


def test_what_is_no_split_or_probability_is_refused_by_name():
    assert_refused(
        (
            lambda: datasets.mnist("training"),
            r"split was 'training'; it must be one of \('train', 'validation', 'test'\)",
        ),
        (lambda: datasets.diffuse(flip=0.6, rng=0), r"flip was 0.6; it must be from 0 to 0.5"),
        (lambda: datasets.diffuse(flip=-0.1, rng=0), r"flip was -0.1; it must be from 0"),
        (lambda: datasets.hierarchy(rng=None), r"rng was None; it must be a seed .* or a numpy.random.Generator"),
    )
