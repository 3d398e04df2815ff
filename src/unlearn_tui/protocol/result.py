"""Result: the final table of a run, written to result.json and printed by `--json` (schema 1)."""

from __future__ import annotations

import msgspec

from unlearn_tui.protocol import SCHEMA


class ScoreRow(msgspec.Struct, kw_only=True):
    """A mean over n prompts, 0-100, with its bootstrap 95 % interval (None for a p value); `exact` is the exact-match
    rate, 0-100. `batch`: what the batch had to be halved to for lack of memory, which can change the last digits of what
    is computed; 0 where it was as asked.
    """

    model: str
    precision: str
    metric: str
    value: float
    ci_low: float | None
    ci_high: float | None
    n: int
    exact: float
    reused: str = ""
    batch: int = 0


class ArithmeticRow(msgspec.Struct, kw_only=True):
    """How a model was computed at a precision: dtype of the arithmetic, bytes of its tensors, seconds to prepare it."""

    model: str
    precision: str
    compute: str
    memory: int
    seconds: float
    note: str


class RecoveryRow(msgspec.Struct, kw_only=True):
    """share, delta and verdict of one precision and metric; None where undefined."""

    precision: str
    metric: str
    share_full: float | None
    share: float | None
    delta: float | None
    ci_low: float | None
    ci_high: float | None
    gap_share: float | None
    verdict: str


class PrivLeakRow(msgspec.Struct, kw_only=True):
    """PrivLeak of one model at one precision, in per cent: (auc - auc_retrain) / auc_retrain × 100, AUCs 0-1, n texts; 0 is
    best, below it too little was forgotten, above it more than a retrained model shows. Its 95 % interval is of resampled
    texts. `source` says where auc_retrain is from.
    """

    model: str
    precision: str
    auc: float
    auc_retrain: float
    value: float
    ci_low: float
    ci_high: float
    n: int
    source: str


class MembershipRow(msgspec.Struct, kw_only=True):
    """AUCs (0-1) by which n texts to forget are told from texts never seen, by what they are told (catalog.MEMBERSHIP)."""

    model: str
    precision: str
    aucs: dict[str, float]
    n: int


class WeightsRow(msgspec.Struct, kw_only=True):
    """What one quantizer keeps of the edit; `zero_bin_*` are percentiles over blocks of the zero bin's half width."""

    precision: str
    same_value: float
    cosine: float | None
    kept: float | None
    zero_bin_p10: float
    zero_bin_median: float
    zero_bin_p90: float


class PredictionRow(msgspec.Struct, kw_only=True):
    """What was expected of a quantizer before training (engine/predict.py): how much of the edit it would keep, and so
    whether knowledge "returns", "stays" away, or it is "unsure"."""

    precision: str
    kept: float | None
    says: str


class OctaveRow(msgspec.Struct, kw_only=True):
    """Weights of the target with 2^exponent ≤ |w| < 2^(exponent+1): how many, what share of them changed."""

    exponent: int
    n: int
    changed: float


class Edit(msgspec.Struct, kw_only=True):
    """Where the edit is. Shares are of quantized matrices' weights unless said."""

    changed: float
    octaves: list[OctaveRow]
    freeze_line_nominal: float | None
    """2^(⌊log2 lr⌋ + 9): the largest |w| that a bf16 step of size lr still moves; None for other update modes."""
    freeze_line_effective: float | None
    """Upper end of the highest octave of which at least half the weights changed."""
    unquantized_share: float
    """Share of the edit's squared norm in tensors that no quantizer touches (embeddings, norms, lm_head)."""


class Result(msgspec.Struct, kw_only=True):
    """One run's final table. Paths are relative to the run directory; a NaN is null."""

    schema: int = SCHEMA
    run: str
    status: str
    error: str | None = None
    spec: dict[str, object] = {}
    versions: dict[str, str] = {}
    hardware: dict[str, str] = {}
    """The machine of the attempt that ended the run, in words (engine/hardware.py); empty in older results."""
    hashes: dict[str, str] = {}
    """SHA-256 by what was read or made: target, tokenizer, corpus; unlearned (or memorised, reinforced), retrain and
    retrain_tokenizer where there are such. Of checkpoints and tokenizers as sources/fingerprints.py has them, over files;
    of the corpus over its parsed content. Empty in older results."""
    full_precision: str = "fp16"
    scores: list[ScoreRow] = []
    recovery: list[RecoveryRow] = []
    privleak: list[PrivLeakRow] = []
    membership: list[MembershipRow] = []
    weights: list[WeightsRow] = []
    predictions: list[PredictionRow] = []
    arithmetic: list[ArithmeticRow] = []
    """One row per model and precision that this run itself computed; reused columns have none."""
    edit: Edit | None = None
    explanation: str = ""
    seconds: float = 0.0
    peak_memory: int = 0
    notes: list[str] = []
    answers: dict[str, str] = {}
    """Side files by "model/precision/metric", relative to the run directory."""
    checkpoint: str | None = None
