"""Exact theory of learning in deep linear networks, next to gradient descent that tests it.

Each room is a module, loaded when it is first asked for, so that the theory costs NumPy and SciPy alone: `task` and
`datasets` say what is learned, `initialization` where a network starts, `descent` trains it (`networks` give its
gradients, `rules` move its weights), `exact` predicts what training does, `reduction` shrinks a wide network without
changing its trajectory, `stability` says how large its steps may be, `pretraining` gives it a head start, `isometry`
and `meanfield` say what deep random networks do to a signal, `sweep` does many runs, `figures` and `explore` draw.
"""

import importlib
import pkgutil
from types import ModuleType

from dlnlib.task import Task

__version__ = "0.1.0"
_ROOMS = [room.name for room in pkgutil.iter_modules(__path__) if not room.name.startswith("_")]
__all__ = ["Task", *_ROOMS]


def __getattr__(name: str) -> ModuleType:
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
