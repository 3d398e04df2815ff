"""Named sets of RunSpec values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Preset:
    """A named set of RunSpec values."""

    id: str
    summary: str
    values: Mapping[str, Any]


PRESETS: dict[str, Preset] = {
    p.id: p
    for p in (
        Preset(
            "effect",
            "pure bf16 updates, as the paper's code: what was unlearned comes back at 4 bits",
            {"weights": "bf16"},
        ),
        Preset("control", "fp32 master weights, all else equal: it stays forgotten", {"weights": "fp32"}),
        Preset(
            "remedy",
            "bf16 with stochastic rounding of every update, all else equal: it stays forgotten",
            {"weights": "bf16-stochastic"},
        ),
    )
}
