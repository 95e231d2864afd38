"""Functions for the sweeps of test_sweep.py, in a module so that other processes can import them."""

import os
import threading
import time
from pathlib import Path


def square(x):
    return {"square": x * x, "process": os.getpid()}


def picky(x):
    if x == 2:
        raise ZeroDivisionError("two is not allowed")
    return x


def deadly(x):
    if x == 2:
        os._exit(1)
    time.sleep(0.5)  # under way, or not begun, when that happens
    return x


def slow(x, calls):
    """Leave a mark for every call, so that repeated ones are seen."""
    with Path(calls).open("a") as file:
        file.write(f"{x}\n")
    time.sleep(0.05)
    return x


def hasty(x):
    return x


def named_float(float):  # the only argument, called as floats that JSON does not know are written
    return float


class TwoArguments(Exception):
    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


class HoldsALock(Exception):
    def __init__(self, text):
        super().__init__(text)
        self.lock = threading.Lock()


class Changed(Exception):
    def __reduce__(self):
        return Changed, ("something else",)


def troubled(x):
    class Local(Exception):
        pass

    if x < 6:
        errors = [TwoArguments("one", "two"), HoldsALock("locked"), Local("of a function"), SystemExit(3)]
        raise [*errors, ZeroDivisionError("division by zero"), Changed("not what it was")][x]
    return x


if __name__ == "__main__":
    import sys

    from dlnlib import sweep

    sweep.sweep(slow, sweep.grid(x=range(60), calls=[sys.argv[2]]), sys.argv[1], progress=False)
