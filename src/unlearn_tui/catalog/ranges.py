"""Allowed values of numeric spec fields."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """Allowed values of a numeric spec field; open ends exclude the bound."""

    low: float
    high: float = math.inf
    low_open: bool = False

    def holds(self, value: float) -> bool:
        """True for a finite value inside."""
        above = value > self.low if self.low_open else value >= self.low
        return math.isfinite(value) and above and value <= self.high

    def __str__(self) -> str:
        low = f"more than {self.low:g}" if self.low_open else f"at least {self.low:g}"
        return low if math.isinf(self.high) else f"{low} and at most {self.high:g}"


RANGES: dict[str, Range] = {
    "sure_percentile": Range(0, 100),
    "lora_rank": Range(0, 65_536),
    "lora_alpha": Range(0, 1e6, low_open=True),
    "lr": Range(0, 1, low_open=True),
    "steps": Range(1, 10_000_000),
    "epochs": Range(0, 100_000, low_open=True),
    "batch": Range(1, 65_536),
    "grad_accum": Range(1, 65_536),
    "alpha": Range(0, 1e6),
    "beta": Range(0, 1e6, low_open=True),
    "gamma": Range(0, 1e6, low_open=True),
    "delta": Range(-1e6, 1e6),
    "stop_at": Range(0, 100),
    "task_alpha": Range(0, 1e6, low_open=True),
    "rmu_layer": Range(0, 10_000),
    "rmu_coefficient": Range(0, 1e6),
    "max_length": Range(8, 1_048_576),
    "clip": Range(0, 1e9),
    "weight_decay": Range(0, 1),
    "canary_every": Range(0),
    "probe_every": Range(0),
    "save_every": Range(0),
    "eval_batch": Range(1, 65_536),
    "seed": Range(0, 2**63 - 1),
    "threads": Range(0, 4096),
    "memory_limit": Range(0, 1e6),
}
