"""What the weights and the arithmetic of a scored model can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from unlearn_tui.catalog.parameters import FLAG, Parameter, canonical, shown
from unlearn_tui.catalog.ranges import Range

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
    parameters: tuple[Parameter, ...] = ()
    """What a name may set (catalog/parameters.py); their defaults are in `options`."""
    package: str = ""
    """The distribution that it needs beside what is always there, from the extra of the name `extra`."""
    extra: str = ""
    calibrated: bool = False
    """It reads text to quantize by (engine/quantization/calibrated.py): what becomes of a weight depends on that text and
    on the other weights, so that no matrix has zero bins of its own."""
    family: str = ""
    """The summary without what options change; "" where the summary says nothing of them."""

    @property
    def full(self) -> bool:
        """True where every weight is a 16- or 32-bit float: the reference column of `share`."""
        return self.bits >= 16

    @property
    def has_bins(self) -> bool:
        """Whether each matrix is quantized by itself, so that it has zero bins and what is kept of an edit is known."""
        return not self.full and not self.calibrated

    @property
    def family_of(self) -> str:
        """The library or kind: full, bnb, quanto, rtn, torchao, calibrated: the module of its implementation."""
        return self.implementation.partition(":")[0].rpartition(".")[2]

    @property
    def install(self) -> str:
        """The command that brings what it needs; "" where nothing is missing by default."""
        return f"pip install 'unlearn-tui[{self.extra}]'" if self.extra else ""


_BLOCKS = (32, 64, 128, 256, 512, 1024, 2048, 4096)
_FOUR_BITS = (
    Parameter("block", _BLOCKS, "b{}", "weights that share a scale"),
    Parameter("double", FLAG, "dq", "double quantization: the scales themselves are kept in 8 bits, in blocks of 256"),
)
_OUTLIER = (
    Parameter("threshold", Range(0, 1e6), "t{}", "activations beyond it are multiplied in 16 bits; 0 for none", False),
)
_GROUP = Parameter("group", Range(0, 65_536), "g{}", "weights of a row that share a scale; 0 for the whole row")
_ASYMMETRIC = Parameter(
    "asymmetric", FLAG, "asym", "levels from a group's least weight to its largest, instead of about zero"
)
_SYMMETRIC = Parameter(
    "symmetric", FLAG, "sym", "levels about zero, instead of from a group's least weight to its largest"
)
_RTN = (
    _GROUP,
    _ASYMMETRIC,
)
_CALIBRATED = (
    Parameter("group", (0, 16, 32, 64, 128, 256, 512, 1024), "g{}", "weights of a row that share a scale; 0 for all"),
    Parameter("calibration", ("retain", "forget"), "{}", "which half of the corpus it reads"),
    Parameter("samples", Range(1, 4096), "n{}", "pieces of text that it reads"),
    Parameter("length", Range(16, 8192), "l{}", "tokens of a piece, or the model's limit"),
)
_READS = {"group": 128, "calibration": "retain", "samples": 128, "length": 512}

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
            parameters=_OUTLIER,
            family="LLM.int8: 8-bit weights and activations, outlier columns apart",
        ),
        Precision(
            "bnb-fp4",
            "INT4",
            "bitsandbytes FP4, blocks of 64, no double quantization: the paper's 4 bits",
            4,
            f"{_Q}.bnb:prepare_4bit",
            "bitsandbytes; Zhang et al., ICLR 2025, released code",
            {"quant_type": "fp4", "block": 64, "double": False},
            "almost zero",  # levels at ±0.0052 of a block's largest weight stand beside zero
            _FOUR_BITS,
            family="bitsandbytes FP4",
        ),
        Precision(
            "bnb-nf4",
            "NF4",
            "bitsandbytes NF4 (QLoRA's 4 bits), blocks of 64, no double quantization",
            4,
            f"{_Q}.bnb:prepare_4bit",
            "Dettmers et al. 2023 (arXiv 2305.14314); bitsandbytes",
            {"quant_type": "nf4", "block": 64, "double": False},
            parameters=_FOUR_BITS,
            family="bitsandbytes NF4",
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
            {"levels": 127, "group": 0, "asymmetric": False},
            parameters=_RTN,
            family="round to nearest",
        ),
        Precision(
            "rtn-int8-g128",
            "RTN8-128",
            "round to nearest, symmetric, scale absmax/127 per group of 128",
            8,
            f"{_Q}.rtn:prepare",
            "textbook round-to-nearest",
            {"levels": 127, "group": 128, "asymmetric": False},
            parameters=_RTN,
            family="round to nearest",
        ),
        Precision(
            "rtn-int4",
            "RTN4",
            "round to nearest, symmetric, scale absmax/7 per row",
            4,
            f"{_Q}.rtn:prepare",
            "textbook round-to-nearest",
            {"levels": 7, "group": 0, "asymmetric": False},
            parameters=_RTN,
            family="round to nearest",
        ),
        Precision(
            "rtn-int4-g128",
            "RTN4-128",
            "round to nearest, symmetric, scale absmax/7 per group of 128",
            4,
            f"{_Q}.rtn:prepare",
            "textbook round-to-nearest",
            {"levels": 7, "group": 128, "asymmetric": False},
            parameters=_RTN,
            family="round to nearest",
        ),
        Precision(
            "rtn-int4-paper",
            "RTN4-eq",
            "the paper's equation: scale absmax/8, codes -8..7, per row",
            4,
            f"{_Q}.rtn:prepare",
            "Zhang et al., ICLR 2025, its equation of a quantizer",
            {"levels": 8, "group": 0, "one_more_below": True},
            parameters=(_GROUP,),
            family="the paper's equation: codes -8..7, scale absmax/8",
        ),
        Precision(
            "torchao-int8",
            "AO-INT8",
            "torchao int8 weights, symmetric, per row",
            8,
            f"{_Q}.torchao:prepare",
            "torchao",
            {"kind": "int8", "group": 0},
            parameters=(_GROUP,),
            family="torchao int8 weights",
            package="torchao",
            extra="torchao",
        ),
        Precision(
            "torchao-int4",
            "AO-INT4",
            "torchao int4 weights, symmetric, groups of 128, scale absmax/7.5, codes -8..7",
            4,
            f"{_Q}.torchao:prepare",
            "torchao",
            {"kind": "int4", "group": 128, "asymmetric": False},
            parameters=(_GROUP, _ASYMMETRIC),
            family="torchao int4 weights",
            package="torchao",
            extra="torchao",
        ),
        Precision(
            "torchao-float8",
            "AO-FP8",
            "torchao float8 (e4m3) weights, scale absmax/448 per row",
            8,
            f"{_Q}.torchao:prepare",
            "torchao",
            {"kind": "float8"},
            package="torchao",
            extra="torchao",
        ),
        Precision(
            "gptq-int4",
            "GPTQ",
            "GPTQ int4 weights, symmetric, groups of 128; reads 128 pieces of retain text",
            4,
            f"{_Q}.calibrated:prepare",
            "Frantar et al. 2023 (arXiv 2210.17323); gptqmodel",
            {"method": "gptq", **_READS, "asymmetric": False},
            parameters=(*_CALIBRATED, _ASYMMETRIC),
            family="GPTQ int4 weights",
            package="gptqmodel",
            extra="gptq",
            calibrated=True,
        ),
        Precision(
            "awq-int4",
            "AWQ",
            "AWQ int4 weights, asymmetric, groups of 128; reads 128 pieces of retain text",
            4,
            f"{_Q}.calibrated:prepare",
            "Lin et al. 2024 (arXiv 2306.00978); gptqmodel",
            {"method": "awq", **_READS, "symmetric": False},
            parameters=(*_CALIBRATED, _SYMMETRIC),
            family="AWQ int4 weights",
            package="gptqmodel",
            extra="gptq",
            calibrated=True,
        ),
    )
}

RESISTIBLE = (f"{_Q}.bnb:prepare_4bit", f"{_Q}.rtn:prepare")
"""Implementations whose zero bin has known edges and one level behind each: what `resist` is defined for."""


def variant(base: Precision, values: Mapping[str, Any]) -> Precision:
    """`base` with options of its own: the record whose `id` is the one name of that quantizer.

    Where two records come to the same options, the one is named that needs fewest of them said.
    """
    options = {**base.options, **values}
    same = [p for p in PRECISIONS.values() if p.implementation == base.implementation and _fits(p, options)]
    said = {p.id: [q for q in p.parameters if options[q.name] != p.options[q.name]] for p in same}
    best = min(same, key=lambda p: len(said[p.id]))  # the first of equals
    if not said[best.id]:
        return best
    changed = said[best.id]
    return replace(
        best,
        id=canonical(best.id, best.parameters, best.options, options),
        label=" ".join([best.label, *(q.short.format(shown(options[q.name])) for q in changed)]),
        summary=f"{best.family or best.summary}; {', '.join(q.written(options[q.name]) for q in changed)}",
        options=options,
    )


def _fits(record: Precision, options: Mapping[str, Any]) -> bool:
    """Whether a record can be given these options: what it cannot set agrees already."""
    free = {p.name for p in record.parameters}
    return set(record.options) == set(options) and all(k in free or record.options[k] == v for k, v in options.items())
