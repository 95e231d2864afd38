"""Train figure 6A from Glorot's start at the paper's size; `python makers/figure_6a.py` stores the learning times.

Whitened MNIST, hidden layers of 1000 units, fifteen depths, the fastest of twenty learning rates: the one curve of the
figure that the width reduction cannot shrink. Hours of one processor, nearly all for the deepest networks; every run
is kept as soon as it is finished (in the folder of the second argument) and not computed again.

The race is run one rate after the other, the fastest first, and each run is given up once it can no longer beat the
best so far: with no loss of exactness, and most of the fast rates diverge in a few steps. Where the slowest of the
twenty rates is too fast, the grid goes on below it with the same spacing, until a rate that learns is slower than the
one before. Networks of more than 20 layers run in single precision; where both were tried they take the same steps.
"""

from __future__ import annotations

import functools
import json
import math
import platform
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from dlnlib import Task, datasets, descent, initialization, sweep

DEPTHS = (3, 5, 8, 10, 14, 20, 28, 36, 44, 54, 64, 74, 84, 94, 100)  # N_l, layers of neurons
WIDTH, SEED, CAP, SINGLE_ABOVE = 1000, 0, 20_000, 20
EXPONENTS = np.linspace(-4, -7, 20)  # of ten: learning rates for the sum over images
ERROR = 1.3e4  # half the squared error, summed over images


@functools.cache
def mnist() -> Task:
    """Return the whitened task."""
    return datasets.mnist().whitened()


def rate_on_sums(index: int) -> float:
    """Return the learning rate of this index: 0 to 19 are the paper's, from there on they continue downwards."""
    return float(10 ** (EXPONENTS[0] + index * (EXPONENTS[1] - EXPONENTS[0])))


def learn(n_l: int, index: int, cap: int, width: int = WIDTH, single: bool | None = None) -> dict[str, int | None]:
    """Train one network for at most `cap` steps; return the step at which it learned, or diverged, or neither."""
    task = mnist()
    start = initialization.glorot([task.n_in, *[width] * (n_l - 2), task.n_out], rng=SEED)
    single = n_l > SINGLE_ABOVE if single is None else single
    run = descent.gradient_descent(
        task,
        start,
        rate_on_sums(index) * task.n_examples,
        cap,
        record_every=cap,
        stop_below=ERROR / task.n_examples,
        overwrite_weights=True,
        dtype=torch.float32 if single else torch.float64,
    )
    return {
        name: int(step) if math.isfinite(step) else None
        for name, step in (("steps", run.reached_at), ("diverged_at", run.diverged_at))
    }


def race(n_l: int, file: Path) -> dict[str, object]:
    """Return the fastest rate of a depth, with all that was tried."""
    best: dict[str, int] | None = None
    tried = []
    index = 0
    while index < len(EXPONENTS) or best is None or best["index"] == index - 1:
        cap = CAP if best is None else best["steps"] - 1
        with ThreadPoolExecutor(1) as executor:
            point = {"n_l": n_l, "index": index, "cap": cap}
            (result,) = sweep.sweep(learn, [point], file, executor=executor, progress=False)
        tried.append({"rate": float(f"{rate_on_sums(index):.4g}"), "given": cap, **result})
        print(n_l, tried[-1], flush=True)
        if result["steps"] is not None:
            best = {"index": index, "steps": result["steps"]}
        index += 1
    return {
        "n_l": n_l,
        "steps": best["steps"],
        "index": best["index"],
        "rate": rate_on_sums(best["index"]),
        "tried": tried,
    }


def main(target: Path, folder: Path) -> None:
    """Run what is missing, the shallow first; write the file after every depth."""
    folder.mkdir(parents=True, exist_ok=True)
    points = []
    for n_l in DEPTHS:
        points.append(race(n_l, folder / "figure_6a.jsonl"))
        record = {
            "about": "Steps until whitened MNIST is learned from Glorot's start, at the fastest of many rates.",
            "command": "python makers/figure_6a.py",
            "versions": {"python": platform.python_version(), "numpy": np.__version__, "torch": torch.__version__},
            "seed": SEED,
            "width": WIDTH,
            "error": ERROR,
            "rates": "for sums over images: 10^-4 to 10^-7 in 20 (index 0 to 19), continued with that spacing",
            "cap": CAP,
            "single_precision_above": SINGLE_ABOVE,
            "points": points,
        }
        lines = ",\n".join(json.dumps(point, separators=(",", ":")) for point in points)
        head = json.dumps({name: value for name, value in record.items() if name != "points"}, indent=1)
        target.write_text(f'{head[:-2]},\n "points": [\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main(
        Path(arguments[0] if arguments else "dlnlib/data/figure_6a.json"),
        Path(arguments[1] if len(arguments) > 1 else "_build/figure_6a"),
    )
