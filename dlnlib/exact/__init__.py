"""Exact solutions of gradient flow in deep linear networks."""

from dlnlib.exact.flow import BalancedFlow, balanced_flow
from dlnlib.exact.landscape import CriticalFamily, critical_families, critical_point, hessian
from dlnlib.exact.layers import layered_mode
from dlnlib.exact.mode import half_time, learning_time, mode_strength
from dlnlib.exact.unbalanced import unbalanced_mode, unbalanced_time

__all__ = [
    "BalancedFlow",
    "CriticalFamily",
    "balanced_flow",
    "critical_families",
    "critical_point",
    "half_time",
    "hessian",
    "layered_mode",
    "learning_time",
    "mode_strength",
    "unbalanced_mode",
    "unbalanced_time",
]
