"""How fast, as ratios: contenders take turns in one process, medians over the turns; `make bench` runs all of it.

Everything goes to a small file, results.json, which the book's page "How fast" shows. Give `--quick` to try the
benchmarks at toy sizes, and `--out` to write elsewhere.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import gzip
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import scipy
import torch
from playwright.sync_api import Browser, sync_playwright
from scipy.integrate import solve_ivp
from tqdm import tqdm

from dlnlib import Task, datasets, descent, exact, initialization, reduction, sweep

sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts"))
import chromium

HERE = Path(__file__).resolve().parent
LAYERS_OF_NEURONS = [3, 5, 8, 10, 14, 20, 28, 36, 44, 54, 64, 74, 84, 94, 100]  # the paper's figure 4
IMAGES = 50_000
THRESHOLD = 1.3e4 / IMAGES
RATES = IMAGES * np.logspace(-4, -7, 20)


def main() -> None:
    """Run every benchmark and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="toy sizes: to see that the benchmarks run, not how fast")
    parser.add_argument("--out", type=Path, default=HERE / "results.json", help="where to write the results")
    parser.add_argument("--only", nargs="*", help="run these alone, and keep the other results that are there")
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        print(peak_of_a_run(options.peak))
        return
    sizes = Sizes(options.quick)
    results: dict[str, Any] = {"machine": describe_machine()}
    if options.only:
        results = json.loads(options.out.read_text())
    for benchmark in (
        full_batch_step,
        small_networks,
        bandwidth,
        memory,
        figure_4,
        race,
        growth,
        accumulation,
        one_mode,
        unequal_layers,
        matrix_flow,
        pages,
    ):
        if options.only and benchmark.__name__ not in options.only:
            continue
        print(benchmark.__name__.replace("_", " "), "...", flush=True)
        results[benchmark.__name__] = benchmark(sizes)
    options.out.write_text(json.dumps(results, indent=1) + "\n")
    print(f"written to {options.out}")


class Sizes:
    """The sizes of all benchmarks, full or toy."""

    def __init__(self, quick: bool) -> None:
        self.width = 20 if quick else 1000
        self.deepest = 6 if quick else 99
        self.samples = 200 if quick else IMAGES
        self.layers_of_neurons = [3, 5] if quick else LAYERS_OF_NEURONS
        self.depths = [4, 8] if quick else [12, 25, 50, 99]
        self.widths = [8, 16] if quick else [125, 250, 500, 1000, 2000]
        self.examples = [50, 500] if quick else [500, 5_000, 50_000]
        self.accumulated = [1000, 2000, 4000, 8000] if quick else [10_000, 100_000, 1_000_000, 10_000_000]
        self.modes, self.times, self.inputs = (5, 20, 30) if quick else (200, 1000, 784)
        self.turns = 2 if quick else 7
        self.few_turns = 1 if quick else 3


def describe_machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    cpu = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        names = [line.split(":")[1].strip() for line in information.read_text().splitlines() if "model name" in line]
        cpu = names[0] if names else cpu
    return {
        "processor": cpu,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "torch": torch.__version__,
        "date": datetime.date.today().isoformat(),
    }


def take_turns(
    turns: int, clock: Callable[[], float] = time.perf_counter, **contenders: Callable[[], object]
) -> dict[str, float]:
    """Return each contender's median time in seconds, every one run once a turn after a first turn to warm up."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in tqdm(range(turns + 1), leave=False):
        for name, run in contenders.items():
            begin = clock()
            run()
            if turn:
                times[name].append(clock() - begin)
    return {name: statistics.median(measured) for name, measured in times.items()}


def samples_with_the_moments_of(task: Task, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Make samples of exactly these moments: to a full-batch loop as good as the images, and as expensive."""
    values, axes = np.linalg.eigh(task.sigma_xx)
    kept = values > 1e-13 * values[-1]
    root, inverse = axes[:, kept] * np.sqrt(values[kept]), axes[:, kept] / np.sqrt(values[kept])
    linear = task.sigma_yx @ inverse
    missing = task.trace_yy - np.sum(linear**2)  # of the targets, in no linear relation to the inputs
    rng = np.random.default_rng(0)
    frame = np.linalg.qr(rng.standard_normal((number, root.shape[1] + task.n_out)))[0] * math.sqrt(number)
    inner, outer = np.hsplit(frame, [root.shape[1]])
    return inner @ root.T, inner @ linear.T + outer * math.sqrt(missing / task.n_out)


def full_batch_step(sizes: Sizes) -> dict[str, float]:
    """One step on MNIST: ours, plain PyTorch on the samples, plain PyTorch on the moments."""
    task = datasets.mnist()
    if sizes.samples < task.n_in + task.n_out:
        rng = np.random.default_rng(0)
        task = Task.from_samples(rng.standard_normal((300, 12)), rng.standard_normal((300, 10)))
    x, y = map(torch.tensor, samples_with_the_moments_of(task, sizes.samples))
    start = initialization.glorot([task.n_in, *[sizes.width] * 3, task.n_out], rng=0)
    rate = 0.01
    sigma_yx, sigma_xx = torch.tensor(task.sigma_yx), torch.tensor(task.sigma_xx)

    def plain(loss_of: Callable[[torch.nn.Sequential], torch.Tensor]) -> tuple[Callable[[], None], torch.nn.Sequential]:
        layers = [torch.nn.Linear(w.shape[1], w.shape[0], bias=False, dtype=torch.float64) for w in start]
        for layer, w in zip(layers, start, strict=True):
            layer.weight = torch.nn.Parameter(torch.tensor(w))
        network = torch.nn.Sequential(*layers)
        optimizer = torch.optim.SGD(network.parameters(), lr=rate)

        def step() -> None:
            optimizer.zero_grad()
            loss_of(network).backward()
            optimizer.step()

        return step, network

    def loss_on_samples(network: torch.nn.Sequential) -> torch.Tensor:
        return 0.5 * ((network(x) - y) ** 2).sum(dim=1).mean()

    def loss_on_moments(network: torch.nn.Sequential) -> torch.Tensor:
        w = torch.eye(task.n_in, dtype=torch.float64)
        for layer in network:
            w = layer.weight @ w
        return 0.5 * (task.trace_yy - 2 * (w * sigma_yx).sum() + ((w @ sigma_xx) * w).sum())

    on_samples, samples_network = plain(loss_on_samples)
    on_moments, moments_network = plain(loss_on_moments)
    ours = [w.copy() for w in start]
    steps = 20

    def our_steps() -> None:
        descent.gradient_descent(task, ours, rate, steps, record_every=steps, overwrite_weights=True)

    times = take_turns(sizes.few_turns, ours=our_steps, samples=on_samples, moments=on_moments)
    for _ in range(steps - sizes.few_turns - 1):  # the first ones were timed
        on_samples()
        on_moments()
    after = descent.gradient_descent(task, start, rate, steps, record_every=steps).weights
    apart = max(
        float(np.linalg.norm(layer.weight.detach().numpy() - w) / np.linalg.norm(w - w0))
        for network in (samples_network, moments_network)
        for layer, w, w0 in zip(network, after, start, strict=True)
    )
    ours_per_step = times["ours"] / steps
    return {
        "samples": sizes.samples,
        "milliseconds": 1e3 * ours_per_step,
        "times faster than on samples": times["samples"] / ours_per_step,
        "times faster than on moments": times["moments"] / ours_per_step,
        "steps compared": steps,
        "largest relative difference of the weights": apart,
    }


def numpy_loop(task: Task, start: list[np.ndarray], rate: float, steps: int) -> tuple[list[Any], list[Any]]:
    """Train as one would by hand, on the moments, in NumPy alone; return loss and strengths of the modes."""
    weights, (u, _, vt), losses, modes = [w.copy() for w in start], task.modes, [], []
    for step in range(steps + 1):
        beyond = [weights[-1]]
        for w in weights[-2::-1]:
            beyond.append(beyond[-1] @ w)
        end_to_end = beyond[-1]
        error = task.sigma_yx - end_to_end @ task.sigma_xx
        losses.append(0.5 * (task.trace_yy - np.sum(end_to_end * (error + task.sigma_yx))))
        modes.append(np.sum((u.T @ end_to_end) * vt, axis=-1))
        if step < steps:
            back = rate * error
            for w, product in zip(weights[:-1], beyond[-2::-1], strict=True):
                next_back = back @ w.T
                w += product.T @ back
                back = next_back
            weights[-1] += back
    return losses, modes


def small_networks(sizes: Sizes) -> list[dict[str, Any]]:
    """A step that is recorded, loss and modes: ours against a loop in NumPy."""
    rng, rows = np.random.default_rng(0), []
    for widths in ([2, 2, 1], [64, 100, 100, 10], [10] * 31):
        x, y = rng.standard_normal((300, widths[0])), rng.standard_normal((300, widths[-1]))
        task, start, rate = Task.from_samples(x, y), initialization.glorot(widths, rng=0), 1e-3
        steps = 20 if sizes.turns == 2 else 1000
        runs = [f(task, start, rate, steps) for f in (descent.gradient_descent, numpy_loop)]
        times = take_turns(
            sizes.turns,
            ours=functools.partial(descent.gradient_descent, task, start, rate, steps),
            numpy=functools.partial(numpy_loop, task, start, rate, steps),
        )
        rows.append(
            {
                "network": "thirty layers of 10" if len(widths) > 4 else "-".join(map(str, widths)),
                "microseconds": 1e6 * times["ours"] / steps,
                "time of a NumPy loop over ours": times["numpy"] / times["ours"],
                "largest difference of the modes": float(np.abs(runs[0].modes - runs[1][1]).max()),
            }
        )
    return rows


def deep_start(task: Task, depth: int, width: int) -> list[np.ndarray]:
    """Return Gaussian weights whose products neither grow nor vanish on average: speed is all that counts."""
    return initialization.glorot([task.n_in, *[width] * (depth - 1), task.n_out], rng=0)


def bandwidth(sizes: Sizes) -> dict[str, float]:
    """Bytes of weights moved a second in the deepest network, against copying memory; four passes a step."""
    task = datasets.mnist().whitened()
    weights = deep_start(task, sizes.deepest, sizes.width)
    size = sum(w.nbytes for w in weights)
    source = torch.zeros(size // 8, dtype=torch.float64)
    target = torch.ones_like(source)
    steps = 3

    def train() -> None:
        descent.gradient_descent(task, weights, 1e-6, steps, record_every=steps, overwrite_weights=True)

    def check_only() -> None:  # what a run costs before its first step
        descent.gradient_descent(task, weights, 1e-6, 1, record_every=1, overwrite_weights=True)

    times = take_turns(sizes.few_turns, copy=lambda: target.copy_(source), train=train, check=check_only)
    step = (times["train"] - times["check"]) / (steps - 1)
    copied, moved = 2 * size / times["copy"], 4 * size / step
    return {
        "depth": sizes.deepest,
        "width": sizes.width,
        "gigabytes of weights": size / 1e9,
        "gigabytes moved a second": moved / 1e9,
        "gigabytes copied a second": copied / 1e9,
        "fraction of copying": moved / copied,
    }


def memory(sizes: Sizes) -> dict[str, float]:
    """Peak memory of the deepest run, over its weights; in a process of its own."""
    command = [sys.executable, __file__, "--peak", str(sizes.deepest)]
    peak, size = map(float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    return {"depth": sizes.deepest, "peak over weights": peak / size}


def peak_of_a_run(depth: int) -> str:
    """Return the peak memory that data, weights and training add to the process, and the weights' size, in bytes."""

    def kilobytes(name: str) -> int:  # not getrusage, which counts what the parent process had
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name))

    before = kilobytes("VmRSS")
    task = datasets.mnist().whitened()
    weights = deep_start(task, depth, 1000)
    descent.gradient_descent(task, weights, 1e-6, 2, overwrite_weights=True)
    return f"{1024 * (kilobytes('VmHWM') - before)} {sum(w.nbytes for w in weights)}"


@functools.cache
def white_mnist() -> Task:
    """Return the task of figure 4."""
    return datasets.mnist().whitened()


_STARTS: dict[
    int, list[np.ndarray]
] = {}  # of figure 4, by layers of neurons; global, for a sweep takes a plain function


def fastest(n_l: int) -> float:
    """Return the steps that the fastest of the rates takes from the start of this depth."""
    small = reduction.reduce(white_mnist(), _STARTS[n_l])
    options = {"steps": 2000, "record_every": 2000, "stop_below": THRESHOLD, "race": True}
    return float(descent.gradient_descent(small.task, small.weights, RATES, **options).reached_at.min())


def figure_4(sizes: Sizes) -> dict[str, Any]:
    """The whole sweep of figure 4: twenty rates at fifteen depths, from starts of width 1000."""
    task = white_mnist()

    def wide(n_l: int) -> list[np.ndarray]:
        return initialization.decoupled(task, [784, *[sizes.width] * (n_l - 2), 10], u0=1e-3, rng=0)

    _STARTS.update({n_l: wide(n_l) for n_l in sizes.layers_of_neurons})  # five gigabytes
    steps: list[float] = []

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as threads:
            points = sweep.grid(n_l=sizes.layers_of_neurons[::-1])
            file = Path(folder) / "sweep.jsonl"
            steps[:] = sweep.sweep(fastest, points, file, executor=threads, progress=False)

    def unreduced_step() -> None:
        descent.gradient_descent(task, weights, 0.1, 4, record_every=4, overwrite_weights=True)

    weights = wide(sizes.layers_of_neurons[-1])
    times = take_turns(sizes.few_turns, sweep=run, unreduced=unreduced_step)
    _STARTS.clear()
    per_layer = times["unreduced"] / 4 / (sizes.layers_of_neurons[-1] - 1)
    layers = np.array(sizes.layers_of_neurons[::-1]) - 1
    unreduced = float(np.sum(steps * layers) * len(RATES) * per_layer)
    return {
        "depths": len(sizes.layers_of_neurons),
        "rates": len(RATES),
        "seconds": times["sweep"],
        "unreduced, extrapolated, seconds": unreduced,
        "times faster": unreduced / times["sweep"],
    }


def race(sizes: Sizes) -> dict[str, float]:
    """The fastest of twenty learning rates, found by a race, or by trying one rate after another as far as it goes."""
    task = datasets.mnist().whitened()
    n_l = sizes.layers_of_neurons[-1]
    small = reduction.reduce(
        task, initialization.decoupled(task, [784, *[sizes.width] * (n_l - 2), 10], u0=1e-3, rng=0)
    )
    options = {"steps": 2000, "record_every": 2000, "stop_below": THRESHOLD}
    won = descent.gradient_descent(small.task, small.weights, RATES, race=True, **options)
    best, last = RATES[np.argmin(won.reached_at)], int(won.reached_at.min())

    def one_by_one() -> None:
        for rate in RATES:
            descent.gradient_descent(small.task, small.weights, rate, **options | {"steps": last})

    times = take_turns(
        sizes.turns,
        race=lambda: descent.gradient_descent(small.task, small.weights, RATES, race=True, **options),
        alone=lambda: descent.gradient_descent(small.task, small.weights, best, **options),
        one_by_one=one_by_one,
    )
    return {
        "rates": len(RATES),
        "race over the fastest alone": times["race"] / times["alone"],
        "times faster than one after another": times["one_by_one"] / times["race"],
    }


def growth(sizes: Sizes) -> dict[str, Any]:
    """Time per step as examples, depth and width grow: the exponent of a fitted power."""
    rng = np.random.default_rng(0)
    mnist = datasets.mnist().whitened()

    def fit(sizes_tried: list[int], runs: dict[str, Callable[[], object]]) -> float:
        times = take_turns(sizes.turns, **runs)
        return float(np.polyfit(np.log(sizes_tried), np.log([times[str(n)] for n in sizes_tried]), 1)[0])

    def trainer(task: Task, weights: list[np.ndarray], steps: int) -> Callable[[], object]:
        return lambda: descent.gradient_descent(task, weights, 1e-6, steps, record_every=steps, overwrite_weights=True)

    tasks = {n: Task.from_samples(rng.standard_normal((n, 100)), rng.standard_normal((n, 10))) for n in sizes.examples}
    by_examples = {
        str(n): trainer(task, initialization.glorot([100, 200, 10], rng=0), 200) for n, task in tasks.items()
    }
    by_depth = {str(n): trainer(mnist, deep_start(mnist, n, sizes.width), 5) for n in sizes.depths}
    by_width = {str(n): trainer(mnist, deep_start(mnist, 6, n), 10) for n in sizes.widths}
    return {
        "examples": {"tried": sizes.examples, "exponent": fit(sizes.examples, by_examples)},
        "depth": {"tried": sizes.depths, "exponent": fit(sizes.depths, by_depth)},
        "width": {"tried": sizes.widths, "exponent": fit(sizes.widths, by_width)},
    }


def accumulation(sizes: Sizes) -> list[dict[str, float]]:
    """Time and peak memory of making a task from batches, 20 inputs and 5 outputs, against the number of examples."""
    rng = np.random.default_rng(0)
    batches = [(rng.standard_normal((1000, 20)), rng.standard_normal((1000, 5))) for _ in range(10)]

    def make(n: int) -> Task:
        return Task.from_batches(batches[i % 10] for i in range(n // 1000))

    times = take_turns(sizes.few_turns, **{str(n): functools.partial(make, n) for n in sizes.accumulated})
    results = []
    for n in sizes.accumulated:
        tracemalloc.start()
        make(n)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        results.append(
            {
                "examples": n,
                "seconds": times[str(n)],
                "peak megabytes": peak / 1e6,
                "megabytes of samples": n * 25 * 8 / 1e6,
            }
        )
    return results


def one_mode(sizes: Sizes) -> list[dict[str, Any]]:
    """Modes of equal layers at many times, until the slowest has arrived: against one vectorised integration."""
    s, u0, results = np.linspace(0.1, 3, sizes.modes), 1e-3, []
    for depth in (2, 3, 5, 20, math.inf):
        t = np.linspace(0, exact.learning_time(0.999 * s[0], s[0], u0, depth), sizes.times)

        def integrate(depth: float = depth, t: np.ndarray = t, max_step: float = math.inf) -> np.ndarray:
            def velocity(_: float, u: np.ndarray) -> np.ndarray:
                return layers * u**power * (s - u)

            layers, power = (1, 2) if math.isinf(depth) else (depth, 2 - 2 / depth)
            options = {"method": "DOP853", "t_eval": t, "rtol": 1e-10, "atol": 1e-10 * u0, "max_step": max_step}
            return solve_ivp(velocity, (0, t[-1]), np.full(s.size, u0), **options).y.T

        def sigmoid(t: np.ndarray = t) -> np.ndarray:
            return s / (1 + (s / u0 - 1) * np.exp(-2 * s * t[:, None]))

        def ours(depth: float = depth, t: np.ndarray = t) -> np.ndarray:
            return exact.mode_strength(t[:, None], s, u0, depth)

        by_hand = {"sigmoid": sigmoid} if depth == 2 else {}
        times = take_turns(sizes.turns, time.process_time, ours=ours, integrate=integrate, **by_hand)
        results.append(
            {
                "depth": str(depth),
                "million values a second": t.size * s.size / times["ours"] / 1e6,
                "times faster than DOP853": times["integrate"] / times["ours"],
                "time over the sigmoid by hand": times["ours"] / times["sigmoid"] if by_hand else None,
                # In steps that stability alone limits, DOP853's interpolant between them would be off by 3e-6.
                "largest relative difference from DOP853": float(np.abs(integrate(max_step=0.3) / ours() - 1).max()),
            }
        )
    return results


def unequal_layers(sizes: Sizes) -> dict[str, float]:
    """Modes of five unequal layers at twenty times: against one vectorised integration."""
    rng = np.random.default_rng(0)
    s, t = rng.uniform(0.5, 3, sizes.modes * 5), np.linspace(0, 30, 20)
    layers = np.abs(rng.normal(0.3, 0.15, (s.size, 5))) + 0.01

    def velocity(_: float, flat: np.ndarray) -> np.ndarray:
        a = flat.reshape(layers.shape)
        product = a.prod(axis=1, keepdims=True)
        return (product / a * (s[:, None] - product)).ravel()

    def integrate() -> np.ndarray:
        run = solve_ivp(velocity, (0, t[-1]), layers.ravel(), t_eval=t, rtol=1e-9, atol=1e-9)
        return run.y.T.reshape(t.size, *layers.shape)

    def ours() -> np.ndarray:
        return exact.layered_mode(t[:, None], s, layers)

    times = take_turns(sizes.turns, time.process_time, ours=ours, integrate=integrate)
    return {
        "modes": s.size,
        "milliseconds": 1e3 * times["ours"],
        "times faster than solve_ivp": times["integrate"] / times["ours"],
        "largest difference": float(np.abs(integrate() - ours()).max()),
    }


def matrix_flow(sizes: Sizes) -> dict[str, float]:
    """A balanced network of 784 inputs and ten outputs at ten times; and one on whitened MNIST at fifty."""
    rng, n_in, n_out, imbalance = np.random.default_rng(0), sizes.inputs, 10, 0.5
    sigma, t = rng.standard_normal((n_out, n_in)) / math.sqrt(n_in), np.linspace(0, 10, 10)
    w1, w2 = initialization.balanced(0.01 * rng.standard_normal((n_out, n_in)), imbalance, rng=0)

    def velocity(_: float, flat: np.ndarray) -> np.ndarray:
        first, second = flat[: w1.size].reshape(w1.shape), flat[w1.size :].reshape(w2.shape)
        error = sigma - second @ first
        return np.concatenate([(second.T @ error).ravel(), (error @ first.T).ravel()])

    def integrate() -> np.ndarray:
        run = solve_ivp(velocity, (0, t[-1]), np.concatenate([w1.ravel(), w2.ravel()]), t_eval=t, rtol=1e-8, atol=1e-10)
        return np.array([y[w1.size :].reshape(w2.shape) @ y[: w1.size].reshape(w1.shape) for y in run.y.T])

    def by_hand() -> np.ndarray:  # the formula as it is printed, in the eigenbasis of F
        top, bottom = [-imbalance / 2 * np.eye(n_in), sigma.T], [sigma, imbalance / 2 * np.eye(n_out)]
        f, basis = np.linalg.eigh(np.block([top, bottom]))
        start, maps = basis.T @ np.vstack([w1.T, w2]), []
        for at in t:
            gain = np.expm1(2 * f * at) / (2 * f)
            grown = basis @ (np.exp(f * at)[:, None] * start)
            bracket = np.eye(len(w1)) + start.T @ (gain[:, None] * start)
            maps.append(grown[n_in:] @ np.linalg.solve(bracket, grown[:n_in].T))
        return np.array(maps)

    def ours() -> np.ndarray:
        return exact.balanced_flow(t, sigma, w1, w2).map

    times = take_turns(sizes.turns, time.process_time, ours=ours, integrate=integrate, by_hand=by_hand)
    task = white_mnist()
    start = initialization.balanced(1e-3 * task.sigma_yx, 0.0, rng=0)

    def on_mnist() -> np.ndarray:
        return exact.balanced_flow(np.linspace(0, 60, 50), task, *start).map

    seconds = take_turns(sizes.turns, ours=on_mnist)["ours"]
    tracemalloc.start()
    on_mnist()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {
        "times faster than solve_ivp": times["integrate"] / times["ours"],
        "times faster than the formula by hand": times["by_hand"] / times["ours"],
        "largest difference from the formula by hand": float(np.abs(by_hand() - ours()).max()),
        "seconds on MNIST": seconds,
        "megabytes on MNIST": peak / 1e6,
    }


def pages(sizes: Sizes) -> list[dict[str, Any]]:
    """What a page with live figures costs: its weight, how soon they are awake, how long it freezes, how fast a drag.

    Opened from disk by a browser without a window; at full speed, and with a processor four times as slow.
    """
    chapters = sorted((HERE.parent / "_build/html/chapters").glob("*.html"))
    results = []
    with sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        for path in chapters:
            if 'class="live"' in path.read_text() and (sizes.turns > 2 or "errata" in path.name):
                full, slow = (open_live(browser, path, slower, sizes.turns) for slower in (1, 4))
                results.append(
                    {
                        "page": path.stem,
                        "megabytes of HTML": path.stat().st_size / 1e6,
                        "megabytes in all, compressed": full["bytes"] / 1e6,
                        "seconds until awake": full["awake"],
                        "the same, slower": slow["awake"],
                        "seconds of the longest freeze": full["freeze"],
                        "milliseconds of a drag": full["drag"],
                        "milliseconds of a drag, slower": slow["drag"],
                    }
                )
        browser.close()
    return results


WATCH = """
    const watch = setInterval(() => {
      if (document.readyState === "loading" || document.querySelector(".live:not(.awake)")) return;
      window.awake = performance.now();
      clearInterval(watch);
    }, 10);
"""
DRAG = """slider => new Promise(resolve => requestAnimationFrame(() => {
    const began = performance.now();
    slider.value = Number(slider.value) + (slider.value === slider.max ? -1 : 1);
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    const painted = new MessageChannel();
    painted.port1.onmessage = () => resolve(performance.now() - began);
    painted.port2.postMessage(null);
}))"""


def open_live(browser: Browser, path: Path, slower: int, turns: int) -> dict[str, float]:
    """Open a page, and measure it: seconds, but milliseconds of the median drag until it is painted."""
    page, loaded = browser.new_page(), set()
    page.on("request", lambda request: loaded.add(request.url.split("?")[0]))
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slower})
    page.add_init_script(WATCH)
    browser.start_tracing(page=page, categories=["toplevel"])
    page.goto(path.as_uri())
    page.wait_for_function("window.awake", timeout=120_000)
    page.wait_for_function("MathJax.startup.promise.then(() => true)", timeout=120_000)
    page.wait_for_timeout(1000)
    events = json.loads(browser.stop_tracing())["traceEvents"]
    drags = []
    for slider in page.locator(".live input[type=range]").all():
        slider.scroll_into_view_if_needed()
        drags += [slider.evaluate(DRAG) for _ in range(turns)]
    files = [Path(unquote(urlsplit(url).path)) for url in loaded if url.startswith("file:")]
    result = {
        "bytes": sum(len(gzip.compress(file.read_bytes(), 6)) for file in files),
        "awake": page.evaluate("window.awake") / 1e3,
        "freeze": longest_task(events) / 1e6,
        "drag": statistics.median(drags),
    }
    page.close()
    return result


def longest_task(events: list[dict[str, Any]]) -> float:
    """Return the longest task of a page's main thread in microseconds: its own time, whatever else the machine does."""
    named = [event for event in events if event["name"] == "thread_name"]
    main = {(event["pid"], event["tid"]) for event in named if event["args"]["name"] == "CrRendererMain"}
    return max(event.get("tdur", 0.0) for event in events if (event["pid"], event["tid"]) in main)


if __name__ == "__main__":
    main()
