"""Unlearning objectives, how an update reaches the weights, and SURE's masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from unlearn_tui.catalog.references import MUSE

_OBJ = "unlearn_tui.engine.unlearning"
_NPO = "Zhang et al. 2024 (arXiv 2404.05868), eq. 3"
_SIMNPO = "Fan et al. 2024 (arXiv 2410.07163), eq. 4; open-unlearning's form and defaults"
_RMU = "Li et al. 2024 (arXiv 2403.03218), section 4; WMDP's released code"
_DPO = "Maini et al. 2024 (arXiv 2401.06121), section 4; Rafailov et al. 2023 (arXiv 2305.18290), eq. 7"


@dataclass(frozen=True)
class Method:
    """An unlearning objective: forget term plus an optional retain term, `gamma · forget + alpha · retain`."""

    id: str
    summary: str
    forget: str
    """Implementation of the forget term, 'module:function'."""
    retain: str | None
    """Implementation of the retain term, or None for the forget term alone."""
    needs_reference: bool
    """Compares with what the target says of the forget items."""
    source: str
    uses: tuple[str, ...] = ()
    """Spec fields of some methods only that have a say in this one."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """What this method takes where nobody says otherwise and RunSpec's default would be wrong."""
    refuses: bool = False
    """Reads each forget question a second time, with a refusal for an answer: question and answer pairs only."""

    negates: bool = False
    """Trains on the forget items to know them better, then goes the other way from the target."""
    pairs: bool = False
    """Two models answer together, the target and one trained on the forget items: not one set of weights."""
    hidden: bool = False
    """Its terms read hidden states of one layer, not what the model predicts."""

    @property
    def kl(self) -> bool:
        """Whether the retain term compares distributions with the target's."""
        return self.retain is not None and ".klr:" in self.retain


@dataclass(frozen=True)
class UpdateMode:
    """How an optimizer step reaches the stored weights."""

    id: str
    summary: str
    implementation: str
    source: str


METHODS: dict[str, Method] = {
    m.id: m
    for m in (
        Method("ga", "gradient ascent on the forget set", f"{_OBJ}.ga:forget_loss", None, False, MUSE),
        Method(
            "ga_gdr",
            "gradient ascent, plus cross-entropy on the retain set",
            f"{_OBJ}.ga:forget_loss",
            f"{_OBJ}.gdr:retain_loss",
            False,
            MUSE,
        ),
        Method(
            "ga_klr",
            "gradient ascent, plus KL to the target on the retain set",
            f"{_OBJ}.ga:forget_loss",
            f"{_OBJ}.klr:retain_loss",
            False,
            MUSE,
        ),
        Method(
            "npo",
            "negative preference optimization on the forget set",
            f"{_OBJ}.npo:forget_loss",
            None,
            True,
            _NPO,
            ("beta", "npo_length"),
        ),
        Method(
            "npo_gdr",
            "NPO, plus cross-entropy on the retain set",
            f"{_OBJ}.npo:forget_loss",
            f"{_OBJ}.gdr:retain_loss",
            True,
            _NPO,
            ("beta", "npo_length"),
        ),
        Method(
            "npo_klr",
            "NPO, plus KL to the target on the retain set",
            f"{_OBJ}.npo:forget_loss",
            f"{_OBJ}.klr:retain_loss",
            True,
            _NPO,
            ("beta", "npo_length"),
        ),
        Method(
            "simnpo_gdr",
            "SimNPO: NPO by mean log-probability and without a reference, plus cross-entropy on the retain set",
            f"{_OBJ}.simnpo:forget_loss",
            f"{_OBJ}.gdr:retain_loss",
            False,
            _SIMNPO,
            ("beta", "delta"),
            {"beta": 4.5, "gamma": 0.125},
        ),
        Method(
            "simnpo_klr",
            "SimNPO, plus KL to the target on the retain set",
            f"{_OBJ}.simnpo:forget_loss",
            f"{_OBJ}.klr:retain_loss",
            False,
            _SIMNPO,
            ("beta", "delta"),
            {"beta": 4.5, "gamma": 0.125},
        ),
        Method(
            "idkdpo",
            "DPO: a refusal is preferred to what the target says, plus cross-entropy on the retain set",
            f"{_OBJ}.idkdpo:forget_loss",
            f"{_OBJ}.gdr:retain_loss",
            True,
            _DPO,
            ("beta",),
            refuses=True,
        ),
        Method(
            "rmu",
            "RMU: hidden states of forget texts are turned to a random direction, those of retain texts held",
            f"{_OBJ}.rmu:forget_loss",
            f"{_OBJ}.rmu:retain_loss",
            False,
            _RMU,
            ("rmu_layer", "rmu_coefficient", "rmu_weights"),
            hidden=True,
        ),
        Method(
            "task_vector",
            "fine-tuned on the forget set, then the other way from the target: θ − α (θ_ft − θ)",
            f"{_OBJ}.memorise:loss",
            None,
            False,
            "Ilharco et al. 2023 (arXiv 2212.04089), section 3",
            ("task_alpha",),
            negates=True,
        ),
        Method(
            "whp",
            "Who's Harry Potter: two models answer together, what fine-tuning on the forget set made likelier is held back",
            f"{_OBJ}.memorise:loss",
            None,
            False,
            "Eldan & Russinovich 2023 (arXiv 2310.02238), eq. 1; MUSE's alpha on NEWS",
            ("task_alpha",),
            {"task_alpha": 4.0},
            pairs=True,
        ),
    )
}

MEMORISE = Method(
    "memorise", "cross-entropy on everything that the corpus holds", f"{_OBJ}.memorise:loss", None, False, MUSE
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


def updates(weights: object, lora_rank: object = 0, sure: object = "", resist: object = "") -> str:
    """How updates reach the weights, from a spec's values, in a few words: bf16, LoRA 16."""
    parts = [
        weights,
        f"LoRA {lora_rank}" if lora_rank else "",
        "SURE" if sure else "",
        f"resists {resist}" if resist else "",
    ]
    return ", ".join(str(part) for part in parts if part)


@dataclass(frozen=True)
class Moments:
    """How Adam's two moments are kept between steps. Bytes a weight, both together."""

    id: str
    summary: str
    saved: float
    """In a save."""
    held: float
    """Where the weights are trained."""
    source: str


MOMENTS: dict[str, Moments] = {
    m.id: m
    for m in (
        Moments("fp32", "float32", 8, 8, "Loshchilov & Hutter 2019 (arXiv 1711.05101)"),
        Moments("bf16", "bfloat16: half the memory", 4, 4, "Loshchilov & Hutter 2019 (arXiv 1711.05101)"),
        Moments(
            "8bit",
            "bitsandbytes' blocks of 256 in 8 bits: a quarter of the memory",
            2 * (1 + 4 / 256),
            2 * (1 + 4 / 256),
            "Dettmers et al. 2022 (arXiv 2110.02861); bitsandbytes",
        ),
        Moments(
            "paged",
            "float32 in the machine's memory, read by the GPU a slice at a time",
            8,
            0,
            "after bitsandbytes' paged AdamW (Dettmers et al. 2023, arXiv 2305.14314, section 3)",
        ),
    )
}

SURE = {
    "once": "the mask is made once, at the target's weights over the whole forget set, as in the paper",
    "each": "the mask is made anew at every step from that step's forget items, as the released code means to",
}
"""SURE's two ways: what may move is what the forget gradient is largest in (Zhang et al., ICLR 2025, eq. 4-6)."""
SURE_UNITS = {"row": "rows of matrices, as the released code", "module": "whole tensors, as the paper's equation"}

RMU_WEIGHTS = {
    "mlp": "the MLPs' down-projections of the layer and the two below it, as WMDP's code",
    "all": "all weights, as open-unlearning's default",
}


def rmu_layer(count: int) -> int:
    """RMU's layer in a model of `count` layers: 7 of 32, as far up in others, 1 at least where there are two."""
    return min(max(1, round(count * 7 / 32)), count - 1)


STOP_RULES = {
    "score": "each epoch is scored, training goes on",
    "muse": "training ends at the first epoch that knows no more of the forget set than the retrained model",
}
"""What is done after each epoch (MUSE, arXiv 2407.06460, section 4)."""
