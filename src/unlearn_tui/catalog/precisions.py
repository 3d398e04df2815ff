"""What the weights and the arithmetic of a scored model can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_Q = "unlearn_tui.engine.quantization"


@dataclass(frozen=True)
class Precision:
    """What the weights and the arithmetic of a scored model are."""

    id: str
    label: str
    summary: str
    bits: int
    implementation: str
    source: str
    options: Mapping[str, Any] = field(default_factory=dict)
    zero: str = "zero"
    """What a quantizer makes of the weights in its zero bin; "" where it has no level at zero, and so no such bin."""

    @property
    def full(self) -> bool:
        """True where every weight is a 16- or 32-bit float: the reference column of `share`."""
        return self.bits >= 16


PRECISIONS: dict[str, Precision] = {
    p.id: p
    for p in (
        Precision("fp32", "FP32", "float32 weights", 32, f"{_Q}.full:prepare", "IEEE 754"),
        Precision("bf16", "BF16", "bfloat16 weights", 16, f"{_Q}.full:prepare", "bfloat16"),
        Precision("fp16", "FP16", "float16 weights", 16, f"{_Q}.full:prepare", "IEEE 754"),
        Precision(
            "bnb-int8",
            "INT8",
            "LLM.int8: 8-bit weights and activations, outlier columns apart (threshold 6)",
            8,
            f"{_Q}.bnb:prepare_int8",
            "Dettmers et al. 2022 (arXiv 2208.07339); bitsandbytes",
            {"threshold": 6.0},
        ),
        Precision(
            "bnb-fp4",
            "INT4",
            "bitsandbytes FP4, blocks of 64, no double quantization: the paper's 4 bits",
            4,
            f"{_Q}.bnb:prepare_4bit",
            "bitsandbytes; Zhang et al., ICLR 2025, released code",
            {"quant_type": "fp4", "block": 64},
            "almost zero",  # levels at ±0.0052 of a block's largest weight stand beside zero
        ),
        Precision(
            "bnb-nf4",
            "NF4",
            "bitsandbytes NF4 (QLoRA's 4 bits), blocks of 64, no double quantization",
            4,
            f"{_Q}.bnb:prepare_4bit",
            "Dettmers et al. 2023 (arXiv 2305.14314); bitsandbytes",
            {"quant_type": "nf4", "block": 64},
        ),
        Precision(
            "quanto-int8",
            "Q-INT8",
            "optimum-quanto qint8 weights, per row",
            8,
            f"{_Q}.quanto:prepare",
            "optimum-quanto",
            {"weights": "qint8"},
        ),
        Precision(
            "quanto-int4",
            "Q-INT4",
            "optimum-quanto qint4 weights, groups of 128, from the least to the largest",
            4,
            f"{_Q}.quanto:prepare",
            "optimum-quanto",
            {"weights": "qint4"},
            "",  # sixteen levels from a group's least weight to its largest
        ),
        Precision(
            "rtn-int8",
            "RTN8",
            "round to nearest, symmetric, scale absmax/127 per row",
            8,
            f"{_Q}.rtn:prepare",
            "textbook round-to-nearest",
            {"levels": 127, "group": 0},
        ),
        Precision(
            "rtn-int8-g128",
            "RTN8-128",
            "round to nearest, symmetric, scale absmax/127 per group of 128",
            8,
            f"{_Q}.rtn:prepare",
            "textbook round-to-nearest",
            {"levels": 127, "group": 128},
        ),
        Precision(
            "rtn-int4",
            "RTN4",
            "round to nearest, symmetric, scale absmax/7 per row",
            4,
            f"{_Q}.rtn:prepare",
            "textbook round-to-nearest",
            {"levels": 7, "group": 0},
        ),
        Precision(
            "rtn-int4-g128",
            "RTN4-128",
            "round to nearest, symmetric, scale absmax/7 per group of 128",
            4,
            f"{_Q}.rtn:prepare",
            "textbook round-to-nearest",
            {"levels": 7, "group": 128},
        ),
        Precision(
            "rtn-int4-paper",
            "RTN4-eq",
            "the paper's equation: scale absmax/8, codes -8..7, per row",
            4,
            f"{_Q}.rtn:prepare",
            "Zhang et al., ICLR 2025, its equation of a quantizer",
            {"levels": 8, "group": 0, "asymmetric_range": True},
        ),
    )
}

RESISTIBLE = (f"{_Q}.bnb:prepare_4bit", f"{_Q}.rtn:prepare")
"""Implementations whose zero bin has known edges and one level behind each: what `resist` is defined for."""
