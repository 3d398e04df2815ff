"""The flags, each once; None means not given, so that the value of SPEC.toml or the default stands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from unlearn_tui import catalog
from unlearn_tui.protocol.spec import RunSpec

_D = RunSpec()
_WHAT, _HOW, _SCORES, _WATCH, _RUN = "What", "How to unlearn", "Scores", "Watch while it trains", "Run"


def _spec(flag: str, panel: str, help: str, default: object = None, metavar: str | None = None) -> Any:
    """The option of a spec field, showing the default that stands when it is not given."""
    if isinstance(default, list):
        default = ",".join(default)
    shown = f"{default:g}" if isinstance(default, float) else str(default)
    stands = f" Default {shown}." if default is not None else ""
    return Option(*flag.split(), help=help + stands, metavar=metavar, rich_help_panel=panel, show_default=False)


RunRef = Annotated[
    str, Argument(metavar="RUN", help="A run: its id, a unique beginning of it, 'last', or 'demo' (recorded).")
]
Plain = Annotated[bool, Option("--plain", help="Plain text: no colour, no boxes, no redrawing.")]
Json = Annotated[bool, Option("--json", help="The result as JSON on stdout.")]
Events = Annotated[bool, Option("--events", help="Stream the run's log as JSON lines on stdout, instead of a result.")]
Detach = Annotated[bool, Option("--detach", help="Return as soon as the engine has accepted the run.")]
Home = Annotated[
    Path | None,
    Option("--home", metavar="DIR", help="Where runs live (else $UNLEARN_TUI_HOME, else the user data folder)."),
]
SpecFile = Annotated[
    Path | None, Argument(metavar="SPEC.toml", help="A run's settings; flags override it. Any run's spec.toml will do.")
]

Model = Annotated[
    str | None,
    _spec("--model", _WHAT, "The target: a folder, a hub id, a run, or a shipped name.", _D.model, "MODEL"),
]
Target = Annotated[
    str | None,
    _spec("--target --model", _WHAT, "The model before unlearning, named as for run --model.", _D.model, "MODEL"),
]
Unlearned = Annotated[
    str | None,
    _spec("--unlearned", _WHAT, "The model that somebody has unlearned: a folder, a hub id or a run.", None, "MODEL"),
]
Retrain = Annotated[
    str | None, _spec("--retrain", _WHAT, "A model that never saw the forget set, for gap_share.", None, "MODEL")
]
Corpus = Annotated[
    str | None,
    _spec(
        "--corpus",
        _WHAT,
        "A name (unlearn-tui corpora lists them), a folder, or JSON Lines of question and answer.",
        _D.corpus,
        "CORPUS",
    ),
]
Template = Annotated[
    str | None,
    _spec(
        "--template",
        _WHAT,
        "How questions are put: as KnowMem does, in the tokenizer's chat template, or chat where there is one.",
        _D.template,
        "|".join(catalog.TEMPLATES),
    ),
]

Method = Annotated[str | None, _spec("--method", _HOW, f"One of {', '.join(catalog.METHODS)}.", _D.method, "METHOD")]
ForgetText = Annotated[
    str | None,
    _spec("--forget-text", _HOW, "Unlearning reads raw text, or qa pairs (loss on answers).", _D.forget_text, "raw|qa"),
]
Lr = Annotated[float | None, _spec("--lr", _HOW, "AdamW's step size, constant.", _D.lr)]
Steps = Annotated[int | None, _spec("--steps", _HOW, "Optimizer steps.", _D.steps)]
Epochs = Annotated[float | None, _spec("--epochs", _HOW, "Passes over the forget set, instead of --steps.")]
Batch = Annotated[int | None, _spec("--batch", _HOW, "Forget items per micro batch.", _D.batch)]
GradAccum = Annotated[int | None, _spec("--grad-accum", _HOW, "Micro batches per step.", _D.grad_accum)]
Gamma = Annotated[float | None, _spec("--gamma", _HOW, "Weight of the forget term; simnpo's is 0.125.", _D.gamma)]
Alpha = Annotated[float | None, _spec("--alpha", _HOW, "Weight of the retain term.", _D.alpha)]
Beta = Annotated[float | None, _spec("--beta", _HOW, "Temperature of NPO and DPO; simnpo's is 4.5.", _D.beta)]
Delta = Annotated[float | None, _spec("--delta", _HOW, "SimNPO's margin, nats a token.", "0")]
TaskAlpha = Annotated[
    float | None,
    _spec("--task-alpha", _HOW, "How far task_vector goes the other way; how much whp holds back (4).", _D.task_alpha),
]
RmuLayer = Annotated[
    int | None, _spec("--rmu-layer", _HOW, "RMU's layer, from 0; unset: 7 of 32, as far up in other models.")
]
RmuCoefficient = Annotated[
    float | None, _spec("--rmu-coefficient", _HOW, "Length of the vector RMU turns to.", _D.rmu_coefficient)
]
RmuWeights = Annotated[
    str | None, _spec("--rmu-weights", _HOW, "What RMU trains.", _D.rmu_weights, "|".join(catalog.RMU_WEIGHTS))
]
NpoLength = Annotated[
    str | None,
    _spec("--npo-length", _HOW, "NPO's log-probability; mean is non-standard.", _D.npo_length, "sum|mean"),
]
MaxLength = Annotated[int | None, _spec("--max-length", _HOW, "Tokens per sequence.", _D.max_length)]
Clip = Annotated[float | None, _spec("--clip", _HOW, "Largest gradient norm; 0 for none.", "0")]
WeightDecay = Annotated[float | None, _spec("--weight-decay", _HOW, "AdamW's weight decay.", "0")]
Weights = Annotated[
    str | None,
    _spec("--weights", _HOW, "How updates reach the weights.", _D.weights, "|".join(catalog.UPDATE_MODES)),
]
StopRule = Annotated[
    str | None,
    _spec(
        "--stop-rule",
        _HOW,
        "Score KnowMem forget after each epoch; muse also stops at the first that is no higher than --retrain's.",
        None,
        "|".join(catalog.STOP_RULES),
    ),
]
StopAt = Annotated[
    float | None, _spec("--stop-at", _HOW, "Stop at this score or below, instead of the retrained model's.")
]
Sure = Annotated[
    str | None,
    _spec(
        "--sure",
        _HOW,
        "SURE: only units with a large forget gradient move; the paper uses it with --lr 1e-4 and a larger --alpha.",
        None,
        "|".join(catalog.SURE),
    ),
]
SureUnit = Annotated[
    str | None, _spec("--sure-unit", _HOW, "SURE's units.", _D.sure_unit, "|".join(catalog.SURE_UNITS))
]
SurePercentile = Annotated[
    float | None,
    _spec("--sure-percentile", _HOW, "Units at or above this percentile of saliency move.", _D.sure_percentile),
]
LoraRank = Annotated[
    int | None,
    _spec(
        "--lora-rank",
        _HOW,
        "Train a LoRA adapter of this rank on every linear layer, merged at the end; 0 for none.",
        "0",
    ),
]
LoraAlpha = Annotated[
    float | None, _spec("--lora-alpha", _HOW, "LoRA's product counts alpha / rank times.", _D.lora_alpha)
]
Resist = Annotated[
    str | None,
    _spec(
        "--resist",
        _HOW,
        "After pure bf16 training, carry edits across the edges of this quantizer's zero bin (bnb-fp4, bnb-nf4, rtn-…).",
        None,
        "PRECISION",
    ),
]
OptimizerState = Annotated[
    str | None,
    _spec("--optimizer-state", _HOW, "How Adam's moments are kept.", _D.optimizer_state, "|".join(catalog.MOMENTS)),
]
Checkpointing = Annotated[
    bool | None,
    _spec(
        "--checkpointing/--no-checkpointing",
        _HOW,
        "Compute layers again in the backward pass: much less memory, a third more time.",
        "no-checkpointing",
    ),
]

Precision = Annotated[
    str | None,
    _spec(
        "--precision",
        _SCORES,
        f"Comma list of {', '.join(catalog.PRECISIONS)}; options as in bnb-fp4:block=128+double (see precisions).",
        _D.precision,
        "LIST",
    ),
]
_METRICS = (
    f"{', '.join(catalog.MUSE_METRICS)}, …; muse, tofu and utility stand for several (unlearn-tui metrics lists all)."
)
Metric = Annotated[str | None, _spec("--metric", _SCORES, f"Comma list of {_METRICS}", _D.metric, "LIST")]
MinK = Annotated[
    int | None,
    _spec(
        "--min-k",
        _SCORES,
        "privleak looks at this percentage of a text's least likely tokens.",
        _D.min_k,
        "|".join(map(str, catalog.MIN_K)),
    ),
]
Ablate = Annotated[
    str | None,
    _spec("--ablate", _SCORES, "Also score the edit inside and outside these quantizers' zero bins.", None, "LIST"),
]
EvalBatch = Annotated[int | None, _spec("--eval-batch", _SCORES, "Prompts per batch.", _D.eval_batch)]

Canary = Annotated[
    str | None,
    _spec(
        "--canary",
        _WATCH,
        "The pinned question: its index among the forget questions (from 0), or your own words.",
        _D.canary,
        "INDEX|TEXT",
    ),
]
CanaryEvery = Annotated[
    int | None, _spec("--canary-every", _WATCH, "Steps between canary questions; 0 for never.", _D.canary_every)
]
ProbeEvery = Annotated[
    int | None, _spec("--probe-every", _WATCH, "Steps between KnowMem probes; 0 for never.", _D.probe_every)
]

SaveEvery = Annotated[
    int | None, _spec("--save-every", _RUN, "Steps between saves to resume from; 0 for none.", _D.save_every)
]
Seed = Annotated[int | None, _spec("--seed", _RUN, "Seed of everything random.", "0")]
Device = Annotated[str | None, _spec("--device", _RUN, "Where to compute.", _D.device, "auto|cpu|cuda:N")]
Threads = Annotated[int | None, _spec("--threads", _RUN, "CPU threads; 0 for all usable cores.", "0")]
MemoryLimit = Annotated[
    float | None,
    _spec(
        "--memory-limit",
        _RUN,
        "GB of main memory, and of a GPU's, that the engine may hold; what asks for more fails in words. 0 for no limit.",
        "0",
        "GB",
    ),
]
Name = Annotated[str | None, _spec("--name", _RUN, "How the run's id begins.")]
Offline = Annotated[bool | None, _spec("--offline/--no-offline", _RUN, "Never ask the network.")]
PickleWeights = Annotated[
    bool | None,
    _spec("--pickle-weights", _RUN, "Read PyTorch's pickled weights too, running none of their code."),
]
TrustRemoteCode = Annotated[
    bool | None,
    _spec("--trust-remote-code", _RUN, "Run the Python files that the checkpoint brings along."),
]
Cache = Annotated[bool | None, _spec("--cache/--no-cache", _RUN, "Reuse the target's scores of earlier runs.", "cache")]
KeepCheckpoint = Annotated[
    bool | None, _spec("--keep-checkpoint", _RUN, "Keep every training save, not just the last.")
]
