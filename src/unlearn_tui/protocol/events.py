"""Events: what an engine says, one JSON line each, in the run's append-only log.

Every event carries `seq` (0, 1, 2 … without gaps), `attempt` (1 for the first engine, +1 per resume), `time`
(seconds since the epoch) and `mono` (the engine's monotonic clock, for rates). The writer fills these four.
Scores are 0-100, shares and probabilities 0-1, memory in bytes, durations in seconds.
"""

from __future__ import annotations

import msgspec


class Event(msgspec.Struct, kw_only=True, tag_field="event", omit_defaults=False):
    """The common head of every event."""

    seq: int = -1
    attempt: int = 1
    time: float = 0.0
    mono: float = 0.0


class Started(Event, tag="started"):
    """An engine took the run's lock. First event of every attempt."""

    run: str
    pid: int
    host: str
    device: str
    threads: int
    stages: list[str]
    versions: dict[str, str] = {}


class Resumed(Event, tag="resumed"):
    """This attempt goes on at `stage` after `from_step` optimizer steps: later points of earlier attempts are void."""

    stage: str
    from_step: int = 0


class StageStarted(Event, tag="stage_started"):
    """A stage begins; `total` counts its units (steps, prompts, matrices), 0 when unknown."""

    stage: str
    title: str
    unit: str = ""
    total: int = 0


class Progress(Event, tag="progress"):
    """Where a stage stands; `left` is the estimated seconds to its end, None when unknown."""

    stage: str
    done: int
    total: int
    rate: float | None = None
    left: float | None = None
    note: str = ""


class StageFinished(Event, tag="stage_finished"):
    """A stage is done; `reused` names the run whose results were taken instead of computing."""

    stage: str
    seconds: float
    reused: str = ""


class Step(Event, kw_only=True, tag="step"):
    """One optimizer step (throttled to a few a second; the last is always said).

    `adam_max` and `adam_p99` are the largest and 99th-percentile |Adam step| in weight units; `npo_weight` is NPO's
    mean 2σ(β(log p − log p_ref)), 1 at the start; `changed` the share of trainable weights that left their start value.
    """

    step: int
    total: int
    loss: float
    forget_loss: float
    retain_loss: float | None = None
    grad_norm: float
    lr: float
    adam_max: float
    adam_p99: float | None = None
    npo_weight: float | None = None
    changed: float | None = None
    tokens_per_second: float = 0.0
    memory: int = 0
    left: float | None = None


class Probe(Event, tag="probe"):
    """KnowMem on a fixed small subset during training; `value` 0-100 over `n` prompts."""

    step: int
    metric: str
    value: float
    n: int


class Epoch(Event, kw_only=True, tag="epoch"):
    """A whole metric after an epoch (from 1) that ended with `step`; `value` 0-100 over `n` prompts. `line`: the score at
    or below which training ends, and `chosen` whether this one is; `path` a checkpoint of these weights, if one is kept.
    """

    epoch: int
    step: int
    metric: str
    value: float
    n: int
    line: float | None = None
    chosen: bool = False
    path: str = ""


class Canary(Event, tag="canary"):
    """The pinned question, asked again: greedy answer, probability of the gold answer's tokens, ROUGE-L recall."""

    step: int
    question: str
    gold: str
    answer: str
    probability: float
    rouge: float


class Saved(Event, tag="saved"):
    """A checkpoint reached the disk whole; `path` is relative to the run directory."""

    step: int
    path: str
    bytes: int
    seconds: float


class Loaded(Event, tag="loaded"):
    """A model stands in memory at one precision. `compute` is the arithmetic's dtype; `note` what to know about it."""

    model: str
    precision: str
    compute: str
    memory: int
    seconds: float
    note: str = ""


class Scored(Event, tag="scored"):
    """A mean over prompts with its bootstrap 95 % interval. `answers` is the side file, relative to the run directory.

    `model` is target, unlearned, retrain, or an ablation such as unlearned:inside:bnb-fp4. `batch`: see ScoreRow.
    """

    model: str
    precision: str
    metric: str
    value: float
    ci_low: float
    ci_high: float
    exact: float
    n: int
    seconds: float
    answers: str
    reused: str = ""
    batch: int = 0


class Answered(Event, tag="answered"):
    """One of the answers that scoring has just got (or found, where it reuses them): a sample, a few a second at most.

    All of them are in the side file that `Scored` names; `recall` is ROUGE-L recall, 0-1, as for the canary.
    """

    model: str
    precision: str
    metric: str
    index: int
    prompt: str
    gold: str
    answer: str
    recall: float


class Recovery(Event, tag="recovery"):
    """The question of the paper for one precision and metric; see engine/evaluation/verdict.py."""

    precision: str
    metric: str
    share_full: float | None
    share: float | None
    delta: float | None
    ci_low: float | None
    ci_high: float | None
    gap_share: float | None
    verdict: str


class PrivLeak(Event, tag="privleak"):
    """How far a model's membership AUC is from a retrained one's; see protocol.result.PrivLeakRow."""

    model: str
    precision: str
    auc: float
    auc_retrain: float
    value: float
    ci_low: float
    ci_high: float
    n: int
    source: str


class Predicted(Event, tag="predicted"):
    """Before training: what a quantizer is expected to keep of the edit (engine/predict.py), and so whether what is
    forgotten "returns", "stays" away, or is "unsure"."""

    precision: str
    kept: float | None
    says: str


class WeightsMatrix(Event, tag="weights_matrix"):
    """One matrix was analysed for every quantizer; `kept` by precision. The whole row is in weights.jsonl."""

    tensor: str
    changed: float
    kept: dict[str, float | None]


class WeightsSummary(Event, tag="weights_summary"):
    """What one quantizer keeps of the edit over all quantized matrices (engine/weights.py gives the definitions)."""

    precision: str
    same_value: float
    cosine: float | None
    kept: float | None
    zero_bin_p10: float
    zero_bin_median: float
    zero_bin_p90: float


class Explained(Event, tag="explained"):
    """The sentence that explains the verdict from measured numbers."""

    text: str


class Log(Event, tag="log"):
    """Anything a reader should see; `level` is info or warning."""

    level: str
    text: str


class Finished(Event, tag="finished"):
    """The run is done: result.json is on disk."""

    seconds: float


class Stopped(Event, tag="stopped"):
    """The run stopped because it was asked to; it can be resumed."""

    stage: str
    step: int = 0
    now: bool = False


class Failed(Event, tag="failed"):
    """The run failed; `kind` is nan, memory, disk, refused, error, died or torn; `message` one line, what and what to do."""

    kind: str
    message: str
    stage: str = ""


AnyEvent = (
    Started
    | Resumed
    | StageStarted
    | Progress
    | StageFinished
    | Step
    | Probe
    | Epoch
    | Canary
    | Saved
    | Loaded
    | Scored
    | Answered
    | Recovery
    | PrivLeak
    | Predicted
    | WeightsMatrix
    | WeightsSummary
    | Explained
    | Log
    | Finished
    | Stopped
    | Failed
)
TERMINAL = (Finished, Stopped, Failed)

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


def encode(event: Event) -> bytes:
    """One JSON line including its newline. NaN and infinities become null (JSON has neither)."""
    return _encoder.encode(event) + b"\n"


def decode(line: bytes) -> AnyEvent:
    """The event of one line. Raises msgspec.DecodeError for anything else (a torn line, another schema)."""
    return _decoder.decode(line)
