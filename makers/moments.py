"""The moments of MNIST and Fashion-MNIST, summed exactly from their original files.

`python makers/moments.py NAME FOLDER` rebuilds the files that ship with `dlnlib.datasets`.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from dlnlib import _checks
from dlnlib.datasets import _parse_idx, _unpacked

_SHIPPED = Path(__file__).resolve().parent.parent / "dlnlib/data"
_N_PIXELS = 784
_N_TRAIN = 50_000  # of the training file's 60,000 images; the rest are the validation split
_N_CLASSES = 10

# SHA-256 of the uncompressed IDX files, as their authors published them.
_SHA256 = {
    "mnist": {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    "fashion_mnist": {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
}


def build_moments(name: str, folder: str | os.PathLike[str], out: str | os.PathLike[str]) -> list[Path]:
    """Sum the moments of MNIST or Fashion-MNIST from IDX files and write one file for each split.

    Parameters
    ----------
    name : {"mnist", "fashion_mnist"}
    folder : path
        Holds the four original IDX files, gzipped or not, of any names: they are known by their content.
    out : path
        Folder to write ``<name>-<split>.npz`` to, made if need be; a file appears there only when it is whole.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    ValueError
        If the name is unknown, or a file is missing, truncated, or not the published one (by SHA-256).
    OSError
        If `out` cannot be written to.
    """
    hashes = _SHA256[_checks.one_of("name", name, sorted(_SHA256))]
    folder, out = _checks.path("folder", folder), _checks.path("out", out)
    # Everything is checked before the first sum is made.
    train_x, train_y, test_x, test_y = _find(folder, hashes)
    parts = {
        "train": (train_x[:_N_TRAIN], train_y[:_N_TRAIN]),
        "validation": (train_x[_N_TRAIN:], train_y[_N_TRAIN:]),
        "test": (test_x, test_y),
    }
    out.mkdir(parents=True, exist_ok=True)
    written = []
    with tqdm(total=sum(len(y) for _, y in parts.values()), unit=" images", desc=name) as progress:
        for split, (images, labels) in parts.items():
            moments = _integer_moments(images, labels, progress)
            path = out / f"{name}-{split}.npz"
            partial = path.with_suffix(f".{os.getpid()}.part")
            try:
                with partial.open("wb") as file:
                    np.savez_compressed(file, **moments)  # type: ignore[arg-type]  # names are the keys
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
            written.append(path)
    return written


def _integer_moments(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], progress: tqdm
) -> dict[str, NDArray[np.uint32]]:
    """Exact sums: pixel products (upper triangle), pixels for each class, images for each class."""
    x, y = images.reshape(len(images), _N_PIXELS), np.eye(_N_CLASSES)[labels]
    gram, class_sums = np.zeros((_N_PIXELS, _N_PIXELS)), np.zeros((_N_CLASSES, _N_PIXELS))
    for start in range(0, len(x), 5_000):
        # float64 holds every integer below 2^53, and the largest sum here is below 2^32: exact, at BLAS speed.
        block = x[start : start + 5_000].astype(np.float64)
        gram += block.T @ block
        class_sums += y[start : start + 5_000].T @ block
        progress.update(len(block))
    return {
        "pixel_products": gram[np.triu_indices(_N_PIXELS)].astype(np.uint32),
        "class_pixels": class_sums.astype(np.uint32),
        "class_counts": y.sum(axis=0).astype(np.uint32),
    }


def _find(folder: Path, hashes: dict[str, str]) -> Iterator[NDArray[np.uint8]]:
    """Read the published files, which are known by their content, whatever they are called, gzipped or not."""
    found, unreadable = {}, {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_file():
            try:
                content = _unpacked(path)
            except (EOFError, OSError, zlib.error) as error:
                unreadable[path] = f"could not be read as a gzip file ({error}); it must be the original, whole"
                continue
            found[hashlib.sha256(content).hexdigest()] = content
    for file, sha256 in hashes.items():
        if sha256 not in found:
            named = [path for path in (folder / file, folder / f"{file}.gz") if path.is_file()]
            if not named:
                raise ValueError(
                    f"folder {str(folder)!r} held neither {file} nor {file}.gz, under no name; "
                    "it must hold the original IDX files"
                )
            altered = f"is not the published {file}: its SHA-256 differs, so it is truncated, altered or another file"
            raise ValueError(f"{named[0]} {unreadable.get(named[0], altered)}")
        yield _parse_idx(found[sha256])


def _main() -> None:
    about = "Build a data set's moments from its IDX files."
    parser = argparse.ArgumentParser(prog="python makers/moments.py", description=about)
    parser.add_argument("name", choices=sorted(_SHA256))
    parser.add_argument("folder", help="folder with the four original IDX files, gzipped or not")
    parser.add_argument("--out", default=_SHIPPED, help="where to write the moments (default: into the package)")
    arguments = parser.parse_args()
    try:
        for path in build_moments(arguments.name, arguments.folder, arguments.out):
            print(path)
    except (OSError, ValueError) as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    _main()
