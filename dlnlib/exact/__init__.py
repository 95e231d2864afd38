"""Exact solutions of gradient flow in deep linear networks."""

from dlnlib.exact.attention import AttentionModes, attention_modes
from dlnlib.exact.flow import BalancedFlow, balanced_flow
from dlnlib.exact.kernel import kernel_distance, ntk
from dlnlib.exact.landscape import CriticalFamily, critical_families, critical_point, hessian
from dlnlib.exact.layers import layered_mode
from dlnlib.exact.mode import half_time, learning_time, mode_strength
from dlnlib.exact.prediction import Forecast, forecast
from dlnlib.exact.unbalanced import unbalanced_mode, unbalanced_time

__all__ = [
    "AttentionModes",
    "BalancedFlow",
    "CriticalFamily",
    "Forecast",
    "attention_modes",
    "balanced_flow",
    "critical_families",
    "critical_point",
    "forecast",
    "half_time",
    "hessian",
    "kernel_distance",
    "layered_mode",
    "learning_time",
    "mode_strength",
    "ntk",
    "unbalanced_mode",
    "unbalanced_time",
]
