"""Figures that the reader moves: in Jupyter, and in the built pages, where no kernel answers.

Each figure is Python that says what it starts from, and JavaScript that draws it and computes what follows when the
reader moves something; `figure.js` is what they share. `explore` steps through frames that matplotlib drew in advance.
"""

from dlnlib.explore._figure import InteractiveFigure
from dlnlib.explore._frames import explore, format_value
from dlnlib.explore._maps import large_steps, signals
from dlnlib.explore._modes import beliefs, bench, lazy_to_rich, one_time, phase_portrait

__all__ = [
    "InteractiveFigure", "beliefs", "bench", "explore", "format_value", "large_steps", "lazy_to_rich", "one_time",
    "phase_portrait", "signals",
]  # fmt: skip
