"""Draw the spectra of the isometry chapter at the paper's size; `python makers/figure_6.py` stores them.

Figure 6B, 6C: products of n Gaussian matrices, N = 1000, 500 draws, n = 1, 5, 100. Figure 7: Jacobians of tanh
networks, N = 1000, 100 layers. Some hours of one processor. What is finished is kept in a
folder and not computed again. Arguments, all optional: the file to write, the folder, the number of draws.
"""

from __future__ import annotations

import functools
import json
import platform
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import scipy

from dlnlib import initialization, isometry, networks, sweep

WIDTH, DRAWS, LENGTHS, SEED = 1000, 500, (1, 5, 100), 6
EDGES = {  # of the histograms
    "sigma": np.round(np.arange(0, 16.01, 0.1), 10),
    "log10_sigma": np.round(np.arange(-190, 2.01, 0.25), 10),
    "log10_modulus": np.round(np.arange(-190, 2.01, 0.25), 10),
    "plane": np.round(np.arange(-1.55, 1.56, 0.1), 10),  # the middle bin is centred at the origin
}
GAINS, VARIANCES, LAYERS = (0.9, 0.95, 1.0, 1.05, 1.1), (0.2, 1.0, 4.0), 100


def spectrum(n: int, draw: int) -> dict[str, object]:
    """Return the histograms and moments of one product of n Gaussian matrices."""
    factors = initialization.random_factors(WIDTH, n, np.random.default_rng([SEED, n, draw]))
    # Five matrices are multiplied before each step of QR: faster, and good to more digits than a histogram shows.
    groups = [functools.reduce(lambda a, b: b @ a, group) for group in _batched(factors, 5)]
    log_sigma = isometry.log_singular_values(groups)
    log_z = isometry.log_eigenvalues(groups)
    z, sigma = np.exp(log_z), np.exp(log_sigma)
    x, y = (np.clip(part, -1.5, 1.5) for part in (z.real, z.imag))  # what lies beyond is counted in the last bin
    plane = np.histogram2d(x, y, bins=[EDGES["plane"]] * 2)[0]
    return {
        "sigma": np.histogram(sigma, EDGES["sigma"])[0],
        "log10_sigma": np.histogram(log_sigma / np.log(10), EDGES["log10_sigma"])[0],
        "log10_modulus": np.histogram(log_z.real / np.log(10), EDGES["log10_modulus"])[0],
        "plane": [[int(i), int(plane.flat[i])] for i in np.flatnonzero(plane)],
        "scalars": {
            "origin_bin": float(plane[15, 15] / WIDTH),
            "mean_log_sigma": float(log_sigma.mean()),
            "moment_1": float(np.mean(sigma**2)),
            "moment_2": float(np.mean(sigma**4)),
        },
    }


def jacobian(gain: float, q: float) -> list[float]:
    """Return log10 of the singular values of the end-to-end Jacobian of one tanh network, every fourth."""
    rng = np.random.default_rng([SEED, round(1000 * gain), round(1000 * q)])
    x = np.sqrt(q) * rng.standard_normal(WIDTH)
    values = isometry.log_singular_values(networks.jacobian_factors(x, gain, LAYERS, rng)) / np.log(10)
    return [round(float(value), 4) for value in np.append(values[::4], values[-1])]


def collect(draws: list[dict[str, object]]) -> dict[str, object]:
    """Sum the histograms of the draws, and give the means of their moments with standard errors."""
    counts = {name: sum(np.array(draw[name]) for draw in draws) for name in EDGES if name != "plane"}
    plane = np.zeros((31, 31), dtype=int)
    for draw in draws:
        for i, count in draw["plane"]:
            plane.flat[i] += count
    scalars = {}
    for name in draws[0]["scalars"]:
        values = np.array([draw["scalars"][name] for draw in draws])
        scalars[name] = [float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))]
    below = np.cumsum([draw["sigma"] for draw in draws], axis=1) / WIDTH
    error = below.std(axis=0, ddof=1) / np.sqrt(len(draws))
    return {
        "draws": len(draws),
        **{name: _trimmed(count) for name, count in counts.items()},
        "sigma_cdf_error": _trimmed(np.round(error, 8)),
        "plane": plane.tolist(),
        "mean_and_error": scalars,
    }


def main(target: Path, folder: Path, draws: int) -> None:
    """Run what is missing; write the file after every ten draws, for those that are finished."""
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(1) as executor:
        options = {"executor": executor, "progress": False}
        grid = sweep.grid(gain=GAINS, q=VARIANCES)
        jacobians = sweep.sweep(jacobian, grid, folder / "figure_7.jsonl", **options)
        for finished in range(10, draws + 1, 10):
            points = sweep.grid(draw=range(finished), n=LENGTHS)
            spectra = sweep.sweep(spectrum, points, folder / "figure_6.jsonl", **options)
            write(target, points, spectra, jacobians)


def write(target: Path, points: list[dict[str, int]], spectra: list[dict], jacobians: list[list[float]]) -> None:
    """Write the file."""
    record = {
        "about": "Spectra of products of n Gaussian matrices (variance 1/N), and of Jacobians of tanh networks.",
        "command": "python makers/figure_6.py",
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__},
        "seed": SEED,
        "width": WIDTH,
        "edges": {name: [float(e[0]), float(e[-1]), len(e) - 1] for name, e in EDGES.items()},
        "figure_6": {
            str(n): collect([s for p, s in zip(points, spectra, strict=True) if p["n"] == n]) for n in LENGTHS
        },
        "figure_7": [
            {**point, "layers": LAYERS, "log10_sigma": values}
            for point, values in zip(sweep.grid(gain=GAINS, q=VARIANCES), jacobians, strict=True)
        ],
    }
    target.write_text(json.dumps(record, separators=(",", ":")) + "\n", encoding="utf-8")


def _batched(items, size):
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _trimmed(counts):
    """Drop the zeros in front and behind: [number dropped in front, the rest]."""
    kept = np.flatnonzero(counts)
    return [int(kept[0]), counts[kept[0] : kept[-1] + 1].tolist()]


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main(
        Path(arguments[0] if arguments else "dlnlib/data/spectra.json"),
        Path(arguments[1] if len(arguments) > 1 else "_build/spectra"),
        int(arguments[2]) if len(arguments) > 2 else DRAWS,
    )
