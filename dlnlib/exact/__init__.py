"""Exact solutions of gradient flow in deep linear networks."""

from dlnlib.exact.attention import AttentionModes, attention_modes
from dlnlib.exact.decay import decay_threshold, decayed_strength
from dlnlib.exact.flow import BalancedFlow, balanced_flow
from dlnlib.exact.generalisation import best_stopping_time, excess_error, noisy_modes, ridge_error, stopped_error
from dlnlib.exact.kernel import kernel_distance, ntk
from dlnlib.exact.landscape import CriticalFamily, critical_families, critical_point, hessian
from dlnlib.exact.layers import layered_mode
from dlnlib.exact.mode import half_time, learning_time, mode_strength
from dlnlib.exact.prediction import Forecast, forecast
from dlnlib.exact.steps import edge_sharpness, escape_rate, plateau_growth, stepped_mode, two_cycle
from dlnlib.exact.unbalanced import unbalanced_mode, unbalanced_time

__all__ = [
    "AttentionModes", "BalancedFlow", "CriticalFamily", "Forecast", "attention_modes", "balanced_flow",
    "best_stopping_time", "critical_families", "critical_point", "decay_threshold", "decayed_strength",
    "edge_sharpness", "escape_rate", "excess_error", "forecast", "half_time", "hessian", "kernel_distance",
    "layered_mode", "learning_time", "mode_strength", "noisy_modes", "ntk", "plateau_growth", "ridge_error",
    "stepped_mode", "stopped_error", "two_cycle", "unbalanced_mode", "unbalanced_time",
]  # fmt: skip
